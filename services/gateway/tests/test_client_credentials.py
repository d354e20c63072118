"""Connecting by client credentials: at an operator's request, for the installation itself."""

from typing import Any

import pytest

from gateway.connect.grants import OPERATOR_MERCHANT

pytestmark = pytest.mark.integration

PATH = "/internal/platforms/office/connect"


async def test_an_operator_connects_the_accounts_of_the_app(world: Any) -> None:
    answer = await world.ask(PATH, {}, "operator")
    assert answer.status_code == 200, answer.text
    names = [one["connection"] for one in answer.json()["connections"]]
    assert names == ["office:north", "office:south"]
    events = await world.said()
    assert {(event.connection, event.merchant) for event in events} == {(name, OPERATOR_MERCHANT) for name in names}
    assert [str(event.wanted_sync) for event in events] == [one["sync_id"] for one in answer.json()["connections"]]
    token = await world.token("office-fetcher", "office:north")
    assert token.json()["access_token"] == "office-token-north"
    assert await world.rows("sessions") == 0


async def test_connecting_again_keeps_the_epoch_and_wants_a_new_sync(world: Any) -> None:
    await world.ask(PATH, {}, "operator")
    await world.said()
    await world.ask(PATH, {}, "operator")
    assert {(event.epoch, event.revision) for event in await world.said()} == {(1, 2)}


@pytest.mark.parametrize("caller", ["scheduler", "office-fetcher", "shopify-fetcher"])
async def test_nobody_but_an_operator_may_connect(world: Any, caller: str) -> None:
    assert (await world.ask(PATH, {}, caller)).status_code == 403
    assert await world.rows("connections") == 0


async def test_what_cannot_be_connected_says_why(world: Any) -> None:
    assert (await world.ask("/internal/platforms/nowhere/connect", {}, "operator")).status_code == 404
    browser_only = await world.ask("/internal/platforms/shopify/connect", {}, "operator")
    assert (browser_only.status_code, "browser" in browser_only.json()["reason"]) == (400, True)
    world.office.refusal = "the client secret is wrong"
    refused = await world.ask(PATH, {}, "operator")
    assert (refused.status_code, refused.json()["reason"]) == (400, "the client secret is wrong")
    world.office.refusal, world.office.is_configured = "", False
    world.restart(world.settings)
    missing = (await world.ask(PATH, {}, "operator")).json()["reason"]
    assert "OFFICE_CLIENT_ID and OFFICE_CLIENT_SECRET" in missing
    assert await world.rows("connections") == 0


async def test_there_is_no_page_for_it(world: Any) -> None:
    for path in ("/office/connect", "/office/login"):
        assert (await world.new_browser().get(path)).status_code == 404
    assert "office" not in (await world.browser.get("/")).json()["message"]
