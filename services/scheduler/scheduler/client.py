"""The gateway's internal endpoint, in the words that the scheduler needs."""

import httpx

from messaging import tracing


class GatewayAway(Exception):
    """The gateway, or the platform behind it, does not answer now."""


class ConnectionEnded(Exception):
    """The gateway says that the connection is not connected; the message is its state."""


class Gateway:
    """Asks the gateway to assert a connection's webhook subscriptions before a walk reads anything."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def assert_subscriptions(self, connection: str, sync_id: str, *, first: bool) -> None:
        """Have subscriptions asserted; `first` adds the test of the webhook address.

        Raises `ConnectionEnded`, or `GatewayAway` when that cannot be done now.
        """
        url = f"{self._url}/internal/connections/{connection}/assert"
        asked = {"sync_id": sync_id, "first": first}
        try:
            with tracing.trace_call("POST", url) as span:
                answer = await self._http.post(url, json=asked, headers=self._headers, timeout=60)
                tracing.record_status(span, answer.status_code)
        except httpx.HTTPError as error:
            raise GatewayAway(repr(error)) from error
        if answer.status_code in {404, 409}:
            raise ConnectionEnded(_state(answer))
        if answer.status_code != 200:
            raise GatewayAway(f"HTTP {answer.status_code}")

    async def trouble(self) -> str | None:
        """What is wrong with the gateway, or None when it answers."""
        try:
            await self._http.get(f"{self._url}/health", timeout=3)
        except httpx.HTTPError as error:
            return repr(error)
        return None


def _state(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("state", "not connected"))
    except ValueError:
        return "not connected"
