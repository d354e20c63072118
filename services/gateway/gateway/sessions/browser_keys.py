"""How the values that browsers hold are stored and checked."""

import hmac

from gateway.tokens.encryption import derive_key

STATE, BROWSER, SESSION, FORM = "state", "browser", "session", "form"
"""What a value is for: one that was made for one purpose is worth nothing for another."""


class BrowserKeys:
    """Hashes browsers' values under a key for each purpose. The keys are derived from STATE_TOKEN_SECRET."""

    def __init__(self, secret: str) -> None:
        self._keys = {purpose: derive_key(secret, purpose) for purpose in (STATE, BROWSER, SESSION, FORM)}

    def hash_value(self, purpose: str, value: str) -> bytes:
        """Return the hash under which a value is stored."""
        return hmac.digest(self._keys[purpose], value.encode("utf-8", "surrogateescape"), "sha256")

    def build_form_token(self, value: str) -> str:
        """Return the token in the forms of the browser whose cookie has this value, so that no other page can send
        them."""
        return self.hash_value(FORM, value).hex()
