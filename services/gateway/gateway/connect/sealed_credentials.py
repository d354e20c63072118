"""Seals credentials for the way from one form to the next, so that the browser between them holds nothing in clear."""

from collections.abc import Callable, Mapping

import orjson

from gateway.sessions.cookies import FORM_SECONDS
from platform_sdk.errors import RequestRejectedError
from service.encryption import ContextCipher, DecryptionError

_TOO_OLD = "this form has been open for too long; enter the credentials again"


class CredentialsSealer:
    """Seals the credentials of one platform with the first of `keys` (32 bytes by key id), and unseals with any.

    What was sealed is good for one browser, and for as long as a form may stay open. `now` returns the time in ms.
    """

    def __init__(self, keys: Mapping[str, bytes], platform: str, *, now: Callable[[], int]) -> None:
        self._cipher = ContextCipher(keys)
        self._platform = platform
        self._now = now

    def seal(self, values: Mapping[str, str], form_token: str) -> str:
        """Return the credentials, encrypted and authenticated for the browser whose forms have this token."""
        content = {"values": dict(values), "until": self._now() + FORM_SECONDS * 1000}
        return self._cipher.encrypt(orjson.dumps(content).decode(), self._build_context(form_token))

    def unseal(self, sealed: str, form_token: str) -> dict[str, str]:
        """Return the credentials that were sealed for this browser.

        Raises RequestRejectedError for anything else, and once they are too old.
        """
        try:
            content = orjson.loads(self._cipher.decrypt(sealed, self._build_context(form_token)))
        except DecryptionError as error:
            raise RequestRejectedError(400, _TOO_OLD) from error
        if content["until"] < self._now():
            raise RequestRejectedError(400, _TOO_OLD)
        values: dict[str, str] = content["values"]
        return values

    def _build_context(self, form_token: str) -> str:
        # Stored tokens have the name of a connection in this place, which never begins with a slash.
        return f"/{self._platform}/connect\x1f{form_token}"
