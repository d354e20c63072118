"""Who sees and may change a connection: owners, collaborators, former helpers, buyers of a shop, and strangers."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from gateway.audit import BY_OPERATOR, MERCHANT, Action, Actor, AuditEntry
from gateway.internal.sync_requests import MERCHANT_SYNC_SECONDS
from gateway.pages.connection_reader import SHOWN_LINES
from gateway.pages.views import ConnectionView, SyncView
from gateway.sessions.browsers import Browser

pytestmark = pytest.mark.integration

NAME, SECOND = "shopify:acme.myshopify.com", "shopify:second.myshopify.com"
HERE = {"Sec-Fetch-Site": "same-origin"}
DECISION = Path(__file__).parents[3] / "docs" / "decisions" / "0027-proofs.md"
QUARTER, HALF_DAY = 16 * 60, 13 * 3600
YES, NO, AGAIN = "yes", "no", "after signing in again"
ANSWERS = {200: YES, 303: YES, 403: AGAIN, 401: NO, 404: NO}


async def fetch_form_token(browser: httpx.AsyncClient) -> str:
    """Fetches the form token of the browser's session; empty where there is none."""
    response = await browser.get("/connections", headers={"Accept": "text/html"})
    match = re.search(r'name="form_token" value="(\w+)"', response.text)
    return match[1] if match else ""


async def press(
    browser: httpx.AsyncClient, action: str, connection: str = NAME, accept: str = "application/json", **fields: str
) -> httpx.Response:
    """Sends the form of a button, with these fields."""
    data = {"form_token": await fetch_form_token(browser), **fields}
    headers = {**HERE, "Accept": accept}
    return await browser.post(f"/connections/{connection}/{action}", data=data, headers=headers)


async def list_connections(browser: httpx.AsyncClient) -> list[str]:
    document = (await browser.get("/connections")).json()
    return [one["connection"] for one in document.get("connections", [])]


async def find_merchant(world: Any, name: str = NAME) -> str:
    return str((await world.stores.connections.find(name)).merchant)


async def try_everything(world: Any, browser: httpx.AsyncClient) -> list[str]:
    """Returns what the browser may do with the shop.

    See it, read a sync, see its keys and its sessions, make a key, move it, delete it.
    """
    sync = (await world.stores.connections.find(NAME)).wanted_sync
    access = (await browser.get(f"/connections/{NAME}")).json()
    sessions = NO if "connection" not in access else AGAIN if access["sessions"] is None else YES
    return [
        YES if NAME in await list_connections(browser) else NO,
        ANSWERS[(await browser.get(f"/syncs/{sync}")).status_code],
        YES if "keys" in access else NO,
        sessions,
        ANSWERS[(await press(browser, "make-key", name="a bot", scope_read="yes")).status_code],
        ANSWERS[(await press(browser, "move")).status_code],
        ANSWERS[(await press(browser, "delete")).status_code],
    ]


async def sign_in_as_owner(world: Any) -> httpx.AsyncClient:
    """The owner of both shops has connected them, and listed them together."""
    owner: httpx.AsyncClient = world.create_browser()
    await world.connect(owner)
    await world.connect(owner, shop="second")
    assert (await press(owner, "move", beside=SECOND)).status_code == 303
    assert await find_merchant(world) == await find_merchant(world, SECOND)
    return owner


async def be_owner(world: Any) -> httpx.AsyncClient:
    return await sign_in_as_owner(world)


async def be_owner_after_a_quarter(world: Any) -> httpx.AsyncClient:
    owner = await sign_in_as_owner(world)
    await world.age_proofs(QUARTER)
    return owner


async def be_owner_who_signed_in_again(world: Any) -> httpx.AsyncClient:
    owner = await be_owner_after_a_quarter(world)
    assert (await world.prove(owner)).status_code == 200
    return owner


async def be_owner_after_half_a_day(world: Any) -> httpx.AsyncClient:
    owner = await sign_in_as_owner(world)
    await world.age_proofs(HALF_DAY)
    return owner


