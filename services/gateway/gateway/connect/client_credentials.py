"""Connects accounts, at an operator's request, by the client credentials of this installation's own app."""

from collections.abc import Mapping

from gateway.connect.grants import GrantService
from gateway.connect.paths import describe_missing_settings
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import ClientCredentials, ConnectedAccount
from platform_sdk.errors import NotFoundError, PermanentError, RequestRejectedError


class ClientCredentialsConnector:
    """Requests grants from platforms that need no user's consent, and stores them as the operator's connections.

    A grant holds the tokens and scopes of one account.
    """

    def __init__(self, adapters: Mapping[str, PlatformAdapter], grants: Mapping[str, GrantService]) -> None:
        self._adapters = adapters
        self._grants = grants

    async def connect(self, platform: str) -> tuple[ConnectedAccount, ...]:
        """Connect all accounts that the app may read, also those connected before, and return them.

        A full sync of each begins. Raises NotFoundError for an unknown platform. Raises RequestRejectedError when the
        platform has another connection method, is not configured, or refuses. Raises TransientError when the platform
        does not answer.
        """
        adapter = self._adapters.get(platform)
        if adapter is None:
            raise NotFoundError
        method = adapter.connection_method
        if not isinstance(method, ClientCredentials):
            raise RequestRejectedError(400, f"accounts of {adapter.manifest.title} are connected in a browser")
        if not adapter.is_configured:
            raise RequestRejectedError(400, describe_missing_settings(adapter))
        try:
            grants = await method.request_grants()
        except PermanentError as error:
            raise RequestRejectedError(400, error.reason) from error
        return await self._grants[platform].store_for_operator(grants)
