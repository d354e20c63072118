"""An operator connects the accounts of the installation's own app by client credentials."""

from typing import Any

import pytest

from gateway.connect.grants import OPERATOR_MERCHANT

pytestmark = pytest.mark.integration

PATH = "/internal/platforms/office/connect"


async def test_an_operator_connects_the_accounts_of_the_app(world: Any) -> None:
    response = await world.call_internal(PATH, {}, "operator")
    assert response.status_code == 200, response.text
    names = [connection["connection"] for connection in response.json()["connections"]]
    assert names == ["office:north", "office:south"]
    events = await world.drain_outbox()
    assert {(event.connection, event.merchant) for event in events} == {(name, OPERATOR_MERCHANT) for name in names}
    assert [str(event.wanted_sync) for event in events] == [
        connection["sync_id"] for connection in response.json()["connections"]
    ]
    token = await world.request_token("office-fetcher", "office:north")
    assert token.json()["access_token"] == "office-token-north"
    assert await world.count_rows("sessions") == 0


async def test_connecting_again_keeps_the_epoch_and_requests_a_new_sync(world: Any) -> None:
    await world.call_internal(PATH, {}, "operator")
    await world.drain_outbox()
    await world.call_internal(PATH, {}, "operator")
    assert {(event.epoch, event.revision) for event in await world.drain_outbox()} == {(1, 2)}


@pytest.mark.parametrize("caller", ["scheduler", "office-fetcher", "shopify-fetcher"])
async def test_nobody_but_an_operator_may_connect(world: Any, caller: str) -> None:
    assert (await world.call_internal(PATH, {}, caller)).status_code == 403
    assert await world.count_rows("connections") == 0


async def test_a_refused_connection_names_the_reason(world: Any) -> None:
    assert (await world.call_internal("/internal/platforms/nowhere/connect", {}, "operator")).status_code == 404
    browser_only = await world.call_internal("/internal/platforms/shopify/connect", {}, "operator")
    assert (browser_only.status_code, "browser" in browser_only.json()["reason"]) == (400, True)
    world.office.refusal = "the client secret is wrong"
    refused = await world.call_internal(PATH, {}, "operator")
    assert (refused.status_code, refused.json()["reason"]) == (400, "the client secret is wrong")
    world.office.refusal, world.office.is_configured = "", False
    world.restart(world.settings)
    reason = (await world.call_internal(PATH, {}, "operator")).json()["reason"]
    assert "OFFICE_CLIENT_ID and OFFICE_CLIENT_SECRET" in reason
    assert await world.count_rows("connections") == 0


async def test_there_is_no_page_for_client_credentials(world: Any) -> None:
    for path in ("/office/connect", "/office/login"):
        assert (await world.create_browser().get(path)).status_code == 404
    assert "office" not in (await world.browser.get("/")).json()["message"]
