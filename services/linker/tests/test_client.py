"""The client of the gateway: what it asks for, and what it takes the answers for."""

import json
from typing import Any

import httpx
import pytest

from linker.client import SyncClient, SyncRefusedError
from messaging.errors import UnavailableError

CONNECTION = "odoo:acme.example.com/production"
SYNC = "00000000-0000-4000-8000-000000000001"


async def ask(answer: httpx.Response | Exception, *products: str) -> tuple[Any, httpx.Request]:
    """Return the sync that the client gets by this answer, and its request."""
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        sync = await SyncClient(http, "http://gateway/", "k" * 32).request_sync(CONNECTION, products)
    return sync, requests[0]


async def test_all_or_certain_products_are_asked_for() -> None:
    answer = httpx.Response(200, json={"sync_id": SYNC, "status": "in_progress"})
    sync, request = await ask(answer)
    assert str(sync) == SYNC and json.loads(request.content) == {}
    assert request.url.raw_path == b"/internal/connections/odoo%3Aacme.example.com%2Fproduction/refresh"
    assert request.headers["Authorization"] == f"Bearer {'k' * 32}"
    _, request = await ask(answer, "7", "8")
    assert json.loads(request.content) == {"records": {"products": ["7", "8"]}}


@pytest.mark.parametrize(
    ("answer", "reason", "is_disconnected"),
    [
        (
            httpx.Response(409, json={"state": "reauthorise", "sign_in_url": "/x"}),
            "the sign-in is no longer accepted, and the merchant has to sign in again",
            True,
        ),
        (httpx.Response(404, json={"reason": "there is no such connection"}), "there is no such connection", True),
        (httpx.Response(400, json={"reason": "not an id: 'x'"}), "not an id: 'x'", False),
    ],
)
async def test_a_refusal_says_why(answer: httpx.Response, reason: str, is_disconnected: bool) -> None:
    with pytest.raises(SyncRefusedError) as caught:
        await ask(answer)
    assert caught.value.reason == f"{CONNECTION}: {reason}"
    assert caught.value.is_disconnected is is_disconnected


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(503, json={"reason": "the scheduler does not answer"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["sync_id"]),
        httpx.Response(200, json={"sync_id": 7}),
    ],
)
async def test_a_gateway_that_does_not_answer_is_asked_again_later(answer: httpx.Response | Exception) -> None:
    with pytest.raises(UnavailableError, match="gateway"):
        await ask(answer)
