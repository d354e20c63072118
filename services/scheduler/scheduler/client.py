"""Client of the gateway's internal API."""

from urllib.parse import quote

import httpx

from messaging import tracing
from messaging.errors import UnavailableError
from platform_sdk.errors import AccountBlockedError, ConnectionEndedError

MAX_REASON_LENGTH = 300


class GatewayClient:
    """Client of the gateway: has missing webhook subscriptions created, and checks the gateway's health."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ensure_webhooks(self, connection: str, sync_id: str, *, is_first_sync: bool) -> None:
        """Tell the gateway to create the missing webhook subscriptions of `connection`.

        `sync_id` is the full sync that needs them. `is_first_sync` is True for the first full sync after an account was
        connected: the gateway then also tests that webhooks arrive at its webhook URL. Raises ConnectionEndedError with
        the connection's state when the connection is not connected, and AccountBlockedError when the platform refuses
        every call about the account. Raises UnavailableError when the gateway does not answer, or when it answers that
        the platform is unavailable.
        """
        url = f"{self._url}/internal/connections/{quote(connection, safe='')}/assert"
        body = {"sync_id": sync_id, "first": is_first_sync}
        try:
            with tracing.trace_call("POST", url) as span:
                response = await self._http.post(url, json=body, headers=self._headers, timeout=60)
                tracing.record_status(span, response.status_code)
        except httpx.HTTPError as error:
            raise UnavailableError(f"gateway: {error!r}") from error
        if response.status_code in {404, 409}:
            raise ConnectionEndedError(_read_field(response, "state") or "not connected")
        if response.status_code == 424 and (reason := _read_field(response, "blocked")):
            raise AccountBlockedError(reason)
        if response.status_code != 200:
            raise UnavailableError(_read_reason(response))

    async def check_health(self) -> str | None:
        """Return the error of a call to the gateway as text, or None when the gateway answers."""
        try:
            await self._http.get(f"{self._url}/health", timeout=3)
        except httpx.HTTPError as error:
            return repr(error)
        return None


def _read_reason(response: httpx.Response) -> str:
    """Return the gateway's reason, which a merchant understands: it is shown with the sync that waits for it."""
    return _read_field(response, "reason") or f"the gateway answers HTTP {response.status_code}"


def _read_field(response: httpx.Response, name: str) -> str:
    try:
        return str(response.json().get(name) or "")[:MAX_REASON_LENGTH]
    except (ValueError, AttributeError):
        return ""
