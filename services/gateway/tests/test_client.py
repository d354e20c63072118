"""Shopify's answers, good and bad, as the client understands them; the scheduler's too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stamina
from graphql import build_schema, parse, validate

from gateway.client.shopify import ShopifyClient
from gateway.pages.client import SchedulerClient
from gateway.platforms.shopify_graphql import DOCUMENTS
from gateway.webhooks.client import post_probe
from messaging.errors import UnavailableError
from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError

SHOP = "acme.myshopify.com"
SENT_AT = 5_000
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _at_once() -> Any:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


class Remote:
    """Gives prepared answers, the last one for ever, and keeps what was asked."""

    def __init__(self, app: Any, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.client = ShopifyClient(http, app, version="2026-10", now=lambda: SENT_AT)
        self.http = http

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def remote(app: Any) -> Callable[..., Remote]:
    return lambda *answers: Remote(app, *answers)


def tokens(**more: Any) -> httpx.Response:
    body = {"access_token": "a", "scope": "write_products,read_inventory", **more}
    return httpx.Response(200, json=body, headers={"Date": "Tue, 24 Nov 2026 12:00:00 GMT"})


def data(**given: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": given})


def errors(code: str, **cost: float) -> httpx.Response:
    bucket = {"currentlyAvailable": cost.get("available", 0), "restoreRate": 100}
    extensions = {"cost": {"requestedQueryCost": cost.get("requested", 10), "throttleStatus": bucket}}
    said = [{"message": f"it is {code}", "extensions": {"code": code}}]
    return httpx.Response(200, json={"errors": said, "extensions": extensions})


async def test_expiring_tokens_are_read(remote: Any) -> None:
    shopify = remote(tokens(expires_in=3600, refresh_token="r", refresh_token_expires_in=7_776_000))
    grant = (await shopify.client.exchange(SHOP, "code"))[SHOP]
    assert (grant.access_token, grant.refresh_token) == ("a", "r")
    assert grant.scopes == ("read_inventory", "read_products", "write_products")
    assert grant.granted_at == 1_795_521_600_000
    assert (grant.expires_at, grant.refresh_expires_at) == (3_605_000, 7_776_005_000)
    (asked,) = shopify.asked
    assert str(asked.url) == f"https://{SHOP}/admin/oauth/access_token"
    assert b"expiring=1" in asked.content


async def test_tokens_that_do_not_expire_are_read(remote: Any) -> None:
    grant = (await remote(tokens()).client.exchange(SHOP, "code"))[SHOP]
    assert (grant.refresh_token, grant.expires_at) == (None, None)


@pytest.mark.parametrize("answer", [httpx.Response(400, json={"error": "invalid_request"}), httpx.Response(401)])
async def test_a_refused_code_is_the_browsers_fault(remote: Any, answer: httpx.Response) -> None:
    with pytest.raises(RequestRejectedError):
        await remote(answer).client.exchange(SHOP, "code")


BROKEN = [
    httpx.Response(503),
    httpx.Response(429),
    httpx.Response(430),
    httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
    httpx.Response(200, text="<html>maintenance</html>"),
    httpx.Response(200, json={"access_token": ""}),
    httpx.Response(200, json=[]),
    httpx.ConnectError("no route"),
    httpx.ReadTimeout("slow"),
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_platform_that_makes_no_sense_is_away(remote: Any, answer: Any) -> None:
    shopify = remote(answer)
    for call in (shopify.client.exchange(SHOP, "code"), shopify.client.refresh_grant(SHOP, "r")):
        with pytest.raises(TransientError) as away:
            await call
        assert "the app's secret" not in str(away.value)
    with pytest.raises(TransientError):
        await shopify.client.list_subscriptions(SHOP, "a")


async def test_a_second_attempt_helps(remote: Any) -> None:
    shopify = remote(httpx.Response(502), httpx.ConnectError("no"), tokens())
    assert (await shopify.client.refresh_grant(SHOP, "r")).access_token == "a"
    assert len(shopify.asked) == 3


async def test_only_invalid_grant_is_the_end_of_a_grant(remote: Any) -> None:
    with pytest.raises(TokenRejectedError):
        await remote(httpx.Response(400, json={"error": "invalid_grant"})).client.refresh_grant(SHOP, "r")
    for answer in (httpx.Response(400, json={"error": "invalid_client"}), httpx.Response(404)):
        with pytest.raises(TransientError):
            await remote(answer).client.refresh_grant(SHOP, "r")


async def test_all_pages_of_subscriptions_are_read(remote: Any) -> None:
    def listed(number: int, more: bool) -> httpx.Response:
        nodes = [{"id": str(number), "topic": "SHOP_UPDATE", "uri": "https://x"}]
        return data(webhookSubscriptions={"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": str(number)}})

    shopify = remote(listed(1, True), listed(2, True), listed(3, False))
    found = await shopify.client.list_subscriptions(SHOP, "a token")
    assert [subscription.id for subscription in found] == ["1", "2", "3"]
    assert shopify.asked[0].headers["X-Shopify-Access-Token"] == "a token"
    assert shopify.asked[0].url.path == "/admin/api/2026-10/graphql.json"


async def test_a_refused_subscription_says_why(remote: Any) -> None:
    def made(*messages: str) -> httpx.Response:
        return data(webhookSubscriptionCreate={"userErrors": [{"message": message} for message in messages]})

    await remote(made()).client.subscribe(SHOP, "a", "SHOP_UPDATE", "https://x")
    await remote(made("Address for this topic has already been taken")).client.subscribe(SHOP, "a", "T", "https://x")
    for answer in (made("Address is not supported"), errors("ACCESS_DENIED")):
        with pytest.raises(PermanentError):
            await remote(answer).client.subscribe(SHOP, "a", "T", "http://x")


async def test_a_throttled_query_is_asked_again(remote: Any) -> None:
    shopify = remote(errors("THROTTLED", requested=20, available=10), data(shop={"id": "gid://shopify/Shop/1"}))
    assert await shopify.client.is_token_valid(SHOP, "a")
    with pytest.raises(TransientError):
        await remote(errors("THROTTLED")).client.is_token_valid(SHOP, "a")


async def test_only_a_401_refuses_a_token(remote: Any) -> None:
    assert not await remote(httpx.Response(401, json={"errors": "[API] Invalid token"})).client.is_token_valid(
        SHOP, "a"
    )
    with pytest.raises(TokenRejectedError):
        await remote(httpx.Response(401)).client.list_subscriptions(SHOP, "a")
    for answer in (httpx.Response(402), httpx.Response(403), httpx.Response(423), errors("INTERNAL_SERVER_ERROR")):
        with pytest.raises(TransientError):
            await remote(answer).client.is_token_valid(SHOP, "a")


@pytest.mark.parametrize("status", [200, 204, 401, 404])
async def test_an_app_that_is_uninstalled_already_is_uninstalled(remote: Any, status: int) -> None:
    shopify = remote(httpx.Response(status))
    await shopify.client.uninstall(SHOP, "a token")
    (asked,) = shopify.asked
    assert (asked.method, asked.url.path) == ("DELETE", "/admin/api_permissions/current.json")
    assert asked.headers["X-Shopify-Access-Token"] == "a token"


@pytest.mark.parametrize("answer", [httpx.Response(403), httpx.Response(503), httpx.ConnectError("no")])
async def test_an_app_that_could_not_be_uninstalled_is_said_to_be_left(remote: Any, answer: Any) -> None:
    with pytest.raises(TransientError):
        await remote(answer).client.uninstall(SHOP, "a")


async def test_the_test_delivery_follows_no_redirect(remote: Any) -> None:
    shopify = remote(httpx.Response(302, headers={"Location": "https://elsewhere"}))
    assert await post_probe(shopify.http, "https://x/w", {}, b"{}") == 302
    with pytest.raises(TransientError, match="no route"):
        await post_probe(remote(httpx.ConnectError("no route")).http, "https://x/w", {}, b"{}")


async def test_the_scheduler_is_away_unless_it_makes_sense(remote: Any) -> None:
    for answer in (httpx.Response(500), httpx.Response(200, text="?"), httpx.ConnectError("no")):
        with pytest.raises(UnavailableError):
            await SchedulerClient(remote(answer).http, "http://s", key="k").sync(uuid4())
    known = SchedulerClient(remote(httpx.Response(404)).http, "http://s/", key="k")
    assert await known.sync(uuid4()) is None


SCHEMA = Path(__file__).parents[3] / "sandbox" / "sandbox" / "schema.graphql"


def test_the_documents_are_valid() -> None:
    schema = build_schema(SCHEMA.read_text(), assume_valid=True)
    assert [validate(schema, parse(document)) for document in DOCUMENTS] == [[]] * len(DOCUMENTS)