async def be_collaborator(world: Any) -> httpx.AsyncClient:
    await sign_in_as_owner(world)
    collaborator: httpx.AsyncClient = world.create_browser()
    assert (await world.prove(collaborator, "second")).status_code == 200
    return collaborator


async def be_former_helper(world: Any) -> httpx.AsyncClient:
    helper: httpx.AsyncClient = world.create_browser()
    await world.connect(helper)
    await world.age_proofs(QUARTER)
    await sign_in_as_owner(world)
    return helper


async def be_former_helper_shut_out(world: Any) -> httpx.AsyncClient:
    helper = await be_former_helper(world)
    owner = world.create_browser()
    await world.prove(owner)
    assert (await press(owner, "end-sessions")).status_code == 303
    return helper


async def be_other_merchant(world: Any) -> httpx.AsyncClient:
    await sign_in_as_owner(world)
    other: httpx.AsyncClient = world.create_browser()
    await world.connect(other, shop="other")
    return other


async def be_buyer(world: Any) -> httpx.AsyncClient:
    await sign_in_as_owner(world)
    await world.age_proofs(HALF_DAY)
    buyer: httpx.AsyncClient = world.create_browser()
    assert (await world.prove(buyer)).status_code == 200
    return buyer


async def be_seller(world: Any) -> httpx.AsyncClient:
    seller = await sign_in_as_owner(world)
    buyer = world.create_browser()
    await world.prove(buyer)
    await press(buyer, "end-sessions")
    return seller


async def be_thief_of_an_old_cookie(world: Any) -> httpx.AsyncClient:
    owner = await sign_in_as_owner(world)
    thief: httpx.AsyncClient = world.create_browser()
    thief.cookies.update(dict(owner.cookies))
    await world.prove(owner)
    return thief


async def be_planter_of_a_cookie(world: Any) -> httpx.AsyncClient:
    planter: httpx.AsyncClient = world.create_browser()
    await world.connect(planter, shop="other")
    victim = world.create_browser()
    victim.cookies.update(dict(planter.cookies))
    await world.connect(victim)
    return planter


PEOPLE: dict[str, Callable[[Any], Awaitable[httpx.AsyncClient]]] = {
    "its owner, who has just signed in": be_owner,
    "its owner, 16 minutes later": be_owner_after_a_quarter,
    "its owner, who then signed in again": be_owner_who_signed_in_again,
    "its owner, 13 hours later": be_owner_after_half_a_day,
    "a collaborator of another shop in the same document": be_collaborator,
    "a former helper who connected it, 16 minutes later": be_former_helper,
    "a former helper, after the owner ended other sessions": be_former_helper_shut_out,
    "another merchant": be_other_merchant,
    "the buyer of the shop, who has just signed in": be_buyer,
    "the seller, after the buyer ended other sessions": be_seller,
    "a thief of a cookie from before the last sign-in": be_thief_of_an_old_cookie,
    "whoever planted a cookie in the owner's browser": be_planter_of_a_cookie,
}


@pytest.mark.parametrize("person", PEOPLE)
async def test_the_table_of_the_decision_is_what_people_can_do(world: Any, person: str) -> None:
    browser = await PEOPLE[person](world)
    row = f"| {person} | {' | '.join(await try_everything(world, browser))} |"
    assert row in DECISION.read_text(), row


async def test_a_proof_of_one_account_gives_no_right_over_its_merchants_other_accounts(world: Any) -> None:
    collaborator = await be_collaborator(world)
    assert await list_connections(collaborator) == [SECOND]
    access = (await collaborator.get(f"/connections/{SECOND}")).json()
    assert (access["beside"], access["others"], access["can_join"]) == ([], 1, [])
    assert NAME not in str(access)
    for action in ("disconnect", "delete", "move", "end-sessions", "sync"):
        assert (await press(collaborator, action)).status_code == 404, action
    assert (await press(collaborator, "move", SECOND, beside=NAME)).status_code == 404
    assert (await world.stores.connections.find(NAME)).state == "connected"


