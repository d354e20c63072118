"""Shopify's answers, good and bad, as the client understands them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from graphql import build_schema, parse, validate

from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platforms.shopify.admin_api import AdminApi, Subscription
from platforms.shopify.graphql import QUERIES
from platforms.shopify.settings import Settings
from platforms.shopify.webhooks import PlannedSubscription, ShopifyWebhooks, plan_subscriptions

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

    def __init__(self, settings: Settings, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.client = AdminApi(http, settings, now=lambda: SENT_AT)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def remote(make_settings: Callable[..., Settings]) -> Callable[..., Remote]:
    return lambda *answers: Remote(make_settings(), *answers)


def tokens(**more: Any) -> httpx.Response:
    body = {"access_token": "a", "scope": "write_products,read_inventory", **more}
    return httpx.Response(200, json=body, headers={"Date": "Tue, 24 Nov 2026 12:00:00 GMT"})


def data(**given: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": given})


def errors(code: str, **cost: float) -> httpx.Response:
    bucket = {"currentlyAvailable": cost.get("available", 0), "restoreRate": 100}
    extensions = {"cost": {"requestedQueryCost": cost.get("requested", 10), "throttleStatus": bucket}}
    listed = [{"message": f"it is {code}", "extensions": {"code": code}}]
    return httpx.Response(200, json={"errors": listed, "extensions": extensions})


async def test_expiring_tokens_are_read(remote: Any) -> None:
    shopify = remote(tokens(expires_in=3600, refresh_token="r", refresh_token_expires_in=7_776_000))
    grant = (await shopify.client.exchange_code(SHOP, "code"))[SHOP]
    assert (grant.access_token, grant.refresh_token) == ("a", "r")
    assert grant.scopes == ("read_inventory", "read_products", "write_products")
    assert grant.granted_at == 1_795_521_600_000
    assert (grant.expires_at, grant.refresh_expires_at) == (3_605_000, 7_776_005_000)
    (asked,) = shopify.asked
    assert str(asked.url) == f"https://{SHOP}/admin/oauth/access_token"
    assert b"expiring=1" in asked.content


async def test_tokens_that_do_not_expire_are_read(remote: Any) -> None:
    grant = (await remote(tokens()).client.exchange_code(SHOP, "code"))[SHOP]
    assert (grant.refresh_token, grant.expires_at) == (None, None)


@pytest.mark.parametrize("answer", [httpx.Response(400, json={"error": "invalid_request"}), httpx.Response(401)])
async def test_a_refused_code_is_the_browsers_fault(remote: Any, answer: httpx.Response) -> None:
    with pytest.raises(RequestRejectedError):
        await remote(answer).client.exchange_code(SHOP, "code")


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
    for call in (shopify.client.exchange_code(SHOP, "code"), shopify.client.refresh_grant(SHOP, "r")):
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
async def test_an_app_that_could_not_be_uninstalled_is_reported(remote: Any, answer: Any) -> None:
    with pytest.raises(TransientError):
        await remote(answer).client.uninstall(SHOP, "a")


def list_answer(*nodes: tuple[str, str, str]) -> httpx.Response:
    listed = [dict(zip(("id", "topic", "uri"), node, strict=True)) for node in nodes]
    return data(webhookSubscriptions={"nodes": listed, "pageInfo": {"hasNextPage": False, "endCursor": None}})


HERE = "https://here.example/w"
SUBSCRIBED: dict[str, Any] = {"webhookSubscriptionCreate": {"userErrors": []}}
MOVED: dict[str, Any] = {"webhookSubscriptionUpdate": {"userErrors": []}}


def test_topics_are_compared_by_address() -> None:
    there = "https://there.example/w"
    subscriptions = [
        Subscription("1", "A", HERE),
        Subscription("2", "B", there),
        Subscription("3", "A", there),
        Subscription("4", "Z", HERE),
    ]
    assert plan_subscriptions(["A", "B", "C"], HERE, subscriptions) == [
        PlannedSubscription("A", "already there"),
        PlannedSubscription("B", "moved", "2"),
        PlannedSubscription("C", "registered"),
    ]


async def test_each_topic_is_subscribed_moved_or_left(remote: Any) -> None:
    listed = list_answer(("1", "SHOP_UPDATE", HERE), ("2", "PRODUCTS_UPDATE", "https://there.example"))
    shopify = remote(listed, data(**MOVED, **SUBSCRIBED))
    webhooks = ShopifyWebhooks(shopify.client, secrets=("s",), address=HERE)
    topics = ("SHOP_UPDATE", "PRODUCTS_UPDATE", "PRODUCTS_CREATE")
    report = await webhooks.ensure_subscriptions(SHOP, "a", topics=topics)
    assert {topic: outcome.message for topic, outcome in report.topics.items()} == {
        "SHOP_UPDATE": "already there",
        "PRODUCTS_UPDATE": "moved",
        "PRODUCTS_CREATE": "registered",
    }
    assert len(shopify.asked) == 3


async def test_one_refused_topic_costs_no_other(remote: Any) -> None:
    refused = {"webhookSubscriptionCreate": {"userErrors": [{"message": "Address is not supported"}]}}
    webhooks = ShopifyWebhooks(
        remote(list_answer(), data(**refused), data(**SUBSCRIBED)).client, secrets=(), address=HERE
    )
    report = await webhooks.ensure_subscriptions(SHOP, "a", topics=("SHOP_UPDATE", "PRODUCTS_UPDATE"))
    assert sorted((outcome.is_subscribed, outcome.message) for outcome in report.topics.values()) == [
        (False, "refused: Address is not supported"),
        (True, "registered"),
    ]


async def test_a_look_changes_nothing_and_names_another_version(remote: Any) -> None:
    listed = list_answer(("1", "SHOP_UPDATE", HERE), ("2", "PRODUCTS_UPDATE", "https://there.example"))
    listed.headers["X-Shopify-API-Version"] = "2027-01"
    shopify = remote(listed)
    webhooks = ShopifyWebhooks(shopify.client, secrets=("s",), address=HERE)
    report = await webhooks.inspect_subscriptions(SHOP, "a", topics=("SHOP_UPDATE", "PRODUCTS_UPDATE"))
    assert [outcome.is_subscribed for outcome in report.topics.values()] == [True, False]
    assert report.remarks == ("Shopify answers as 2027-01, and SHOPIFY_API_VERSION is 2026-10",)
    assert len(shopify.asked) == 1


SCHEMA = Path(__file__).parents[3] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"


def test_the_documents_are_valid() -> None:
    schema = build_schema(SCHEMA.read_text(), assume_valid=True)
    assert [validate(schema, parse(document)) for document in QUERIES] == [[]] * len(QUERIES)
