"""The gateway forwards the sandbox's pages for people, and nothing else of the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.pages import forms
from gateway.settings import GatewaySettings

PAGES = [
    "/sandbox/",
    "/sandbox/shops/acme.myshopify.com/",
    "/sandbox/shops/acme.myshopify.com/admin/oauth/authorize",
    "/sandbox/facebook/users/241/",
    "/sandbox/facebook/v25.0/dialog/oauth",
]
NOT_FOR_PEOPLE = [
    "/sandbox/control/shops",
    "/sandbox/graph/me",
    "/sandbox/shops/acme.myshopify.com/admin/oauth/access_token",
    "/sandbox/shops/acme.myshopify.com/admin/api/2026-10/graphql.json",
    "/sandbox/facebook/../control/shops",
    "/sandbox/facebook/..%2Fcontrol/shops",
    "/sandbox/facebook//control/shops",
    f"/sandbox/facebook/{'a' * 4000}!",
    "/sandbox/shops/..%2F..%2Fcontrol/",
]


class FakeSandbox:
    """Responds to every request and keeps it."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.is_unavailable = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_unavailable:
            raise httpx.ConnectError("nobody there")
        self.requests.append(request)
        headers = {"location": "/sandbox/shops/acme.myshopify.com/", "set-cookie": "session=stolen"}
        return httpx.Response(303 if request.method == "POST" else 200, headers=headers, text="a page")


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox()


@pytest.fixture
def relaying_world(
    world_without_database: Any, sandbox: FakeSandbox, make_settings: Callable[..., GatewaySettings]
) -> Any:
    world_without_database.outside = httpx.AsyncClient(transport=httpx.MockTransport(sandbox))
    world_without_database.restart(make_settings(sandbox_relayed="http://sandbox.test:8090"))
    world_without_database.browser = world_without_database.create_browser()
    return world_without_database


@pytest.mark.parametrize("path", PAGES)
async def test_pages_for_people_are_forwarded(relaying_world: Any, sandbox: FakeSandbox, path: str) -> None:
    response = await relaying_world.browser.get(f"{path}?state=s", headers={"Cookie": "merchant_sync_session=secret"})

    assert (response.status_code, response.text) == (200, "a page")
    [request] = sandbox.requests
    assert str(request.url) == f"http://sandbox.test:8090{path.removeprefix('/sandbox')}?state=s"
    assert "cookie" not in request.headers
    assert "set-cookie" not in response.headers


async def test_a_form_is_forwarded_and_its_redirect_returned(relaying_world: Any, sandbox: FakeSandbox) -> None:
    response = await relaying_world.browser.post(
        "/sandbox/shops/acme.myshopify.com/products/7/touch", data={"title": "new"}
    )

    assert (response.status_code, response.headers["location"]) == (303, "/sandbox/shops/acme.myshopify.com/")
    assert sandbox.requests[0].content == b"title=new"


@pytest.mark.parametrize("path", NOT_FOR_PEOPLE)
async def test_nothing_else_of_the_sandbox_is_reached(relaying_world: Any, sandbox: FakeSandbox, path: str) -> None:
    response = await relaying_world.browser.get(path)

    assert response.status_code == 404
    assert sandbox.requests == []


async def test_an_oversized_form_is_refused(relaying_world: Any, sandbox: FakeSandbox) -> None:
    response = await relaying_world.browser.post(
        "/sandbox/shops/acme.myshopify.com/products", content=b"x" * (1024 * 1024 + 1)
    )

    assert response.status_code == 413
    assert sandbox.requests == []


async def test_an_unavailable_sandbox_is_502(relaying_world: Any, sandbox: FakeSandbox) -> None:
    sandbox.is_unavailable = True

    assert (await relaying_world.browser.get("/sandbox/")).status_code == 502


async def test_without_a_sandbox_there_is_no_such_page(world_without_database: Any) -> None:
    assert (await world_without_database.browser.get("/sandbox/")).status_code == 404


async def test_a_form_that_does_not_come_is_given_up(
    relaying_world: Any, sandbox: FakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.05)

    async def send_a_part() -> AsyncIterator[bytes]:
        yield b"title="
        await asyncio.Event().wait()

    path = "/sandbox/shops/acme.myshopify.com/products/7/touch"
    async with asyncio.timeout(10):
        response = await relaying_world.browser.post(path, content=send_a_part())

    assert (response.status_code, response.json()["reason"]) == (408, "the form did not come")
    assert sandbox.requests == []
