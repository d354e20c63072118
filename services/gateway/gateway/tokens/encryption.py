"""Encryption of stored tokens by AES-256-GCM. A value is bound to its connection and to its kind of token."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.connections import EncryptedTokens
from platform_sdk.errors import TransientError
from platform_sdk.grants import Grant

_NONCE_BYTES = 12


def derive_key(secret: str, purpose: str) -> bytes:
    """Return a key of 32 bytes that is derived from `secret` for one purpose (HKDF-SHA-256).

    Each purpose has another key, so that a value signed for one purpose is not valid for another.
    """
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"merchant-sync {purpose}".encode()).derive(
        secret.encode()
    )


class TokenCipher:
    """Encrypts tokens with the first of `keys` (32 bytes by key id) and decrypts them with any of `keys`.

    An encrypted value is `<key id>.<base64 of nonce and ciphertext>`. The connection's name and the kind of token
    (`access` or `refresh`) are authenticated with the value, so that a value copied to another row is not decrypted.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._current = next(iter(keys))
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def encrypt(self, value: str, *, connection: str, kind: str) -> str:
        """Return the token `value` encrypted with the current key, the first of `keys`.

        The result can be decrypted only for the same connection and `kind` (`access` or `refresh`).
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._keys[self._current].encrypt(nonce, value.encode(), _build_context(connection, kind))
        return f"{self._current}.{b64encode(nonce + ciphertext).decode()}"

    def decrypt(self, encrypted: str, *, connection: str, kind: str) -> str:
        """Return the decrypted token of this connection. `kind` is `access` or `refresh`.

        Raises TransientError when the key of the encrypted value is not among `keys`, or when the value belongs to
        another connection or kind. The error is transient because the operator can put a missing key back. Until then
        only this connection cannot be read.
        """
        key_id, _, encoded = encrypted.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise TransientError(
                f"{connection}: the token is encrypted under key {key_id!r}, which is not in TOKEN_ENCRYPTION_KEYS"
            )
        try:
            blob = b64decode(encoded)
            return key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _build_context(connection, kind)).decode()
        except (InvalidTag, ValueError) as error:
            raise TransientError(f"{connection}: the stored {kind} token is not this connection's") from error

    def encrypt_grant(self, name: str, grant: Grant) -> EncryptedTokens:
        """Return a grant's tokens, encrypted for the connection `name`."""
        refresh = grant.refresh_token
        return EncryptedTokens(
            access=self.encrypt(grant.access_token, connection=name, kind="access"),
            expires_at=grant.expires_at,
            refresh=self.encrypt(refresh, connection=name, kind="refresh") if refresh else None,
            refresh_expires_at=grant.refresh_expires_at,
        )

    def is_encrypted_with_current_key(self, encrypted: str) -> bool:
        """Return whether the encrypted token was encrypted with the current key, the first of `keys`."""
        return encrypted.partition(".")[0] == self._current


def _build_context(connection: str, kind: str) -> bytes:
    return f"{connection}\x1f{kind}".encode()
