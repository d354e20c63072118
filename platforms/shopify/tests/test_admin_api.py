"""How the client of the Admin API handles responses of Shopify, good and bad."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from graphql import build_schema, parse, validate

from platform_sdk.errors import (
    AccountBlockedError,
    RequestRejectedError,
    TokenRejectedError,
    TransientError,
)
from platforms.shopify.admin_api import AdminApi, ShopifySubscription
from platforms.shopify.graphql import QUERIES, SubscriptionChange, build_subscription_changes
from platforms.shopify.settings import Settings
from platforms.shopify.webhooks import PlannedSubscription, ShopifyWebhooks, plan_subscriptions

SHOP = "acme.myshopify.com"
SENT_AT = 5_000


@pytest.fixture(autouse=True)
def _retry_without_pause() -> Any:
    """Makes retries follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


class Remote:
    """Gives prepared responses, or calls them with the request, repeats the last one, and keeps the requests."""

    def __init__(self, settings: Settings, *responses: Any) -> None:
        self.responses = list(responses)
        self.requests: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._respond))
        self.client = AdminApi(http, settings, now=lambda: SENT_AT)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, Exception):
            raise response
        return response if isinstance(response, httpx.Response) else response(request)


@pytest.fixture
def make_remote(make_settings: Callable[..., Settings]) -> Callable[..., Remote]:
    return lambda *responses: Remote(make_settings(), *responses)


def build_tokens(**more: Any) -> httpx.Response:
    body = {"access_token": "a", "scope": "write_products,read_inventory", **more}
    return httpx.Response(200, json=body, headers={"Date": "Tue, 24 Nov 2026 12:00:00 GMT"})


def build_data(**content: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": content})


def build_errors(code: str, **cost: float) -> httpx.Response:
    bucket = {"currentlyAvailable": cost.get("available", 0), "restoreRate": 100}
    extensions = {"cost": {"requestedQueryCost": cost.get("requested", 10), "throttleStatus": bucket}}
    listed = [{"message": f"it is {code}", "extensions": {"code": code}}]
    return httpx.Response(200, json={"errors": listed, "extensions": extensions})


async def test_expiring_tokens_are_read(make_remote: Any) -> None:
    shopify = make_remote(build_tokens(expires_in=3600, refresh_token="r", refresh_token_expires_in=7_776_000))
    grant = (await shopify.client.exchange_code(SHOP, "code"))[SHOP]
    assert (grant.access_token, grant.refresh_token) == ("a", "r")
    assert grant.scopes == ("read_inventory", "read_products", "write_products")
    assert grant.granted_at == 1_795_521_600_000
    assert (grant.expires_at, grant.refresh_expires_at) == (3_605_000, 7_776_005_000)
    (request,) = shopify.requests
    assert str(request.url) == f"https://{SHOP}/admin/oauth/access_token"
    assert b"expiring=1" in request.content


async def test_tokens_that_do_not_expire_are_read(make_remote: Any) -> None:
    grant = (await make_remote(build_tokens()).client.exchange_code(SHOP, "code"))[SHOP]
    assert (grant.refresh_token, grant.expires_at) == (None, None)


USER = {"id": 902541635, "email": "owner@shop.example", "account_owner": True, "collaborator": False}


async def test_a_proof_takes_an_online_token_and_a_connection_an_offline_one(make_remote: Any) -> None:
    online = build_tokens(expires_in=86_399, associated_user_scope="read_products", associated_user=USER)
    offline = build_tokens(expires_in=3600, refresh_token="r", refresh_token_expires_in=7_776_000)
    assert (await make_remote(online).client.exchange_code(SHOP, "code", for_proof=True))[SHOP].refresh_token is None
    assert (await make_remote(offline).client.exchange_code(SHOP, "code"))[SHOP].refresh_token == "r"
    with pytest.raises(RequestRejectedError, match="only for as long as you are signed in") as raised:
        await make_remote(online).client.exchange_code(SHOP, "code")
    assert raised.value.status == 400
    for not_online in (offline, build_tokens(), build_tokens(associated_user=None)):
        with pytest.raises(RequestRejectedError, match="does not say who signed in"):
            await make_remote(not_online).client.exchange_code(SHOP, "code", for_proof=True)
    with pytest.raises(TransientError):
        await make_remote(build_tokens(associated_user={})).client.exchange_code(SHOP, "code", for_proof=True)


@pytest.mark.parametrize("response", [httpx.Response(400, json={"error": "invalid_request"}), httpx.Response(401)])
async def test_a_refused_code_rejects_the_request(make_remote: Any, response: httpx.Response) -> None:
    with pytest.raises(RequestRejectedError):
        await make_remote(response).client.exchange_code(SHOP, "code")


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


@pytest.mark.parametrize("response", BROKEN)
async def test_a_malformed_or_missing_response_is_a_transient_error(make_remote: Any, response: Any) -> None:
    shopify = make_remote(response)
    for call in (shopify.client.exchange_code(SHOP, "code"), shopify.client.refresh_grant(SHOP, "r")):
        with pytest.raises(TransientError) as raised:
            await call
        assert "the app's secret" not in str(raised.value)
    with pytest.raises(TransientError):
        await shopify.client.list_subscriptions(SHOP, "a")


async def test_a_transient_error_is_retried(make_remote: Any) -> None:
    shopify = make_remote(httpx.Response(502), httpx.ConnectError("no"), build_tokens())
    assert (await shopify.client.refresh_grant(SHOP, "r")).access_token == "a"
    assert len(shopify.requests) == 3


async def test_only_invalid_grant_rejects_the_refresh_token(make_remote: Any) -> None:
    with pytest.raises(TokenRejectedError):
        await make_remote(httpx.Response(400, json={"error": "invalid_grant"})).client.refresh_grant(SHOP, "r")
    for response in (httpx.Response(400, json={"error": "invalid_client"}), httpx.Response(404)):
        with pytest.raises(TransientError):
            await make_remote(response).client.refresh_grant(SHOP, "r")


async def test_all_pages_of_subscriptions_are_read(make_remote: Any) -> None:
    def build_page(number: int, more: bool) -> httpx.Response:
        nodes = [{"id": str(number), "topic": "SHOP_UPDATE", "uri": "https://x"}]
        return build_data(
            webhookSubscriptions={"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": str(number)}}
        )

    shopify = make_remote(build_page(1, True), build_page(2, True), build_page(3, False))
    subscriptions = await shopify.client.list_subscriptions(SHOP, "a token")
    assert [subscription.id for subscription in subscriptions] == ["1", "2", "3"]
    assert shopify.requests[0].headers["X-Shopify-Access-Token"] == "a token"
    assert shopify.requests[0].url.path == "/admin/api/2026-10/graphql.json"


