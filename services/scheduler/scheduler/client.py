"""Client of the gateway's internal API."""

import httpx

from messaging import tracing
from messaging.errors import UnavailableError
from platform_sdk.errors import ConnectionEndedError


class GatewayClient:
    """Has the gateway ensure a connection's webhook subscriptions before a full sync reads anything."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ensure_webhooks(self, connection: str, sync_id: str, *, first: bool) -> None:
        """Have the gateway create the webhook subscriptions that are missing; with `first`, also probe the webhook
        address.

        Raises ConnectionEndedError with the connection's state when it is not connected, and UnavailableError when the
        gateway, or the platform behind it, cannot do it now.
        """
        url = f"{self._url}/internal/connections/{connection}/assert"
        body = {"sync_id": sync_id, "first": first}
        try:
            with tracing.trace_call("POST", url) as span:
                response = await self._http.post(url, json=body, headers=self._headers, timeout=60)
                tracing.record_status(span, response.status_code)
        except httpx.HTTPError as error:
            raise UnavailableError(f"gateway: {error!r}") from error
        if response.status_code in {404, 409}:
            raise ConnectionEndedError(_read_state(response))
        if response.status_code != 200:
            raise UnavailableError(f"gateway: HTTP {response.status_code}")

    async def check_health(self) -> str | None:
        """Return what is wrong with the gateway, or None when it answers."""
        try:
            await self._http.get(f"{self._url}/health", timeout=3)
        except httpx.HTTPError as error:
            return repr(error)
        return None


def _read_state(response: httpx.Response) -> str:
    try:
        return str(response.json().get("state", "not connected"))
    except ValueError:
        return "not connected"
