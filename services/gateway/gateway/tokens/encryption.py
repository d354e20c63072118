"""Tokens at rest: AES-256-GCM under a named key, bound to the connection and to what they are."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Unsealable(Exception):
    """A sealed value whose key is not in TOKEN_ENCRYPTION_KEYS, that belongs to another connection, or that is none."""


def derived_key(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for this purpose alone: what one purpose signed is worth nothing for another."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"merchant-sync {purpose}".encode()).derive(
        secret.encode()
    )


class Sealer:
    """Seals under the first of `keys` (id to 32 bytes), opens under any of them.

    A sealed value is `<key id>.<base64 of nonce and ciphertext>`. The connection's name and the value's kind
    (`access`, `refresh`) are authenticated with it: moved to another row, it does not open.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._current = next(iter(keys))
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def seal(self, value: str, *, connection: str, kind: str) -> str:
        """`value` sealed under the current key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._keys[self._current].encrypt(nonce, value.encode(), _bound_to(connection, kind))
        return f"{self._current}.{b64encode(nonce + ciphertext).decode()}"

    def open(self, sealed: str, *, connection: str, kind: str) -> str:
        """The value. Raises `Unsealable` when no key opens it for this connection and kind."""
        key_id, _, encoded = sealed.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise Unsealable(f"{connection}: sealed under key {key_id!r}, which is not in TOKEN_ENCRYPTION_KEYS")
        try:
            blob = b64decode(encoded)
            return key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _bound_to(connection, kind)).decode()
        except (InvalidTag, ValueError) as error:
            raise Unsealable(f"{connection}: the sealed {kind} value is not this connection's") from error

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed under the current key."""
        return sealed.partition(".")[0] == self._current


def _bound_to(connection: str, kind: str) -> bytes:
    return f"{connection}\x1f{kind}".encode()