async def test_a_throttled_query_is_retried(make_remote: Any) -> None:
    shopify = make_remote(
        build_errors("THROTTLED", requested=20, available=10), build_data(shop={"id": "gid://shopify/Shop/1"})
    )
    assert await shopify.client.is_token_valid(SHOP, "a")
    with pytest.raises(TransientError):
        await make_remote(build_errors("THROTTLED")).client.is_token_valid(SHOP, "a")


async def test_only_status_401_rejects_a_token(make_remote: Any) -> None:
    assert not await make_remote(httpx.Response(401, json={"errors": "[API] Invalid token"})).client.is_token_valid(
        SHOP, "a"
    )
    with pytest.raises(TokenRejectedError):
        await make_remote(httpx.Response(401)).client.list_subscriptions(SHOP, "a")
    for response in (
        httpx.Response(402),
        httpx.Response(403),
        httpx.Response(423),
        build_errors("INTERNAL_SERVER_ERROR"),
    ):
        with pytest.raises(TransientError):
            await make_remote(response).client.is_token_valid(SHOP, "a")


@pytest.mark.parametrize("status", [200, 204, 401, 404])
async def test_uninstalling_succeeds_for_an_app_that_is_already_uninstalled(make_remote: Any, status: int) -> None:
    shopify = make_remote(httpx.Response(status))
    await shopify.client.uninstall(SHOP, "a token")
    (request,) = shopify.requests
    assert (request.method, request.url.path) == ("DELETE", "/admin/api_permissions/current.json")
    assert request.headers["X-Shopify-Access-Token"] == "a token"


@pytest.mark.parametrize("response", [httpx.Response(403), httpx.Response(503), httpx.ConnectError("no")])
async def test_a_failed_uninstall_is_a_transient_error(make_remote: Any, response: Any) -> None:
    with pytest.raises(TransientError):
        await make_remote(response).client.uninstall(SHOP, "a")