async def test_proving_stores_no_token_starts_no_sync_and_keeps_the_app_installed(world: Any) -> None:
    await world.connect()
    await world.drain_outbox()
    before = await world.stores.connections.find(NAME)
    response = await world.prove(world.create_browser())
    assert response.json() == {"proved": [NAME]}
    assert await world.stores.connections.find(NAME) == before
    assert await world.drain_outbox() == []
    assert world.shopify.uninstalled_accounts == []
    assert (await world.request_token()).status_code == 200


async def test_proving_a_disconnected_shop_in_order_to_delete_it_neither_connects_it_nor_removes_the_app(
    world: Any,
) -> None:
    await world.connect()
    assert (await press(world.browser, "disconnect")).status_code == 303
    world.shopify.uninstalled_accounts.clear()
    browser = world.create_browser()
    assert (await world.prove(browser)).status_code == 200
    assert (await world.stores.connections.find(NAME)).state == "uninstalled"
    assert world.shopify.uninstalled_accounts == [], "the merchant may have installed it for another service"
    assert (await press(browser, "delete")).status_code == 303
    assert (await world.stores.connections.find(NAME)).state == "redacted"


async def test_proving_an_account_that_is_not_connected_stores_nothing_and_leaves_its_app_alone(world: Any) -> None:
    response = await world.prove()
    assert response.status_code == 404
    assert response.json()["reason"].startswith("this shop is not connected here; connect it first. If this sign-in")
    assert world.shopify.uninstalled_accounts == []
    for table in ("connections", "sessions", "proofs", "outbox"):
        assert await world.count_rows(table) == 0, table


async def test_a_state_for_a_proof_connects_nothing(world: Any) -> None:
    await world.prove()
    assert await world.count_rows("connections") == 0


async def test_joining_needs_a_fresh_proof_of_both_and_leaves_no_empty_merchant(world: Any) -> None:
    await world.connect()
    await world.connect(shop="second")
    assert await find_merchant(world) != await find_merchant(world, SECOND)
    await world.age_proofs(QUARTER)
    await world.prove()
    response = await press(world.browser, "move", beside=SECOND)
    assert (response.status_code, SECOND in response.json()["reason"]) == (403, True)
    await world.prove(shop="second")
    await world.drain_outbox()
    response = await press(world.browser, "move", beside=SECOND)
    assert (response.status_code, response.headers["location"]) == (303, f"/connections/{NAME}")
    assert await find_merchant(world) == await find_merchant(world, SECOND)
    assert await world.count_rows("merchants") == 1
    (event,) = await world.drain_outbox()
    assert (event.connection, str(event.merchant)) == (NAME, await find_merchant(world, SECOND))
    assert (event.revision, event.epoch, event.state) == (2, 1, "connected")


async def test_a_detached_connection_gets_a_merchant_of_its_own(world: Any) -> None:
    owner = await sign_in_as_owner(world)
    before = await find_merchant(world)
    assert (await press(owner, "move")).status_code == 303
    assert await find_merchant(world) != before
    assert await find_merchant(world, SECOND) == before


async def test_a_fresh_sign_in_shows_all_sessions_and_ends_those_of_others_for_this_account_alone(world: Any) -> None:
    helper = world.create_browser()
    helper.headers["User-Agent"] = "a helper's browser"
    await world.connect(helper)
    await world.connect(helper, shop="second")
    owner = world.create_browser()
    await world.prove(owner)
    sessions = (await owner.get(f"/connections/{NAME}")).json()["sessions"]
    assert [(one["is_this"], one["browser"]) for one in sessions][1] == (False, "a helper's browser")
    assert sessions[0]["is_this"]
    assert (await press(owner, "end-sessions")).status_code == 303
    assert await list_connections(helper) == [SECOND]
    assert len((await owner.get(f"/connections/{NAME}")).json()["sessions"]) == 1


async def test_signing_out_ends_the_session_and_its_cookie(world: Any) -> None:
    await world.connect()
    cookies = dict(world.browser.cookies)
    token = await fetch_form_token(world.browser)
    response = await world.browser.post("/sign-out", data={"form_token": token}, headers=HERE)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "session_id" not in world.browser.cookies
    world.browser.cookies.update(cookies)
    assert (await world.browser.get("/connections")).status_code == 401
    assert await world.count_rows("proofs") == 0


