"""The webhook route: refusals, sync requests, and that no delivery is answered before Kafka acknowledged it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from contracts.events import SyncRequested
from contracts.headers import derive_id
from gateway.webhooks.sync_request import build_request_body, derive_sync_id
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.deliveries import Delivery, DeliveryKind

NAME = "shopify:acme.myshopify.com"


async def test_a_webhook_is_answered_only_after_kafka_acknowledged_it(route: Any) -> None:
    route.kafka.holding = asyncio.Event()
    response = asyncio.create_task(route.deliver())
    await route.kafka.wait_until_held()
    assert not response.done()
    route.kafka.holding.set()
    assert (await response).json() == {"status": "success"}
    assert len(route.kafka.sent) == 1


async def test_without_an_acknowledgement_from_kafka_the_response_is_503(route: Any) -> None:
    route.kafka.holding = asyncio.Event()
    assert (await route.deliver()).status_code == 503
    route.kafka.is_unavailable, route.kafka.holding = True, None
    assert (await route.deliver()).status_code == 503
    assert route.kafka.sent == []


async def test_ten_copies_of_a_delivery_have_one_sync_id(route: Any) -> None:
    responses = await asyncio.gather(*(route.deliver(X_Shopify_Webhook_Id="w-1") for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    assert {request.sync_id for request in route.kafka.requests} == {derive_id("shopify", "w-1")}
    assert {dict(headers)["ce_id"] for *_, headers in route.kafka.sent} == {str(derive_id("shopify", "w-1")).encode()}


async def test_copies_without_a_webhook_id_have_one_sync_id_too(route: Any) -> None:
    for body in (b'{"id": 7}', b'{"id": 7}', b'{"id": 8}'):
        await route.deliver(body, X_Shopify_Webhook_Id=None)
    first, copy, other = (request.sync_id for request in route.kafka.requests)
    assert first == copy != other


def test_the_hand_written_body_matches_the_contract() -> None:
    delivery = Delivery(
        "products/update", NAME, "w-1", DeliveryKind.RECORDS, {"products": ["gid://shopify/Product/7"]}, None
    )
    event = SyncRequested.model_validate_json(build_request_body(delivery, derive_sync_id(delivery), 3, 1_000))
    assert event == SyncRequested(
        sync_id=derive_id("shopify", "w-1"),
        connection=NAME,
        epoch=3,
        cause="webhook",
        records={"products": ("gid://shopify/Product/7",)},
        requested_at=1_000,
        topic="products/update",
    )


def test_the_hand_written_id_matches_the_derived_id() -> None:
    for number in range(500):
        delivery = Delivery("products/update", NAME, f"w-ü-{number}", DeliveryKind.RECORDS, {}, None)
        assert derive_sync_id(delivery) == str(derive_id("shopify", f"w-ü-{number}"))


async def test_the_message_is_keyed_and_attributed(route: Any) -> None:
    await route.deliver()
    topic, key, _, headers = route.kafka.sent[0]
    assert (topic, key) == ("sync.requested.shopify", NAME.encode())
    fields = dict(headers)
    assert fields["ce_type"] == b"merchant-sync.SyncRequested.v1"
    assert fields["ce_subject"] == NAME.encode()
    assert UUID(fields["ce_id"].decode())


@pytest.mark.parametrize(
    ("topic", "body", "records"),
    [
        ("products/create", {"id": 7}, {"products": "gid://shopify/Product/7"}),
        ("products/update", {"id": 7, "variants": [{"id": 8}]}, {"products": "gid://shopify/Product/7"}),
        ("products/delete", {"id": 7}, {"products": "gid://shopify/Product/7"}),
        ("inventory_levels/update", {"inventory_item_id": 9}, {"inventory": "gid://shopify/InventoryItem/9"}),
        ("inventory_levels/disconnect", {"inventory_item_id": 9}, {"inventory": "gid://shopify/InventoryItem/9"}),
        ("inventory_items/update", {"id": 9}, {"inventory": "gid://shopify/InventoryItem/9"}),
        ("locations/activate", {"id": 3}, {"locations": "gid://shopify/Location/3"}),
        ("collections/update", {"id": 4}, {"collections": "gid://shopify/Collection/4"}),
        (
            "discounts/redeemcode_added",
            {"admin_graphql_api_id": "gid://shopify/DiscountCodeNode/5"},
            {"discounts": "gid://shopify/DiscountCodeNode/5"},
        ),
        ("shop/update", {"id": 6}, {"shop": "gid://shopify/Shop/6"}),
        ("products/update", {"id": 2**62}, {"products": f"gid://shopify/Product/{2**62}"}),
    ],
)
async def test_each_topic_requests_the_smallest_record(route: Any, topic: str, body: Any, records: Any) -> None:
    assert (await route.deliver(json.dumps(body).encode(), X_Shopify_Topic=topic)).status_code == 200
    assert route.kafka.requests[0].records == {name: (gid,) for name, gid in records.items()}
    assert route.kafka.requests[0].cause == "webhook"


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"bm90IHRoZSBzaWduYXR1cmU=",
        b"AAAA",
        b"\xff\xfe\xfd",
        "ŝignature".encode(),
        None,
        b"A" * 5000,
        b"0" * 64,
    ],
)
async def test_a_wrong_signature_is_401(route: Any, signature: bytes | None) -> None:
    assert (await route.deliver(X_Shopify_Hmac_Sha256=signature)).status_code == 401
    assert route.kafka.sent == []


async def test_an_altered_signature_is_401(route: Any) -> None:
    good = route.compute_signature(b'{"id": 7}')
    for signature in (good + "=", good[:-4], good.lower(), good + "\t" + good):
        assert (await route.deliver(X_Shopify_Hmac_Sha256=signature)).status_code == 401


async def test_a_doubled_signature_is_401(route: Any) -> None:
    good = route.compute_signature(b'{"id": 7}')
    headers = [("X-Shopify-Topic", "products/update"), ("X-Shopify-Shop-Domain", "acme.myshopify.com")]
    headers += [("X-Shopify-Hmac-Sha256", good)] * 2
    response = await route.client.post("/shopify/webhook", content=b'{"id": 7}', headers=headers)
    assert response.status_code == 401


async def test_the_previous_secret_is_valid_while_it_is_set(route: Any) -> None:
    body = b'{"id": 7}'
    signed = route.compute_signature(body, "the app's former secret")
    assert (await route.deliver(body, X_Shopify_Hmac_Sha256=signed)).status_code == 200
    signed = route.compute_signature(body, "some other secret")
    assert (await route.deliver(body, X_Shopify_Hmac_Sha256=signed)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"id": 7',
        b"\xff\xfe{}",
        b"[]",
        b"7",
        b"\x1f\x8b\x08\x00",
        b'{"id": "gid://shopify/Other/7"}',
        b'{"id": -1}',
        b'{"id": true}',
        b'{"id": null}',
        b"{}",
    ],
)
async def test_a_signed_body_that_names_no_record_is_400(route: Any, body: bytes) -> None:
    assert (await route.deliver(body)).status_code == 400
    assert route.kafka.sent == []


@pytest.mark.parametrize("missing", ["X_Shopify_Topic", "X_Shopify_Shop_Domain"])
async def test_a_missing_header_is_400(route: Any, missing: str) -> None:
    assert (await route.deliver(**{missing: None})).status_code == 400
    assert (await route.deliver(**{missing: ""})).status_code == 400


@pytest.mark.parametrize("shop", ["evil.com", "acme", "acme.myshopify.com.evil.com", b"acme.myshopify.com\xff"])
async def test_a_delivery_for_no_shop_is_400(route: Any, shop: str | bytes) -> None:
    assert (await route.deliver(X_Shopify_Shop_Domain=shop)).status_code == 400
    assert route.kafka.sent == []


async def test_a_body_about_another_shop_is_400(route: Any) -> None:
    body = b'{"id": 6, "myshopify_domain": "other.myshopify.com"}'
    assert (await route.deliver(body, X_Shopify_Topic="shop/update")).status_code == 400
    body = b'{"id": 6, "myshopify_domain": "acme.myshopify.com"}'
    assert (await route.deliver(body, X_Shopify_Topic="shop/update")).status_code == 200


async def test_a_body_over_the_limit_is_413_before_it_is_read(route: Any) -> None:
    assert (await route.deliver(b"x" * 4097)).status_code == 413

    async def send_long_body() -> Any:
        for _ in range(50):
            yield b"x" * 1000

    response = await route.client.post("/shopify/webhook", content=send_long_body(), headers={"X-Shopify-Topic": "x"})
    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_in_time_is_408(route: Any) -> None:
    async def send_slowly() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    response = await route.client.post("/shopify/webhook", content=send_slowly(), headers={"X-Shopify-Topic": "x"})
    assert response.status_code == 408


async def test_an_unknown_topic_is_acknowledged_counted_and_dropped(route: Any) -> None:
    assert (await route.deliver(X_Shopify_Topic="orders/create")).status_code == 200
    assert route.kafka.sent == []
    assert route.delivery_counts == {("orders/create", "dropped: unknown topic"): 1}


async def test_a_shop_that_is_not_connected_is_acknowledged_and_dropped(route: Any) -> None:
    for _ in range(2):
        assert (await route.deliver(X_Shopify_Shop_Domain="other.myshopify.com")).status_code == 200
    assert route.kafka.sent == []
    assert route.loaded_names == ["shopify:other.myshopify.com"] * 2


async def test_a_cached_connection_is_reloaded_after_five_seconds(route: Any) -> None:
    for route.clock in (0.0, 4.9, 5.1, 9.0):
        await route.deliver()
    assert route.loaded_names == [NAME] * 2
    assert len(route.kafka.sent) == 4


async def test_a_probe_is_marked_as_a_probe(route: Any) -> None:
    await route.deliver(X_Shopify_Webhook_Id="merchant-sync-test-1")
    assert route.kafka.requests[0].cause == "probe"


async def test_the_log_line_holds_no_body(route: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await route.deliver(b'{"id": 7, "title": "private"}', X_Shopify_Webhook_Id="w-1")
    printed = ""
    async with asyncio.timeout(10):
        while '"w-1"' not in printed:
            printed += capsys.readouterr().out
            await asyncio.sleep(0.01)
    line = next(json.loads(line) for line in printed.splitlines() if '"w-1"' in line)
    assert (line["topic"], line["shop"], line["webhook_id"]) == ("products/update", "acme.myshopify.com", "w-1")
    assert line["outcome"] == "requested"
    assert "private" not in str(line)


async def test_other_requests_are_passed_on(route: Any) -> None:
    assert (await route.client.post("/shopify/other")).status_code == 418
    assert (await route.client.get("/shopify/webhook")).status_code == 418


async def deliver_forged(route: Any, **headers: str) -> Any:
    return await route.deliver(X_Shopify_Hmac_Sha256="forged", **headers)


@pytest.fixture(params=["asgi", "connection"])
async def open_route(shopify: PlatformAdapter, make_route: Any, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """The route where the tests' own address is known to be a client's, called directly and through a socket."""
    route = make_route(shopify, ())
    if request.param == "asgi":
        yield route
    else:
        async with route.open_listener() as route.address:
            yield route


async def test_too_many_refused_deliveries_of_a_client_are_answered_429_and_valid_ones_never(
    open_route: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [await deliver_forged(open_route) for _ in range(8)]

    assert [response.status_code for response in refused] == [401] * 5 + [429] * 3
    assert {response.headers.get("retry-after") for response in refused[5:]} == {"1"}
    assert [(await open_route.deliver()).status_code for _ in range(20)] == [200] * 20
    assert (await deliver_forged(open_route)).status_code == 429

    open_route.clock += 1_001  # one more in a thousand seconds
    assert [(await deliver_forged(open_route)).status_code for _ in range(2)] == [401, 429]
    counted = {outcome: count for (_, outcome), count in open_route.delivery_counts.items() if "refused" in outcome}
    assert list(counted.values()) == [11], "those that are not logged are counted too"
    async with asyncio.timeout(5):
        written = ""
        while written.count("refused 401") < 6 or written.count("requested") < 20:
            await asyncio.sleep(0.01)
            written += capsys.readouterr().out
    assert written.count("refused 401") == 6


async def test_refusals_of_other_clients_and_of_unknown_ones_do_not_count_together(
    shopify: PlatformAdapter, make_route: Any
) -> None:
    route = make_route(shopify, (ip_network("127.0.0.0/8"),))

    async def forge(client: str) -> int:
        response = await deliver_forged(route, X_Forwarded_For=client)
        return int(response.status_code)

    assert [await forge("198.51.100.7") for _ in range(6)] == [401] * 5 + [429]
    assert await forge("198.51.100.8") == 401
    assert await forge("203.0.113.9, 198.51.100.7") == 429, "what the client claims does not count"
    assert [await forge("") for _ in range(51)] == [401] * 50 + [429]


class BrokenWebhooks:
    """Webhooks of a platform whose parser meets a delivery that it was not written for."""

    def __init__(self, webhooks: Any) -> None:
        self._webhooks = webhooks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._webhooks, name)

    def verify_and_parse_deliveries(self, headers: Any, body: bytes) -> Any:
        return {}[body.decode()]


@pytest.mark.parametrize("way", ["asgi", "connection"])
async def test_an_error_in_a_platforms_parser_is_logged_without_the_body_and_answered_500(
    shopify: PlatformAdapter, make_route: Any, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    route = make_route(replace(shopify, webhooks=BrokenWebhooks(shopify.webhooks)))
    if way == "asgi":
        response = await route.deliver(b"jane's secret")
    else:
        async with route.open_listener():
            response = await route.deliver(b"jane's secret")
            assert (await route.deliver(b"jane's secret")).status_code == 500, "on the same connection"

    assert (response.status_code, response.json()["reason"]) == (500, "an error of this service")
    logged = capsys.readouterr()
    assert "verify_and_parse_deliveries" in logged.out and "KeyError" in logged.out
    assert "jane" not in logged.out + logged.err