def build_subscriptions(*nodes: tuple[str, str, str]) -> httpx.Response:
    listed = [dict(zip(("id", "topic", "uri"), node, strict=True)) for node in nodes]
    return build_data(webhookSubscriptions={"nodes": listed, "pageInfo": {"hasNextPage": False, "endCursor": None}})


HERE = "https://here.example/w"


def answer_changes(
    results: Mapping[str, Any] | None = None, *, unknown: Collection[str] = ()
) -> Callable[[httpx.Request], httpx.Response]:
    """Answers a document of changes like Shopify: a result for each alias, or none at all if a topic is `unknown`.

    `results` has the messages of user errors by topic, and the code of an error of the query as a text.
    """

    def respond(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        topics = {alias: body["variables"][f"v{alias[1:]}"] for alias in re.findall(r"(c\d+): webhook", body["query"])}
        if set(topics.values()) & set(unknown):
            errors = [{"message": "Variable was provided invalid value", "extensions": {"code": "INVALID_VARIABLE"}}]
            return httpx.Response(200, json={"errors": errors})
        data, errors = dict[str, Any](), list[Any]()
        for alias, topic in topics.items():
            result = (results or {}).get(topic, [])
            data[alias] = {"userErrors": [{"message": m} for m in result]} if isinstance(result, list) else None
            if data[alias] is None:
                errors.append({"message": f"it is {result}", "path": [alias], "extensions": {"code": result}})
        return httpx.Response(200, json={"data": data, **({"errors": errors} if errors else {})})

    return respond


def test_topics_are_compared_by_address() -> None:
    there = "https://there.example/w"
    subscriptions = [
        ShopifySubscription("1", "A", HERE),
        ShopifySubscription("2", "B", there),
        ShopifySubscription("3", "A", there),
        ShopifySubscription("4", "Z", HERE),
    ]
    assert plan_subscriptions(["A", "B", "C"], HERE, subscriptions) == [
        PlannedSubscription("A", "already there"),
        PlannedSubscription("B", "moved", "2"),
        PlannedSubscription("C", "registered"),
    ]


async def test_each_topic_is_subscribed_moved_or_left_unchanged(make_remote: Any) -> None:
    listed = build_subscriptions(("1", "SHOP_UPDATE", HERE), ("2", "PRODUCTS_UPDATE", "https://there.example"))
    shopify = make_remote(listed, answer_changes())
    webhooks = ShopifyWebhooks(shopify.client, secrets=("s",), address=HERE)
    topics = ("SHOP_UPDATE", "PRODUCTS_UPDATE", "PRODUCTS_CREATE")
    report = await webhooks.ensure_subscriptions(SHOP, "a", topics=topics)
    assert {topic: outcome.message for topic, outcome in report.topics.items()} == {
        "SHOP_UPDATE": "already there",
        "PRODUCTS_UPDATE": "moved",
        "PRODUCTS_CREATE": "registered",
    }
    body = json.loads(shopify.requests[1].content)
    assert body["variables"] == {"uri": HERE, "v0": "2", "v1": "PRODUCTS_CREATE"}
    assert len(shopify.requests) == 2


async def test_all_topics_are_subscribed_with_few_documents(make_remote: Any) -> None:
    shopify = make_remote(build_subscriptions(), answer_changes())
    webhooks = ShopifyWebhooks(shopify.client, secrets=("s",), address=HERE)
    topics = webhooks.list_topics(("read_products", "read_inventory", "read_locations", "read_discounts"))
    report = await webhooks.ensure_subscriptions(SHOP, "a", topics=topics)
    assert {topic: outcome.message for topic, outcome in report.topics.items()} == dict.fromkeys(topics, "registered")
    assert len(topics) == 23
    assert len(shopify.requests) == 4, "the list, and three documents"


async def ensure_three(make_remote: Any, *responses: Any) -> tuple[dict[str, str], int]:
    """Ensure three topics. Return the outcome of each, and the number of documents that were sent."""
    shopify = make_remote(build_subscriptions(), *responses)
    webhooks = ShopifyWebhooks(shopify.client, secrets=(), address=HERE)
    topics = ("SHOP_UPDATE", "PRODUCTS_UPDATE", "PRODUCTS_CREATE")
    report = await webhooks.ensure_subscriptions(SHOP, "a", topics=topics)
    assert all(o.is_subscribed is (o.message == "registered") for o in report.topics.values())
    return {topic: outcome.message for topic, outcome in report.topics.items()}, len(shopify.requests) - 1


async def test_one_refused_topic_does_not_affect_the_others(make_remote: Any) -> None:
    refusals = {"SHOP_UPDATE": ["Address is not supported"], "PRODUCTS_UPDATE": "ACCESS_DENIED"}
    outcomes, documents = await ensure_three(make_remote, answer_changes(refusals))
    assert outcomes == {
        "SHOP_UPDATE": "refused: Address is not supported",
        "PRODUCTS_UPDATE": "refused: it is ACCESS_DENIED",
        "PRODUCTS_CREATE": "registered",
    }
    assert documents == 1


async def test_a_subscription_that_was_made_before_is_no_error(make_remote: Any) -> None:
    taken = {"SHOP_UPDATE": ["Address for this topic has already been taken"]}
    assert (await ensure_three(make_remote, answer_changes(taken)))[0]["SHOP_UPDATE"] == "registered"


async def test_a_topic_for_which_the_whole_document_is_refused_keeps_no_other_one_out(make_remote: Any) -> None:
    outcomes, documents = await ensure_three(make_remote, answer_changes(unknown={"PRODUCTS_UPDATE"}))
    assert outcomes == {
        "SHOP_UPDATE": "registered",
        "PRODUCTS_UPDATE": "refused: Variable was provided invalid value",
        "PRODUCTS_CREATE": "registered",
    }
    assert documents == 5, "all three; the first; the other two; each of these"


async def test_an_error_that_may_pass_refuses_no_topic(make_remote: Any) -> None:
    for response in (answer_changes({"SHOP_UPDATE": "INTERNAL_SERVER_ERROR"}), build_errors("INTERNAL_SERVER_ERROR")):
        with pytest.raises(TransientError, match="INTERNAL_SERVER_ERROR"):
            await ensure_three(make_remote, response)


async def test_a_throttled_document_is_sent_again_as_a_whole(make_remote: Any) -> None:
    throttled = build_errors("THROTTLED", requested=30, available=25)
    outcomes, documents = await ensure_three(make_remote, throttled, answer_changes())
    assert (set(outcomes.values()), documents) == ({"registered"}, 2)


async def test_an_inspection_changes_nothing_and_reports_another_api_version(make_remote: Any) -> None:
    listed = build_subscriptions(("1", "SHOP_UPDATE", HERE), ("2", "PRODUCTS_UPDATE", "https://there.example"))
    listed.headers["X-Shopify-API-Version"] = "2027-01"
    shopify = make_remote(listed)
    webhooks = ShopifyWebhooks(shopify.client, secrets=("s",), address=HERE)
    report = await webhooks.inspect_subscriptions(SHOP, "a", topics=("SHOP_UPDATE", "PRODUCTS_UPDATE"))
    assert [outcome.is_subscribed for outcome in report.topics.values()] == [True, False]
    assert report.remarks == ("Shopify answers as 2027-01, and SHOPIFY_API_VERSION is 2026-10",)
    assert len(shopify.requests) == 1


SCHEMA = Path(__file__).parents[3] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"


def test_the_documents_are_valid() -> None:
    schema = build_schema(SCHEMA.read_text(), assume_valid=True)
    changes = [SubscriptionChange("SHOP_UPDATE"), SubscriptionChange("PRODUCTS_UPDATE", "gid://1")]
    documents = [*QUERIES, build_subscription_changes(changes, HERE)[0]]
    assert [validate(schema, parse(document)) for document in documents] == [[]] * len(documents)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(402), "frozen"),
        (httpx.Response(403), "not open to this app"),
        (httpx.Response(404), "not reachable"),
        (httpx.Response(423), "locked"),
        (build_errors("SHOP_INACTIVE"), "not active"),
    ],
)
async def test_a_closed_shop_is_blocked_after_one_call(make_remote: Any, response: Any, reason: str) -> None:
    shopify = make_remote(response)
    for number, call in enumerate(
        (shopify.client.is_token_valid(SHOP, "t"), shopify.client.list_subscriptions(SHOP, "t"))
    ):
        with pytest.raises(AccountBlockedError) as raised:
            await call
        assert (raised.value.reason, len(shopify.requests)) == (reason, number + 1)


@pytest.mark.parametrize("status", [402, 403, 404, 423])
async def test_a_refresh_at_a_closed_shop_rejects_no_token(make_remote: Any, status: int) -> None:
    with pytest.raises(AccountBlockedError):
        await make_remote(httpx.Response(status)).client.refresh_grant(SHOP, "r")
