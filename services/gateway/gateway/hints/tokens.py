"""The tokens in the addresses for hints. Each names one connection in one epoch; nothing is stored of them."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from gateway.tokens.encryption import derive_key

_PURPOSE = "hint"
_MAC_BYTES = 16


class HintTokens:
    """Makes and checks tokens with a key that is derived from the setting STATE_TOKEN_SECRET."""

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, _PURPOSE)

    def make(self, connection: str, epoch: int) -> str:
        """Return the token of a connection. It ends with the epoch, the number that rises at each disconnect."""
        named = f"{epoch}:{connection}".encode()
        return f"{_encode(named)}.{_encode(self._sign(named))}"

    def parse(self, token: str) -> tuple[str, int] | None:
        """Return the connection and the epoch that a token names; None for one that `make` has not made."""
        named, _, mac = token.partition(".")
        try:
            text, given = _decode(named), _decode(mac)
        except ValueError:
            return None
        if not hmac.compare_digest(given, self._sign(text)):
            return None
        epoch, _, connection = text.decode().partition(":")
        return connection, int(epoch)

    def _sign(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")[:_MAC_BYTES]


def _encode(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
