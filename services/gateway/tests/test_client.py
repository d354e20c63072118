"""The gateway's own clients: the webhook probe's POST, and the scheduler's read API."""

from uuid import uuid4

import httpx
import pytest

from gateway.pages.client import SchedulerClient
from gateway.webhooks.client import post_probe
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError, RequestRejectedError, TransientError


def create_http(response: httpx.Response | Exception) -> httpx.AsyncClient:
    """Creates a client whose requests all get this response or raise this exception."""

    def respond(_request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


async def test_the_probe_follows_no_redirect() -> None:
    redirect = httpx.Response(302, headers={"Location": "https://elsewhere"})
    assert await post_probe(create_http(redirect), "https://x/w", {}, b"{}") == 302
    with pytest.raises(TransientError, match="no route"):
        await post_probe(create_http(httpx.ConnectError("no route")), "https://x/w", {}, b"{}")


async def test_a_scheduler_that_fails_or_responds_malformed_is_unavailable() -> None:
    for response in (httpx.Response(500), httpx.Response(200, text="?"), httpx.ConnectError("no")):
        with pytest.raises(UnavailableError):
            await SchedulerClient(create_http(response), "http://s", key="k").fetch_sync(uuid4())
    client = SchedulerClient(create_http(httpx.Response(404)), "http://s/", key="k")
    assert await client.fetch_sync(uuid4()) is None


async def test_a_cancellation_is_refused_with_the_schedulers_reason() -> None:
    refusal = httpx.Response(409, json={"detail": "it has ended already"})
    with pytest.raises(RequestRejectedError, match="it has ended already"):
        await SchedulerClient(create_http(refusal), "http://s", key="k").cancel_sync("shop:a", uuid4())
    with pytest.raises(NotFoundError):
        await SchedulerClient(create_http(httpx.Response(404)), "http://s", key="k").cancel_sync("shop:a", uuid4())
    for response in (httpx.Response(500), httpx.Response(409, text="?"), httpx.ConnectError("no")):
        with pytest.raises(UnavailableError):
            await SchedulerClient(create_http(response), "http://s", key="k").cancel_sync("shop:a", uuid4())


async def test_a_name_with_slashes_is_one_segment_of_the_schedulers_paths() -> None:
    paths: list[bytes] = []

    def respond(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404)

    client = SchedulerClient(httpx.AsyncClient(transport=httpx.MockTransport(respond)), "http://s", key="k")
    assert await client.fetch_connection("x:a.test/1/b") is None
    sync_id = uuid4()
    with pytest.raises(NotFoundError):
        await client.cancel_sync("x:a.test/1/b", sync_id)
    name = b"/connections/x%3Aa.test%2F1%2Fb"
    assert paths == [name, name + f"/syncs/{sync_id}/cancel".encode()]