@pytest.mark.parametrize("column", ["expires_at", "seen_at"])
async def test_a_session_ends_after_its_time_and_when_it_is_idle(world: Any, column: str) -> None:
    await world.connect()
    age = "now() - interval '1 second'" if column == "expires_at" else "now() - interval '61 minutes'"
    async with world.database.transaction() as tx:
        await tx.execute(text(f"UPDATE sessions SET {column} = {age}"))
    assert (await world.browser.get("/connections")).status_code == 401
    await world.prove()
    assert await list_connections(world.browser) == [NAME]
    await world.stores.prune()
    assert await world.count_rows("sessions") == 1


async def test_a_used_session_does_not_become_idle(world: Any) -> None:
    await world.connect()
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE sessions SET seen_at = now() - interval '59 minutes'"))
    assert await list_connections(world.browser) == [NAME]
    async with world.database.transaction() as tx:
        recent = await tx.execute(text("SELECT count(*) FROM sessions WHERE seen_at > now() - interval '1 minute'"))
        assert recent.scalar_one() == 1


async def test_a_sync_page_that_is_left_open_does_not_keep_its_session_from_becoming_idle(world: Any) -> None:
    path = (await world.connect())["sync_url"]
    page = (await world.browser.get(path, headers={"Accept": "text/html"})).text
    by_script = re.search(r'unattended = address \+ "(\S+)"', page)
    by_refresh = re.search(r'http-equiv="refresh" content="5; url=([^"]+)"', page)
    assert by_script and by_refresh and by_refresh[1] == path + by_script[1]
    assert "fetch(unattended, " in page

    async def become_older(minutes: int) -> None:
        async with world.database.transaction() as tx:
            earlier = text("UPDATE sessions SET seen_at = seen_at - make_interval(mins => :minutes)")
            await tx.execute(earlier, {"minutes": minutes})

    await become_older(59)
    assert (await world.browser.get(by_refresh[1])).status_code == 200
    await become_older(1)
    assert (await world.browser.get(by_refresh[1])).status_code == 404
    assert await list_connections(world.browser) == []


async def test_over_https_no_other_host_can_plant_a_cookie(world: Any, make_shopify: Any) -> None:
    world.restart(world.settings, shopify=make_shopify(shopify_redirect_uri="https://gateway.test/shopify/callback"))
    browser = world.create_browser()
    browser.base_url = httpx.URL("https://gateway.test")
    await world.connect(browser)
    assert "__Host-session_id" in browser.cookies
    assert await list_connections(browser) == [NAME]
    planted = world.create_browser()
    planted.cookies.set("session_id", browser.cookies["__Host-session_id"])
    assert (await planted.get("/connections")).status_code == 401
    token = await fetch_form_token(browser)
    await browser.post("/sign-out", data={"form_token": token}, headers=HERE)
    assert "__Host-session_id" not in browser.cookies


async def test_what_people_do_is_in_the_audit_log_which_its_merchant_sees(world: Any) -> None:
    world.browser.headers["User-Agent"] = "x" * 300
    await world.connect()
    await world.connect(shop="second")
    await press(world.browser, "move", beside=SECOND)
    await press(world.browser, "sync")
    await world.prove(world.create_browser())
    await world.call_internal(f"/internal/connections/{NAME}/sync", {}, "operator")
    history = (await world.browser.get(f"/connections/{NAME}")).json()["history"]
    assert [(entry["action"], entry["actor"]) for entry in history] == [
        ("request_sync", "operator"),
        ("prove", "merchant"),
        ("request_sync", "merchant"),
        ("move", "merchant"),
        ("connect", "merchant"),
    ]
    assert (history[-1]["address"], history[-1]["browser"]) == ("127.0.0.1", "x" * 200)
    assert history[3]["details"]["beside"] == SECOND
    exported = (await world.get_internal("/internal/audit", "operator", connection=NAME)).json()["entries"]
    assert [entry["action"] for entry in exported] == [entry["action"] for entry in reversed(history)]
    rest = await world.get_internal("/internal/audit", "operator", connection=NAME, after=exported[2]["id"])
    assert rest.json()["entries"] == exported[3:]
    assert (await world.get_internal("/internal/audit", "shopify-fetcher")).status_code == 403


