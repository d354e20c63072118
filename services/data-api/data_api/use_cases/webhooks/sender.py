"""Signs messages and sends them."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from data_api.client.receivers import ReceiverClient
from data_api.use_cases.webhooks.secrets import EndpointSecrets
from data_api.webhook_endpoints import Attempt, WebhookEndpoint
from data_api.webhook_signatures import build_signed_headers
from messaging.errors import UnavailableError
from service.encryption import DecryptionError


class MessageSender:
    """Sends messages that are signed with the secrets of their endpoints. `now` returns the time."""

    def __init__(self, receivers: ReceiverClient, secrets: EndpointSecrets, now: Callable[[], datetime]) -> None:
        self._receivers = receivers
        self._secrets = secrets
        self._now = now

    async def send(self, endpoint: WebhookEndpoint, message: UUID, body: bytes) -> Attempt:
        """Send a message once, and return what came of it.

        Raises `UnavailableError` when the endpoint's secret cannot be read with the keys that are given, which is no
        fault of the receiver.
        """
        now = self._now()
        encrypted = [endpoint.secret]
        if endpoint.former_secret is not None and endpoint.former_secret_until is not None:
            encrypted += [endpoint.former_secret] if now < endpoint.former_secret_until else []
        try:
            keys = [self._secrets.decrypt(endpoint.id, secret) for secret in encrypted]
        except DecryptionError as error:
            reason = f"the secret of an endpoint cannot be read with ENDPOINT_ENCRYPTION_KEYS: {error}"
            raise UnavailableError(reason) from error
        headers = build_signed_headers(message, body, keys, now)
        return await self._receivers.send(endpoint.options.url, headers, body)
