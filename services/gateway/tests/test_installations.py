"""What Shopify says about the app: uninstalled, other scopes."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from gateway.webhooks.removals import compare_times

pytestmark = pytest.mark.integration

NAME = "shopify:acme.myshopify.com"
UNINSTALLED = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
GRANTED_AT = 1_795_500_000_000


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


async def uninstall(world: Any, seconds: float) -> Any:
    """An uninstall that Shopify saw so many seconds after the grant."""
    moment = at(GRANTED_AT + int(seconds * 1000))
    return await world.deliver("app/uninstalled", UNINSTALLED, X_Shopify_Triggered_At=moment)


@pytest.fixture
async def connected(world: Any) -> Any:
    world.shopify.granted_at = GRANTED_AT
    await world.connect()
    await world.said()
    return world


async def test_an_uninstall_erases_the_tokens_and_raises_the_epoch(connected: Any) -> None:
    await connected.deliver("products/update", b'{"id": 7}')
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, 60)).status_code == 200
    (said,) = await connected.said()
    assert (said.state, said.epoch, said.wanted_sync) == ("uninstalled", 2, None)
    assert "k1." not in await connected.dump()
    assert (await connected.token()).json() == {"state": "uninstalled"}
    sent = len(connected.kafka.sent)
    assert (await connected.deliver("products/update", b'{"id": 7}')).status_code == 200
    assert len(connected.kafka.sent) == sent
    assert (await uninstall(connected, 60)).status_code == 200
    assert await connected.said() == []


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
    assert await connected.said() == []


async def test_an_uninstall_may_name_the_shop_by_its_domain(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    body = b'{"id": 1, "domain": "acme.myshopify.com"}'
    assert (await connected.deliver("app/uninstalled", body)).status_code == 200
    assert [said.state for said in await connected.said()][-1] == "uninstalled"


@pytest.mark.parametrize("seconds", [6, 60, 10**6])
async def test_a_forged_uninstall_is_dropped_because_the_token_works(connected: Any, seconds: int) -> None:
    assert (await uninstall(connected, seconds)).status_code == 200
    assert await connected.said() == []
    assert (await connected.token()).status_code == 200


async def test_what_lies_before_the_grant_is_dropped_untried(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, -60)).status_code == 200
    assert await connected.said() == []


async def test_where_the_platform_does_not_answer_a_delivery_after_the_grant_decides(connected: Any) -> None:
    connected.shopify.down = True
    assert (await uninstall(connected, 60)).status_code == 200
    (said,) = await connected.said()
    assert (said.state, said.epoch) == ("uninstalled", 2)
    assert (await uninstall(connected, 60)).status_code == 200
    assert await connected.said() == []


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_platform_that_hangs_costs_the_answer_no_five_seconds(connected: Any, seconds: int) -> None:
    connected.shopify.hanging = True
    await connected.expire()
    began = time.monotonic()
    assert (await uninstall(connected, seconds)).status_code == (200 if seconds else 503)
    assert time.monotonic() - began < 4


async def test_a_token_that_cannot_be_unsealed_is_none_that_works(connected: Any) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'lost.key'"))
    assert (await uninstall(connected, 0)).status_code == 503
    assert (await uninstall(connected, 60)).status_code == 200
    assert (await connected.said())[-1].state == "uninstalled"


async def test_a_connection_that_needs_a_new_sign_in_is_uninstalled_too(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    await connected.expire()
    assert (await connected.token()).json() == {"state": "reauthorise"}
    assert (await uninstall(connected, 60)).status_code == 200
    assert [said.state for said in await connected.said()] == ["reauthorise", "uninstalled"]


async def test_an_uninstall_older_than_the_grant_is_dropped(connected: Any) -> None:
    assert (await uninstall(connected, -60)).status_code == 200
    assert await connected.said() == []
    assert (await connected.token()).status_code == 200


@pytest.mark.parametrize("seconds", [-4, 0, 4])
async def test_an_uninstall_in_the_moment_of_the_grant_is_tried(connected: Any, seconds: int) -> None:
    assert (await uninstall(connected, seconds)).status_code == 200
    assert (await connected.token()).status_code == 200
    connected.shopify.down = True
    assert (await uninstall(connected, seconds)).status_code == 503
    connected.shopify.down = False
    connected.shopify.revoke_tokens()
    assert (await uninstall(connected, seconds)).status_code == 200
    assert (await connected.said())[-1].state == "uninstalled"


async def test_an_expired_token_alone_uninstalls_nobody(connected: Any) -> None:
    await connected.expire()
    connected.shopify.good_access.clear()
    assert (await uninstall(connected, 1)).status_code == 200
    assert (await connected.token()).status_code == 200


async def test_a_shop_that_comes_back_keeps_its_merchant_and_its_new_epoch(connected: Any) -> None:
    merchant = (await connected.browser.get("/connections")).json()["user_uuid"]
    connected.shopify.revoke_tokens()
    await uninstall(connected, 60)
    connected.shopify.granted_at = GRANTED_AT + 120_000
    assert (await connected.connect(connected.new_browser()))["user_uuid"] == merchant
    said = await connected.said()
    assert [(event.state, event.epoch) for event in said] == [("uninstalled", 2), ("connected", 2)]
    assert said[-1].revision == 3


async def test_other_scopes_are_read_and_said(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    body = json.dumps({"id": 1, "current": ["read_products"]}).encode()
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    (said,) = await connected.said()
    assert (said.state, said.scopes, said.epoch, said.revision) == ("connected", ("read_products",), 1, 2)
    assert said.wanted_sync not in {None, first.wanted_sync}
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    assert await connected.said() == []


async def test_other_scopes_that_a_refresh_brings_are_said_too(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    await connected.expire()
    assert (await connected.token()).json()["scopes"] == ["read_products"]
    (said,) = await connected.said()
    assert said.scopes == ("read_products",)
    assert said.wanted_sync not in {None, first.wanted_sync}


async def test_a_new_sign_in_in_the_same_second_wants_a_sync_of_its_own(connected: Any) -> None:
    first = await connected.stores.connections.find(NAME)
    connected.shopify.scopes_granted = ("read_products",)
    await connected.connect()
    (said,) = await connected.said()
    assert said.scopes == ("read_products",)
    assert said.wanted_sync not in {None, first.wanted_sync}


def test_times_decide_unless_they_are_near() -> None:
    assert [compare_times(100_000, moment) for moment in (94_999, 95_000, 105_000, 105_001, None)] == [
        "before",
        "near",
        "near",
        "after",
        "near",
    ]