async def test_a_deletion_empties_the_audit_log_of_people_and_old_entries_are_pruned(world: Any) -> None:
    await world.connect()
    await press(world.browser, "delete")
    async with world.database.transaction() as tx:
        rows = (await tx.execute(text("SELECT * FROM audit_log ORDER BY id"))).all()
        assert [row.action for row in rows] == ["connect", "request_deletion", "delete"]
        assert {(row.session, row.address, row.browser) for row in rows} == {(None, None, None)}
        await tx.execute(text("UPDATE audit_log SET at = at - interval '366 days' WHERE action = 'connect'"))
    await world.stores.prune()
    assert await world.count_rows("audit_log") == 2


async def test_an_uninstall_by_the_platform_is_in_the_audit_log(world: Any) -> None:
    await world.connect()
    world.shopify.revoke_tokens()
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    await world.deliver("app/uninstalled", body)
    history = (await world.browser.get(f"/connections/{NAME}")).json()["history"]
    assert [(entry["action"], entry["actor"]) for entry in history] == [
        ("disconnect", "platform"),
        ("connect", "merchant"),
    ]


async def test_a_merchant_has_an_account_read_now(world: Any) -> None:
    await world.connect()
    await world.age_proofs(QUARTER)
    response = await press(world.browser, "sync")
    wanted = (await world.stores.connections.find(NAME)).wanted_sync
    assert (response.status_code, response.headers["location"]) == (303, f"/syncs/{wanted}")
    await world.prove()
    await press(world.browser, "disconnect")
    response = await press(world.browser, "sync")
    assert (response.status_code, "not connected" in response.json()["reason"]) == (409, True)


async def test_a_full_sync_that_is_under_way_is_shown_in_place_of_a_second_one(world: Any) -> None:
    await world.connect()
    before = await world.stores.connections.find(NAME)
    running = SyncView(sync_id=uuid4(), connection=NAME, cause="poll", mode="full", state="running")
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, open_full_sync=running, syncs=[running])
    page = (await world.browser.get("/connections", headers={"Accept": "text/html"})).text
    assert "Read it now" not in page
    assert f'<a href="/syncs/{running.sync_id}">the full sync</a>' in page
    response = await press(world.browser, "sync")
    assert (response.status_code, response.headers["location"]) == (303, f"/syncs/{running.sync_id}")
    assert await world.stores.connections.find(NAME) == before
    history = (await world.browser.get(f"/connections/{NAME}")).json()["history"]
    assert [entry["action"] for entry in history] == ["connect"], "nothing was started"
    await press(world.browser, "disconnect")
    assert (await press(world.browser, "sync")).status_code == 409


async def test_full_syncs_that_merchants_request_are_limited_for_each_connection(world: Any) -> None:
    await world.connect()
    await world.connect(shop="second")
    other = world.create_browser()
    await world.prove(other)
    pressed = await asyncio.gather(press(world.browser, "sync"), press(other, "sync"))
    assert sorted(response.status_code for response in pressed) == [303, 429]
    (refused,) = (response for response in pressed if response.status_code == 429)
    assert "the next one can be requested in 10 minutes" in refused.json()["reason"]
    assert 540 < int(refused.headers["retry-after"]) <= MERCHANT_SYNC_SECONDS
    assert (await press(world.browser, "sync", SECOND)).status_code == 303
    assert (await world.call_internal(f"/internal/connections/{NAME}/sync", {}, "operator")).status_code == 200
    async with world.database.transaction() as tx:
        earlier = text("UPDATE audit_log SET at = at - make_interval(secs => :seconds)")
        await tx.execute(earlier, {"seconds": MERCHANT_SYNC_SECONDS})
    page = await world.browser.get("/connections", headers={"Accept": "text/html"})
    assert "Read it now" in page.text
    assert (await press(world.browser, "sync")).status_code == 303


