"""Webhooks about the app itself: uninstalls and changed scopes."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from gateway.webhooks.removals import compare_event_with_grant

pytestmark = pytest.mark.integration

NAME = "shopify:acme.myshopify.com"
UNINSTALLED = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
GRANTED_AT = 1_795_500_000_000


def format_time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


async def uninstall(world: Any, seconds: float) -> Any:
    """Delivers an uninstall that happened so many seconds after the grant."""
    moment = format_time(GRANTED_AT + int(seconds * 1000))
    return await world.deliver("app/uninstalled", UNINSTALLED, X_Shopify_Triggered_At=moment)


@pytest.fixture
async def connected(world: Any) -> Any:
    world.shopify.granted_at = GRANTED_AT
    await world.connect()
    await world.drain_outbox()
    return world


async def test_an_uninstall_erases_the_tokens_and_raises_the_epoch(connected: Any) -> None:
    await connected.deliver("products/update", b'{"id": 7}')
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, 60)).status_code == 200
    (event,) = await connected.drain_outbox()
    assert (event.state, event.epoch, event.wanted_sync) == ("uninstalled", 2, None)
    assert "k1." not in await connected.dump_database()
    assert (await connected.request_token()).json() == {"state": "uninstalled"}
    sent = len(connected.kafka.sent)
    assert (await connected.deliver("products/update", b'{"id": 7}')).status_code == 200
    assert len(connected.kafka.sent) == sent
    assert (await uninstall(connected, 60)).status_code == 200
    assert await connected.drain_outbox() == []


@pytest.mark.parametrize(
    "body",
    [
        {"id": 1},
        {"id": 1, "myshopify_domain": "other.myshopify.com"},
        {"id": 1, "myshopify_domain": None, "domain": "acme.myshopify.com"},
        {"id": 1, "myshopify_domain": "other.myshopify.com", "domain": "acme.myshopify.com"},
        {"id": 1, "domain": "acme.example"},
    ],
)
async def test_an_uninstall_whose_signed_body_does_not_name_the_shop_is_400(connected: Any, body: Any) -> None:
    connected.shopify.revoke_tokens()
    assert (await connected.deliver("app/uninstalled", json.dumps(body).encode())).status_code == 400
    assert await connected.drain_outbox() == []


async def test_an_uninstall_may_name_the_shop_by_its_domain(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    body = b'{"id": 1, "domain": "acme.myshopify.com"}'
    assert (await connected.deliver("app/uninstalled", body)).status_code == 200
    assert [event.state for event in await connected.drain_outbox()][-1] == "uninstalled"


@pytest.mark.parametrize("seconds", [6, 60, 10**6])
async def test_a_forged_uninstall_is_dropped_because_the_token_works(connected: Any, seconds: int) -> None:
    assert (await uninstall(connected, seconds)).status_code == 200
    assert await connected.drain_outbox() == []
    assert (await connected.request_token()).status_code == 200


async def test_an_uninstall_from_before_the_grant_is_dropped_without_a_check(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, -60)).status_code == 200
    assert await connected.drain_outbox() == []


async def test_while_the_platform_is_unavailable_an_uninstall_after_the_grant_is_executed(connected: Any) -> None:
    connected.shopify.down = True
    assert (await uninstall(connected, 60)).status_code == 200
    (event,) = await connected.drain_outbox()
    assert (event.state, event.epoch) == ("uninstalled", 2)
    assert (await uninstall(connected, 60)).status_code == 200
    assert await connected.drain_outbox() == []


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_platform_that_hangs_is_given_up_before_the_sender_gives_up(connected: Any, seconds: int) -> None:
    connected.shopify.hanging = True
    await connected.expire_token()
    async with asyncio.timeout(30):  # the platform of the test never answers
        assert (await uninstall(connected, seconds)).status_code == (200 if seconds else 503)


async def test_a_token_that_cannot_be_decrypted_does_not_keep_the_connection(connected: Any) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'lost.key'"))
    assert (await uninstall(connected, 0)).status_code == 503
    assert (await uninstall(connected, 60)).status_code == 200
    assert (await connected.drain_outbox())[-1].state == "uninstalled"


async def test_a_connection_that_needs_a_new_login_is_uninstalled_too(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    await connected.expire_token()
    assert (await connected.request_token()).json() == {"state": "reauthorise"}
    assert (await uninstall(connected, 60)).status_code == 200
    assert [event.state for event in await connected.drain_outbox()] == ["reauthorise", "uninstalled"]


async def test_an_uninstall_older_than_the_grant_is_dropped(connected: Any) -> None:
    assert (await uninstall(connected, -60)).status_code == 200
    assert await connected.drain_outbox() == []
    assert (await connected.request_token()).status_code == 200


@pytest.mark.parametrize("seconds", [-4, 0, 4])
async def test_an_uninstall_near_the_grant_is_checked_with_the_platform(connected: Any, seconds: int) -> None:
    assert (await uninstall(connected, seconds)).status_code == 200
    assert (await connected.request_token()).status_code == 200
    connected.shopify.down = True
    assert (await uninstall(connected, seconds)).status_code == 503
    connected.shopify.down = False
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, seconds)).status_code == 200
    assert (await connected.drain_outbox())[-1].state == "uninstalled"


async def test_an_expired_token_alone_uninstalls_no_connection(connected: Any) -> None:
    await connected.expire_token()
    connected.shopify.valid_access_tokens.clear()
    assert (await uninstall(connected, 1)).status_code == 200
    assert (await connected.request_token()).status_code == 200


async def test_a_reinstalled_shop_keeps_its_merchant_and_its_new_epoch(connected: Any) -> None:
    merchant = str((await connected.stores.connections.find(NAME)).merchant)
    connected.shopify.revoke_tokens()
    await uninstall(connected, 60)
    connected.shopify.granted_at = GRANTED_AT + 120_000
    assert (await connected.connect(connected.create_browser()))["user_uuid"] == merchant
    events = await connected.drain_outbox()
    assert [(event.state, event.epoch) for event in events] == [("uninstalled", 2), ("connected", 2)]
    assert events[-1].revision == 3


async def test_changed_scopes_are_fetched_and_published(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    body = json.dumps({"id": 1, "current": ["read_products"]}).encode()
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    (event,) = await connected.drain_outbox()
    assert (event.state, event.scopes, event.epoch, event.revision) == ("connected", ("read_products",), 1, 2)
    assert event.wanted_sync not in {None, first.wanted_sync}
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    assert await connected.drain_outbox() == []


async def test_scopes_changed_by_a_token_refresh_are_published_too(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    await connected.expire_token()
    assert (await connected.request_token()).json()["scopes"] == ["read_products"]
    (event,) = await connected.drain_outbox()
    assert event.scopes == ("read_products",)
    assert event.wanted_sync not in {None, first.wanted_sync}


async def test_a_new_login_in_the_same_second_requests_its_own_sync(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    await connected.connect()
    (event,) = await connected.drain_outbox()
    assert event.scopes == ("read_products",)
    assert event.wanted_sync not in {None, first.wanted_sync}


def test_times_are_compared_with_a_tolerance_of_five_seconds() -> None:
    assert [compare_event_with_grant(100_000, moment) for moment in (94_999, 95_000, 105_000, 105_001, None)] == [
        "before",
        "near",
        "near",
        "after",
        "near",
    ]
