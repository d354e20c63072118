"""Encryption of stored tokens. A value is bound to its connection and to its kind of token."""

from collections.abc import Mapping
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.connections import EncryptedTokens, StoredLogin
from platform_sdk.errors import TransientError
from platform_sdk.grants import Grant
from service.encryption import ContextCipher, DecryptionError


def derive_key(secret: str, purpose: str) -> bytes:
    """Return a key of 32 bytes that is derived from `secret` for one purpose (HKDF-SHA-256).

    Each purpose has another key, so that a value signed for one purpose is not valid for another.
    """
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"merchant-sync {purpose}".encode()).derive(
        secret.encode()
    )


class TokenCipher:
    """Encrypts tokens with the first of `keys` (32 bytes by key id) and decrypts them with any of `keys`.

    The connection's name and the kind of token (`access` or `refresh`) are the context of the encrypted value. For the
    secret of a shared login that is the login's id.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._cipher = ContextCipher(keys)

    def encrypt(self, value: str, *, connection: str, kind: str) -> str:
        """Return the token `value` encrypted with the current key, the first of `keys`.

        The result can be decrypted only for the same connection and `kind` (`access` or `refresh`).
        """
        return self._cipher.encrypt(value, _build_context(connection, kind))

    def decrypt(self, encrypted: str, *, connection: str, kind: str) -> str:
        """Return the decrypted token of this connection. `kind` is `access` or `refresh`.

        Raises TransientError when the key of the encrypted value is not among `keys`, or when the value belongs to
        another connection or kind. The error is transient because the operator can put a missing key back. Until then
        only this connection cannot be read.
        """
        try:
            return self._cipher.decrypt(encrypted, _build_context(connection, kind))
        except DecryptionError as error:
            raise TransientError(
                f"{connection}: the stored {kind} token cannot be decrypted by TOKEN_ENCRYPTION_KEYS: {error}"
            ) from error

    def encrypt_grant(self, name: str, grant: Grant) -> EncryptedTokens:
        """Return a grant's tokens, encrypted for the connection `name`."""
        refresh = grant.refresh_token
        return EncryptedTokens(
            access=self.encrypt(grant.access_token, connection=name, kind="access"),
            expires_at=grant.expires_at,
            refresh=self.encrypt(refresh, connection=name, kind="refresh") if refresh else None,
            refresh_expires_at=grant.refresh_expires_at,
        )

    def encrypt_login(self, login: UUID, secret: str) -> str:
        """Return the secret of a shared login, encrypted for the login with this id."""
        return self._cipher.encrypt(secret, _build_context(str(login), "login"))

    def decrypt_login(self, login: StoredLogin, *, connection: str) -> str:
        """Return the secret of a login that `connection` shares with others. Raises the errors of `decrypt`."""
        try:
            return self._cipher.decrypt(login.secret, _build_context(str(login.id), "login"))
        except DecryptionError as error:
            raise TransientError(
                f"{connection}: its stored login cannot be decrypted by TOKEN_ENCRYPTION_KEYS: {error}"
            ) from error

    def is_encrypted_with_current_key(self, encrypted: str) -> bool:
        """Return whether the encrypted token was encrypted with the current key, the first of `keys`."""
        return self._cipher.is_encrypted_with_current_key(encrypted)


def _build_context(owner: str, kind: str) -> str:
    return f"{owner}\x1f{kind}"