async def test_what_is_done_often_hides_nothing_else_in_the_history(world: Any) -> None:
    await world.connect()
    await world.connect(shop="second")
    await press(world.browser, "move", beside=SECOND)
    for number in range(60):
        browser = Browser("198.51.100.7", f"browser {number}")
        await world.stores.audit_log.add(AuditEntry(Action.PROVE, NAME, Actor(MERCHANT, uuid4(), browser)))
        details = {"sync_id": str(uuid4())}
        await world.stores.audit_log.add(AuditEntry(Action.REQUEST_SYNC, NAME, BY_OPERATOR, details))
    history = (await world.browser.get(f"/connections/{NAME}")).json()["history"]
    lines = Counter(entry["action"] for entry in history)
    assert lines == {"connect": 1, "move": 1, "prove": SHOWN_LINES, "request_sync": 1}
    (syncs,) = (entry for entry in history if entry["action"] == "request_sync")
    assert (syncs["count"], syncs["details"]) == (60, details)
    assert syncs["first_at"] <= syncs["at"]
    assert "60 times since" in (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text


async def test_a_full_sync_that_cannot_be_cancelled_says_why_and_has_no_button(world: Any) -> None:
    sync = UUID((await world.connect())["sync_id"])
    view = SyncView(sync_id=sync, connection=NAME, cause="connect", mode="full", state="running")
    world.scheduler.syncs[sync] = view.model_copy(update={"cancel_obstacle": "it brings changes"})
    page = await world.browser.get(f"/syncs/{sync}", headers={"Accept": "text/html"})
    assert "This sync cannot be stopped: it brings changes." in page.text
    assert f'name="sync_id" value="{sync}"' not in page.text


async def test_a_merchant_cancels_a_full_sync_of_their_own(world: Any) -> None:
    sync = UUID((await world.connect())["sync_id"])
    view = SyncView(sync_id=sync, connection=NAME, cause="manual", mode="full", state="running")
    world.scheduler.syncs[sync] = view
    page = await world.browser.get(f"/syncs/{sync}", headers={"Accept": "text/html"})
    assert f'name="sync_id" value="{sync}"' in page.text
    response = await press(world.browser, "cancel", sync_id=str(sync))
    assert (response.status_code, response.headers["location"]) == (303, f"/syncs/{sync}")
    assert world.scheduler.cancelled == [(NAME, sync)]
    assert (await press(world.browser, "cancel", sync_id="none")).status_code == 404
    world.scheduler.syncs[sync] = view.model_copy(update={"state": "success"})
    refused = await press(world.browser, "cancel", sync_id=str(sync))
    assert (refused.status_code, refused.json()["reason"]) == (409, "it has ended already")
    stranger = world.create_browser()
    await world.connect(stranger, shop="other")
    assert (await press(stranger, "cancel", sync_id=str(sync))).status_code == 404
    assert world.scheduler.cancelled == [(NAME, sync)]


async def test_behind_a_known_proxy_the_audit_log_names_the_clients_own_address(world: Any, make_settings: Any) -> None:
    world.restart(make_settings(trusted_proxies="127.0.0.0/8"))
    browser = world.create_browser()
    browser.headers["X-Forwarded-For"] = "203.0.113.9, 198.51.100.7"
    await world.connect(browser)
    history = (await browser.get(f"/connections/{NAME}")).json()["history"]
    assert [entry["address"] for entry in history] == ["198.51.100.7"]


async def test_the_pages_show_only_what_the_sign_in_allows(world: Any) -> None:
    page = world.create_browser("text/html")
    await world.connect(world.browser)
    page.cookies.update(dict(world.browser.cookies))
    fresh = (await page.get("/connections")).text
    assert "Delete my data" in fresh and "Sign in again to disconnect" not in fresh
    access = (await page.get(f"/connections/{NAME}")).text
    assert "Signed in at this account" in access and "connect" in access
    await world.age_proofs(QUARTER)
    stale = (await page.get("/connections")).text
    assert "Delete my data" not in stale
    assert 'href="/shopify/acme.myshopify.com/prove"' in stale
    assert "Signed in at this account" not in (await page.get(f"/connections/{NAME}")).text
    shown = await page.get(f"/connected?connection={NAME}&connection={SECOND}")
    assert NAME in shown.text and SECOND not in shown.text
    assert 'formaction="/shopify/prove"' in (await page.get("/")).text


async def test_every_page_of_a_session_offers_to_sign_out_in_its_header(world: Any) -> None:
    sync = (await world.connect())["sync_url"]
    view = SyncView(sync_id=UUID(sync[-36:]), connection=NAME, cause="connect", mode="full", state="running")
    world.scheduler.syncs[view.sync_id] = view
    for fresh in (True, False):
        for path in ("/connections", f"/connections/{NAME}", sync, f"/connected?connection={NAME}"):
            page = (await world.browser.get(path, headers={"Accept": "text/html"})).text
            header = page[page.index("<header>") : page.index("</header>")]
            assert header.count('<button class="link" type="submit">Sign out</button>') == 1, path
            assert page.count("Sign out") == 1, path
            assert ("Stop this sync" in page) == (fresh and path == sync), path
        await world.age_proofs(QUARTER)
    assert "Sign out" not in (await world.create_browser("text/html").get("/")).text


async def test_how_long_proofs_last_is_set(world: Any, make_settings: Any) -> None:
    world.restart(make_settings(proof_act_seconds=60, proof_read_seconds=120))
    browser = world.create_browser()
    await world.connect(browser)
    await world.age_proofs(61)
    assert (await press(browser, "disconnect")).status_code == 403
    await world.age_proofs(60)
    assert await list_connections(browser) == []


REVOKED_ACTIONS = {
    "disconnect": {},
    "delete": {},
    "move": {},
    "move beside another": {"beside": SECOND},
    "end-sessions": {},
    "sync": {},
    "cancel": {"sync_id": "00000000-0000-0000-0000-000000000001"},
    "make-key": {"name": "a bot", "scope_read": "yes"},
    "revoke-keys": {},
}


async def wait_for_a_waiting_lock(world: Any) -> None:
    """Waits until a transaction waits for the lock of a connection that another one holds."""
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    )
    async with asyncio.timeout(20):
        while True:
            async with world.database.transaction() as tx:
                if (await tx.execute(query)).scalar():
                    return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("action", REVOKED_ACTIONS)
