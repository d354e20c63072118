"""Hashes the secret values that browsers hold, for storing and checking them."""

import hmac

from gateway.tokens.encryption import derive_key

STATE, BROWSER, SESSION, FORM = "state", "browser", "session", "form"
"""The purposes of a value: an OAuth state, or the cookie of a login (`BROWSER`), a session or a form.

A value that was made for one purpose is not valid for another.
"""


class BrowserKeys:
    """Hashes the secret values that browsers hold: OAuth states, and the cookies of logins, sessions and forms.

    Each of these purposes has its own key, derived from the setting STATE_TOKEN_SECRET.
    """

    def __init__(self, secret: str) -> None:
        self._keys = {purpose: derive_key(secret, purpose) for purpose in (STATE, BROWSER, SESSION, FORM)}

    def hash_value(self, purpose: str, value: str) -> bytes:
        """Return the HMAC-SHA-256 of `value` with the key of this purpose, such as `SESSION`.

        The database stores such hashes in place of the values.
        """
        return hmac.digest(self._keys[purpose], value.encode("utf-8", "surrogateescape"), "sha256")

    def build_form_token(self, value: str) -> str:
        """Return the token for the forms that are shown to the browser whose form or session cookie has this value.

        A page of another site cannot read the token, so it cannot send these forms.
        """
        return self.hash_value(FORM, value).hex()
