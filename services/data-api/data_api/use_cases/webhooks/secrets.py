"""The secrets of endpoints as they are stored: each is encrypted for its endpoint, and for no other."""

from uuid import UUID

import structlog

from data_api.store.endpoints import EndpointStore
from data_api.webhook_endpoints import WebhookEndpoint
from service.encryption import ContextCipher, DecryptionError

log = structlog.get_logger()
RENEWED_AT_ONCE = 100


class EndpointSecrets:
    """Encrypts and decrypts the secrets of endpoints."""

    def __init__(self, cipher: ContextCipher) -> None:
        self._cipher = cipher

    def encrypt(self, endpoint: UUID, secret: str) -> str:
        """Return a secret as it is stored for the endpoint of this id."""
        return self._cipher.encrypt(secret, str(endpoint))

    def decrypt(self, endpoint: UUID, encrypted: str) -> str:
        """Return a secret of the endpoint of this id. Raises `DecryptionError`."""
        return self._cipher.decrypt(encrypted, str(endpoint))

    async def renew(self, store: EndpointStore) -> bool:
        """Encrypt some secrets anew that are encrypted under an older key, and return whether there may be more."""
        found = await store.list_old_secrets(self._cipher.current_key, RENEWED_AT_ONCE)
        renewed = 0
        for endpoint in found:
            try:
                await store.replace_ciphertexts(endpoint, *self._encrypt_again(endpoint))
                renewed += 1
            except DecryptionError as error:
                log.error("secret of an endpoint cannot be read", endpoint=str(endpoint.id), reason=str(error))  # noqa: TRY400
        # Those that cannot be read would be found again.
        return renewed == RENEWED_AT_ONCE

    def _encrypt_again(self, endpoint: WebhookEndpoint) -> tuple[str, str | None]:
        secret = self.encrypt(endpoint.id, self.decrypt(endpoint.id, endpoint.secret))
        former = endpoint.former_secret
        return secret, self.encrypt(endpoint.id, self.decrypt(endpoint.id, former)) if former is not None else None
