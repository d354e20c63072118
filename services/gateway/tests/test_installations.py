"""What Shopify says about the app: uninstalled, other scopes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.installations import order

pytestmark = pytest.mark.integration

NAME = "shopify:acme.myshopify.com"
GRANTED_AT = 1_795_500_000_000


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


async def uninstall(world: Any, seconds: float) -> Any:
    """An uninstall that Shopify saw so many seconds after the grant."""
    moment = at(GRANTED_AT + int(seconds * 1000))
    return await world.deliver("app/uninstalled", b'{"id": 1}', X_Shopify_Triggered_At=moment)


@pytest.fixture
async def connected(world: Any) -> Any:
    world.shopify.granted_at = GRANTED_AT
    await world.connect()
    await world.said()
    return world


async def test_an_uninstall_erases_the_tokens_and_raises_the_epoch(connected: Any) -> None:
    await connected.deliver("products/update", b'{"id": 7}')
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
    connected.shopify.uninstall()
    assert (await uninstall(connected, seconds)).status_code == 200
    assert (await connected.said())[-1].state == "uninstalled"


async def test_an_expired_token_alone_uninstalls_nobody(connected: Any) -> None:
    await connected.expire()
    connected.shopify.good_access.clear()
    assert (await uninstall(connected, 1)).status_code == 200
    assert (await connected.token()).status_code == 200


async def test_a_shop_that_comes_back_keeps_its_merchant_and_its_new_epoch(connected: Any) -> None:
    merchant = (await connected.browser.get("/connections")).json()["user_uuid"]
    await uninstall(connected, 60)
    connected.shopify.granted_at = GRANTED_AT + 120_000
    assert (await connected.connect(connected.new_browser()))["user_uuid"] == merchant
    said = await connected.said()
    assert [(event.state, event.epoch) for event in said] == [("uninstalled", 2), ("connected", 2)]
    assert said[-1].revision == 3


async def test_other_scopes_are_read_and_said(connected: Any) -> None:
    connected.shopify.scopes_granted = ("read_products",)
    body = json.dumps({"id": 1, "current": ["read_products"]}).encode()
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    (said,) = await connected.said()
    assert said.scopes == ("read_products",)
    assert (await connected.deliver("app/scopes_update", body)).status_code == 200
    assert await connected.said() == []


def test_times_decide_unless_they_are_near() -> None:
    assert [order(100_000, moment) for moment in (94_999, 95_000, 105_000, 105_001, None)] == [
        "before",
        "near",
        "near",
        "after",
        "near",
    ]
