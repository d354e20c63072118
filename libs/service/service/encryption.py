"""Encrypts secrets for a database by AES-256-GCM. Each value is bound to a context, such as the row it is in."""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BeforeValidator
from pydantic_settings import NoDecode

KEY_BYTES = 32
_NONCE_BYTES = 12


class DecryptionError(Exception):
    """Raised for a value whose key is not at hand, or which was not encrypted for this context."""


class ContextCipher:
    """Encrypts with the first of `keys` (32 bytes by key id), and decrypts with any of them.

    An encrypted value is `<key id>.<base64 of nonce and ciphertext>`. The context is authenticated with the value, so
    that a value which was copied to another row is not decrypted.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._current = next(iter(keys))
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def encrypt(self, value: str, context: str) -> str:
        """Return `value` encrypted with the current key. It can be decrypted with the same context only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._keys[self._current].encrypt(nonce, value.encode(), context.encode())
        return f"{self._current}.{b64encode(nonce + ciphertext).decode()}"

    def decrypt(self, encrypted: str, context: str) -> str:
        """Return the value that was encrypted for `context`. Raises `DecryptionError`, which says why it cannot be."""
        key_id, _, encoded = encrypted.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise DecryptionError(f"it is encrypted under the key {key_id!r}, which is not given")
        try:
            blob = b64decode(encoded)
            return key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise DecryptionError("it was encrypted for something else") from error

    @property
    def current_key(self) -> str:
        """The id of the current key, with which an encrypted value begins, before a dot."""
        return self._current

    def is_encrypted_with_current_key(self, encrypted: str) -> bool:
        """Return whether the value was encrypted with the current key, the first of `keys`."""
        return encrypted.partition(".")[0] == self._current


def parse_encryption_keys(value: object) -> dict[str, bytes]:
    """Parse `id:key`, several separated by commas; a key is 32 bytes in base64. Raises `ValueError`."""
    keys: dict[str, bytes] = {}
    for key_id, encoded in _parse_named_keys(str(value)):
        try:
            keys[key_id] = b64decode(encoded, altchars=b"-_", validate=True)
        except Base64Error as error:
            raise ValueError(f"the key {key_id} is not base64") from error
        if len(keys[key_id]) != KEY_BYTES or "." in key_id:
            raise ValueError(f"the key {key_id} must be 32 bytes in base64, its id without a dot")
    return keys


EncryptionKeys = Annotated[dict[str, bytes], NoDecode, BeforeValidator(parse_encryption_keys)]
"""A setting with encryption keys by their ids. The first one encrypts."""


def _parse_named_keys(value: str) -> list[tuple[str, str]]:
    pairs = [tuple(part.strip().partition(":")[::2]) for part in value.split(",") if part.strip()]
    if not pairs or not all(name and key for name, key in pairs):
        raise ValueError("must be name:key, separated by commas")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("names a key twice")
    return [(name, key) for name, key in pairs]
