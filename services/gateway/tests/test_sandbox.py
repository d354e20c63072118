"""The sandbox's pages under the gateway's own address."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

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


class Sandbox:
    """Answers whatever it is asked, and remembers."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("nobody there")
        self.asked.append(request)
        headers = {"location": "/sandbox/shops/acme.myshopify.com/", "set-cookie": "session=stolen"}
        return httpx.Response(303 if request.method == "POST" else 200, headers=headers, text="a page")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def relaying(storeless: Any, sandbox: Sandbox, make_settings: Callable[..., GatewaySettings]) -> Any:
    storeless.outside = httpx.AsyncClient(transport=httpx.MockTransport(sandbox))
    storeless.restart(make_settings(sandbox_relayed="http://sandbox.test:8090"))
    storeless.browser = storeless.new_browser()
    return storeless


@pytest.mark.parametrize("path", PAGES)
async def test_pages_for_people_are_passed_on(relaying: Any, sandbox: Sandbox, path: str) -> None:
    answer = await relaying.browser.get(f"{path}?state=s", headers={"Cookie": "merchant_sync_session=secret"})

    assert (answer.status_code, answer.text) == (200, "a page")
    [asked] = sandbox.asked
    assert str(asked.url) == f"http://sandbox.test:8090{path.removeprefix('/sandbox')}?state=s"
    assert "cookie" not in asked.headers
    assert "set-cookie" not in answer.headers


async def test_a_form_is_passed_on_with_where_it_leads(relaying: Any, sandbox: Sandbox) -> None:
    answer = await relaying.browser.post("/sandbox/shops/acme.myshopify.com/products/7/touch", data={"title": "new"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sandbox/shops/acme.myshopify.com/")
    assert sandbox.asked[0].content == b"title=new"


@pytest.mark.parametrize("path", NOT_FOR_PEOPLE)
async def test_nothing_else_of_the_sandbox_is_reached(relaying: Any, sandbox: Sandbox, path: str) -> None:
    answer = await relaying.browser.get(path)

    assert answer.status_code == 404
    assert sandbox.asked == []


async def test_a_form_without_end_is_refused(relaying: Any, sandbox: Sandbox) -> None:
    answer = await relaying.browser.post("/sandbox/shops/acme.myshopify.com/products", content=b"x" * (1024 * 1024 + 1))

    assert answer.status_code == 413
    assert sandbox.asked == []


async def test_a_sandbox_that_is_away_is_said(relaying: Any, sandbox: Sandbox) -> None:
    sandbox.away = True

    assert (await relaying.browser.get("/sandbox/")).status_code == 502


async def test_without_a_sandbox_there_is_no_such_page(storeless: Any) -> None:
    assert (await storeless.browser.get("/sandbox/")).status_code == 404