async def test_a_helper_who_is_shut_out_while_acting_changes_nothing(world: Any, action: str) -> None:
    helper = await sign_in_as_owner(world)
    owner = world.create_browser()
    await world.prove(owner)
    before = await world.stores.connections.find(NAME)
    sync = UUID(REVOKED_ACTIONS["cancel"]["sync_id"])
    world.scheduler.syncs[sync] = SyncView(sync_id=sync, connection=NAME, cause="poll", mode="full", state="running")
    path, fields = action.partition(" ")[0], REVOKED_ACTIONS[action]
    async with world.stores.connections.lock_all([NAME]) as locked:
        # The helper's request has passed every check outside the lock once it waits for the lock.
        acting = asyncio.create_task(press(helper, path, **fields))
        await wait_for_a_waiting_lock(world)
        sessions = (await owner.get(f"/connections/{NAME}")).json()["sessions"]
        assert len(sessions) == 2
        async with world.database.transaction() as tx:
            own = await tx.execute(text("SELECT session FROM proofs ORDER BY proved_at DESC LIMIT 1"))
            await locked.sessions.delete_other_proofs(NAME, own.scalar_one())
    assert (await acting).status_code == 404
    assert await world.stores.connections.find(NAME) == before
    assert world.scheduler.cancelled == []
    assert (await owner.get(f"/connections/{NAME}")).status_code == 200
    assert await list_connections(helper) == [SECOND]
