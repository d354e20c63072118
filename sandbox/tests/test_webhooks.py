"""Webhooks: which subscriptions are allowed, what is sent, and how it is signed and retried."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhook_payloads import format_topic
from sandbox.shopify.webhooks import Subscription, Subscriptions, compute_retry_delay

SCOPES = frozenset({"read_products"})


@pytest.fixture
def subscriptions() -> Subscriptions:
    numbers = iter(range(1, 100))
    return Subscriptions([], lambda: next(numbers), lambda _: None)


def test_a_second_subscription_to_the_same_topic_and_address_is_refused(subscriptions: Subscriptions) -> None:
    body = {"uri": "https://app.example/hooks"}
    assert isinstance(subscriptions.create("PRODUCTS_UPDATE", body, SCOPES), Subscription)
    refusals = subscriptions.create("PRODUCTS_UPDATE", body, SCOPES)
    assert refusals == [(["webhookSubscription", "callbackUrl"], "Address for this topic has already been taken")]
    assert isinstance(subscriptions.create("PRODUCTS_DELETE", body, SCOPES), Subscription)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("http://app.example/hooks", "Address protocol http:// is not supported"),
        ("https://acme.myshopify.com/hooks", "Address cannot be a Shopify or an internal domain"),
        ("nonsense", "Address is invalid"),
    ],
)
def test_bad_addresses_are_refused(subscriptions: Subscriptions, uri: str, problem: str) -> None:
    assert subscriptions.create("PRODUCTS_UPDATE", {"uri": uri}, SCOPES) == [
        (["webhookSubscription", "callbackUrl"], problem)
    ]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000/hooks", "http://[::1]/hooks", "http://gateway:5000/hooks"])
def test_plain_http_is_allowed_for_local_hosts(subscriptions: Subscriptions, uri: str) -> None:
    assert isinstance(subscriptions.create("PRODUCTS_UPDATE", {"uri": uri}, SCOPES), Subscription)


@pytest.mark.parametrize("uri", ["http://10.0.0.1/hooks", "http://[2001:db8::1]/hooks", "http:///hooks"])
def test_plain_http_is_refused_for_other_hosts(subscriptions: Subscriptions, uri: str) -> None:
    assert isinstance(subscriptions.create("PRODUCTS_UPDATE", {"uri": uri}, SCOPES), list)


def test_a_topic_requires_its_scope(subscriptions: Subscriptions) -> None:
    refusals = subscriptions.create("DISCOUNTS_UPDATE", {"uri": "https://app.example/"}, SCOPES)
    assert isinstance(refusals, list) and "discounts/update" in refusals[0][1]


def test_eight_retries_take_four_hours() -> None:
    assert sum(compute_retry_delay(attempt, 1.0) for attempt in range(1, 9)) == pytest.approx(4 * 3_600)


async def test_a_change_sends_a_signed_webhook(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=3)
    token = await sandbox.install()
    assert (await sandbox.subscribe(token, "PRODUCTS_UPDATE", receiver.url))["userErrors"] == []
    number = (await sandbox.control("GET", "/products"))["products"][0]["number"]
    await sandbox.control("PATCH", f"/products/{number}", {"title": "Größe “L”"})
    headers, body = (await receiver.wait(1))[0]
    digest = base64.b64encode(hmac.new(b"sandbox-secret", body, hashlib.sha256).digest()).decode()
    assert headers["x-shopify-hmac-sha256"] == digest
    assert headers["x-shopify-topic"] == "products/update" and headers["x-shopify-shop-domain"] == "acme.myshopify.com"
    assert {"x-shopify-webhook-id", "x-shopify-event-id", "x-shopify-triggered-at", "x-shopify-api-version"} <= set(
        headers
    )
    payload = orjson.loads(body)
    assert payload["id"] == number and payload["title"] == "Größe “L”" and payload["variants"]


async def test_an_inventory_change_updates_its_product_too(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=2)
    token = await sandbox.install()
    for topic in ("INVENTORY_LEVELS_UPDATE", "INVENTORY_LEVELS_DISCONNECT", "PRODUCTS_UPDATE"):
        await sandbox.subscribe(token, topic, receiver.url)
    variant = (await sandbox.control("GET", "/products"))["products"][0]["variants"][0]
    place = variant["levels"][0]["location"]
    await sandbox.control("POST", "/inventory", {"item": variant["item"], "location": place, "available": 77})
    bodies = {headers["x-shopify-topic"]: orjson.loads(body) for headers, body in await receiver.wait(2)}
    level = bodies["inventory_levels/update"]
    assert (level["inventory_item_id"], level["location_id"], level["available"]) == (variant["item"], place, 77)
    assert level["admin_graphql_api_id"] == f"gid://shopify/InventoryLevel/{place}?inventory_item_id={variant['item']}"
    assert bodies["products/update"]["id"] == variant["product"]
    await sandbox.control("PUT", "/faults", {"inventory_touches_product": False})
    await sandbox.control("POST", "/inventory", {"item": variant["item"], "location": place, "available": None})
    headers, body = (await receiver.wait(3))[2]
    assert headers["x-shopify-topic"] == "inventory_levels/disconnect"
    assert orjson.loads(body) == {"inventory_item_id": variant["item"], "location_id": place}


async def test_a_retry_has_the_same_id_and_body(sandbox: Any, receiver: Any) -> None:
    receiver.statuses = [500, 302]
    await sandbox.create_shop(products=1)
    await sandbox.subscribe(await sandbox.install(), "SHOP_UPDATE", receiver.url)
    await sandbox.control("PATCH", "", {"name": "Acme & Söhne"})
    attempts = await receiver.wait(3)
    assert len({headers["x-shopify-webhook-id"] for headers, _ in attempts}) == 1
    assert len({body for _, body in attempts}) == 1
    log = await _wait_for_result(sandbox)
    assert log["status"] == "delivered" and [h["outcome"] for h in log["history"]] == ["500", "302", "200"]


async def _list_attempts(sandbox: Any) -> list[int]:
    return [one["attempts"] for one in (await sandbox.control("GET", "/deliveries"))["deliveries"]]


async def test_held_retries_wait_until_they_are_released(sandbox: Any, receiver: Any) -> None:
    receiver.statuses = [503] * 2
    await sandbox.create_shop(products=1)
    await sandbox.subscribe(await sandbox.install(), "SHOP_UPDATE", receiver.url)
    await sandbox.control("POST", "/deliveries/hold", {})
    for count, name in enumerate(("Acme", "Acme & Co"), 1):
        await sandbox.control("PATCH", "", {"name": name})
        await receiver.wait(count)
    # A retry is due after a moment here: without the hold the first one would have come before the second webhook's.
    while not all(attempts := await _list_attempts(sandbox)):
        await asyncio.sleep(0.01)
    assert attempts == [1, 1]
    await sandbox.control("POST", "/deliveries/release", {})
    await receiver.wait(4)
    bodies = [body for _, body in receiver.received]
    assert sorted(bodies[:2]) == sorted(bodies[2:])


async def test_after_eight_failed_retries_the_subscription_is_deleted(sandbox: Any, receiver: Any) -> None:
    receiver.statuses = [503] * 9
    await sandbox.create_shop(products=1)
    await sandbox.subscribe(await sandbox.install(), "SHOP_UPDATE", receiver.url)
    await sandbox.control("PATCH", "", {"name": "Acme"})
    await receiver.wait(9)
    log = await _wait_for_result(sandbox)
    assert log["status"] == "failed" and log["attempts"] == 9
    assert (await sandbox.control("GET", "/subscriptions"))["subscriptions"] == []


async def test_faults_duplicate_and_drop_deliveries(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=1)
    await sandbox.subscribe(await sandbox.install(), "SHOP_UPDATE", receiver.url)
    await sandbox.control("PUT", "/faults", {"webhooks_off": True})
    await sandbox.control("PATCH", "", {"name": "One"})
    await sandbox.control("PUT", "/faults", {"webhooks_duplicated": 2})
    await sandbox.control("PATCH", "", {"name": "Two"})
    webhooks = await receiver.wait(3)
    assert {orjson.loads(body)["name"] for _, body in webhooks} == {"Two"}
    assert (await sandbox.control("GET", "/deliveries?status=dropped"))["total"] == 1


async def test_uninstalling_sends_a_webhook_and_removes_tokens_and_subscriptions(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=1)
    token = await sandbox.install()
    await sandbox.subscribe(token, "APP_UNINSTALLED", receiver.url)
    await sandbox.control("POST", "/uninstall")
    headers, body = (await receiver.wait(1))[0]
    assert headers["x-shopify-topic"] == "app/uninstalled"
    assert orjson.loads(body)["myshopify_domain"] == headers["x-shopify-shop-domain"]
    assert (await sandbox.query(token, "{ shop { id } }")).status_code == 401
    assert (await sandbox.control("GET", "/subscriptions"))["subscriptions"] == []


async def test_an_app_can_uninstall_itself(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=1)
    token = await sandbox.install()
    await sandbox.subscribe(token, "APP_UNINSTALLED", receiver.url)
    address = "/shops/acme.myshopify.com/admin/api_permissions/current.json"
    response = await sandbox.http.delete(address, headers={"X-Shopify-Access-Token": "shpat_wrong"})
    assert response.status_code == 401
    assert (await sandbox.query(token, "{ shop { id } }")).status_code == 200
    response = await sandbox.http.delete(address, headers={"X-Shopify-Access-Token": token})
    assert response.status_code == 200
    headers, _ = (await receiver.wait(1))[0]
    assert headers["x-shopify-topic"] == "app/uninstalled"
    assert (await sandbox.query(token, "{ shop { id } }")).status_code == 401
    assert (await sandbox.control("GET", "/subscriptions"))["subscriptions"] == []
    assert (await sandbox.http.delete(address, headers={"X-Shopify-Access-Token": token})).status_code == 401


async def test_a_burst_sends_a_webhook_for_every_edit(sandbox: Any, receiver: Any) -> None:
    await sandbox.create_shop(products=10)
    await sandbox.subscribe(await sandbox.install(), "PRODUCTS_UPDATE", receiver.url)
    burst = await sandbox.control("POST", "/burst", {"edits": 60, "products": 4, "seed": 1})
    webhooks = await receiver.wait(60)
    assert len(burst["products"]) == 4
    assert {orjson.loads(body)["admin_graphql_api_id"] for _, body in webhooks} == set(burst["products"])


async def _wait_for_result(sandbox: Any, index: int = 0) -> Any:
    while True:
        log = (await sandbox.control("GET", "/deliveries"))["deliveries"][index]
        if log["status"] != "pending":
            return log


def test_topics_are_formatted_as_in_the_header() -> None:
    assert [
        format_topic(t)
        for t in ("PRODUCTS_UPDATE", "INVENTORY_LEVELS_CONNECT", "DISCOUNTS_REDEEMCODE_ADDED", "APP_UNINSTALLED")
    ] == [
        "products/update",
        "inventory_levels/connect",
        "discounts/redeemcode_added",
        "app/uninstalled",
    ]


async def test_a_receiver_that_closes_each_connection_gets_every_webhook(sandbox: Any) -> None:
    bodies: list[bytes] = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        bodies.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    await sandbox.create_shop(products=1)
    uri = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    await sandbox.subscribe(await sandbox.install(), "SHOP_UPDATE", uri)
    for name in ("One", "Two", "Three"):
        await sandbox.control("PATCH", "", {"name": name})
        assert (await _wait_for_result(sandbox, index=-1))["status"] == "delivered"
    listener.close()
    assert [orjson.loads(body)["name"] for body in bodies] == ["One", "Two", "Three"]


def test_the_mutations_of_one_document_are_executed_one_after_the_other_each_with_its_own_result(
    make_tenant: Callable[..., Tenant], execute: Callable[..., Any]
) -> None:
    tenant = make_tenant(products=1)
    create = "webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri}) { userErrors { message } }"
    answer = execute(
        tenant,
        f"mutation ($topic: WebhookSubscriptionTopic!, $uri: String!) {{ first: {create} second: {create} }}",
        topic="PRODUCTS_UPDATE",
        uri="https://app.example/hooks",
    )
    taken = [{"message": "Address for this topic has already been taken"}]
    assert answer["data"] == {"first": {"userErrors": []}, "second": {"userErrors": taken}}
    assert answer["extensions"]["cost"]["requestedQueryCost"] == 20
    assert len(tenant.subscriptions.list_all()) == 1
