"""How the values that browsers hold are kept."""

import hmac

from gateway.tokens.encryption import derive_key


class BrowserKeys:
    """How what browsers hold is kept: hashed, under a key for each purpose derived from STATE_TOKEN_SECRET."""

    def __init__(self, secret: str) -> None:
        self._keys = {purpose: derive_key(secret, purpose) for purpose in ("state", "browser", "session", "form")}

    def hashed(self, purpose: str, value: str) -> bytes:
        """The hash under which a `state`, `browser` or `session` value is stored."""
        return hmac.digest(self._keys[purpose], value.encode("utf-8", "surrogateescape"), "sha256")

    def form_token(self, session: str) -> str:
        """What a form on a page of this session carries, so that no other page can send it."""
        return self.hashed("form", session).hex()
