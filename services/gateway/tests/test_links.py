"""Who sees a link on the pages and who may change it: both accounts have to be proved in one session."""

import asyncio
import re
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from gateway.connections import Connection, EncryptedTokens
from gateway.sessions.browser_keys import SESSION
from simulated_linker import build_line

pytestmark = pytest.mark.integration

SHOP, DATABASE = "shopify:acme.myshopify.com", "odoo:acme.example.com/production"
PATH = f"/links/{SHOP}"
HERE = {"Sec-Fetch-Site": "same-origin"}
HTML = {"Accept": "text/html"}
QUARTER, HALF_DAY = 16 * 60, 13 * 3600
BUTTONS = {
    "approve": {"plan": "7"},
    "settle": {"winner": "odoo", "record": "11", "resource": "products", "field": "title"},
    "retry": {"reason": "shopify_data"},
    "book": {},
    "syncs": {"mode": "import_all_products"},
    "pause": {},
    "resume": {},
    "end": {},
}
"""The fields of each button's form."""


async def find_session(world: Any, browser: httpx.AsyncClient) -> UUID:
    """Returns the id of the browser's session."""
    hashed = world.parts.keys.hash_value(SESSION, browser.cookies["session_id"])
    async with world.database.transaction() as tx:
        found: UUID = (
            await tx.execute(text("SELECT id FROM sessions WHERE id_hash = :hash"), {"hash": hashed})
        ).scalar()
    return found


async def prove(world: Any, browser: httpx.AsyncClient, name: str = DATABASE) -> None:
    """Lets the browser's session prove a connection, as a sign-in at the platform does."""
    values = {"name": name, "session": await find_session(world, browser)}
    async with world.database.transaction() as tx:
        statement = "INSERT INTO proofs (connection, session) VALUES (:name, :session) ON CONFLICT DO NOTHING"
        await tx.execute(text(statement), values)


async def find_merchant(world: Any, name: str = SHOP) -> UUID:
    found: UUID = (await world.stores.connections.find(name)).merchant
    return found


async def put_database(world: Any, merchant: UUID, name: str = DATABASE) -> None:
    """Connects a database, listed under this merchant."""
    row = Connection(name, merchant, "connected", 1, 1, (), 0, None, EncryptedTokens("k1.encrypted"))
    async with world.stores.connections.lock(name) as locked:
        await locked.save_and_notify(row)


async def connect_both(world: Any, browser: httpx.AsyncClient | None = None) -> UUID:
    """Connects shop and database of one merchant, proved in the browser's session, and returns the merchant."""
    browser = browser or world.browser
    await world.connect(browser)
    merchant = await find_merchant(world)
    await put_database(world, merchant)
    await prove(world, browser)
    return merchant


async def press(browser: httpx.AsyncClient, path: str, *, token: str | None = None, **fields: str) -> httpx.Response:
    """Sends a form of the pages."""
    if token is None:
        page = await browser.get("/connections", headers=HTML)
        match = re.search(r'name="form_token" value="(\w+)"', page.text)
        token = match[1] if match else ""
    return await browser.post(path, data={"form_token": token, **fields}, headers=HERE)


async def load_history(world: Any, connection: str) -> list[tuple[str, dict[str, str]]]:
    history = (await world.browser.get(f"/connections/{connection}")).json()["history"]
    return [(one["action"], one["details"]) for one in history if one["action"] not in ("connect", "prove")]


async def test_nobody_sees_or_changes_a_link_without_a_session(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    stranger = world.create_browser()
    for path in (PATH, f"{PATH}/end", f"/links/new?shop={SHOP}"):
        assert (await stranger.get(path)).status_code == 401
    for button, fields in BUTTONS.items():
        assert (await press(stranger, f"{PATH}/{button}", **fields)).status_code == 401
    assert (await press(stranger, "/links", shop=SHOP, database=DATABASE)).status_code == 401
    assert world.linker.posted == []


async def test_another_merchants_session_sees_nothing_and_the_linker_is_not_asked(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    other = world.create_browser()
    await world.connect(other, shop="other")
    world.linker.asked.clear()
    for path in (PATH, f"{PATH}/end", f"/links/new?shop={SHOP}"):
        assert (await other.get(path)).status_code == 404
    for button, fields in BUTTONS.items():
        assert (await press(other, f"{PATH}/{button}", **fields)).status_code == 404
    assert (await press(other, "/links", shop=SHOP, database=DATABASE)).status_code == 404
    assert (world.linker.posted, world.linker.asked) == ([], [])


async def test_a_member_of_the_merchant_who_has_proved_neither_account_sees_nothing(world: Any) -> None:
    merchant = await connect_both(world)
    world.linker.put(SHOP, DATABASE, merchant)
    third = "odoo:acme.example.com/third"
    await put_database(world, merchant, third)
    member = world.create_browser()
    await world.connect(member, shop="other")
    await prove(world, member, third)
    assert (await member.get(PATH)).status_code == 404
    assert (await press(member, f"{PATH}/pause")).status_code == 404


@pytest.mark.parametrize("proved", [SHOP, DATABASE])
async def test_with_one_account_only_the_state_is_seen_and_the_other_is_not_named(world: Any, proved: str) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    assert (await press(world.browser, f"{PATH}/settle", **BUTTONS["settle"])).status_code == 303
    world.linker.posted.clear()
    browser = world.create_browser()
    await world.connect(browser, shop="other")
    await prove(world, browser, proved)
    unproved = DATABASE if proved == SHOP else SHOP
    for path in (PATH, f"{PATH}/end"):
        page = await browser.get(path, headers=HTML)
        assert page.status_code == 403
        assert unproved not in page.text
    title, way = ("Odoo", "/odoo/prove") if proved == SHOP else ("Shopify", "/")
    assert f"an account of {title} at which you have not signed in" in page.text
    assert f'id="again" href="{way}"' in page.text
    for button, fields in BUTTONS.items():
        assert (await press(browser, f"{PATH}/{button}", **fields)).status_code == 403
    access = await browser.get(f"/connections/{proved}")
    assert unproved not in access.text
    expected = {"platform": title, "connection": "", "state": "draft", "url": ""}
    assert access.json()["links"]["links"] == [expected]
    (settled,) = (one for one in access.json()["history"] if one["action"] == "settle_conflicts")
    assert settled["details"] == {"winner": "odoo", "resource": "products", "field": "title"}
    assert world.linker.posted == []


async def test_the_page_shows_what_would_be_written_and_all_that_waits(world: Any) -> None:
    link = world.linker.put(SHOP, DATABASE, await connect_both(world), conflicts=1, unbooked_units=4, reason="why")
    link["settings"] = {"locations": {"gid://shopify/Location/1": 8}}
    world.linker.lines = [
        build_line(),
        build_line(action="conflict", reason="hold", field="tags", shopify=["a", "b"], odoo=[], target=None),
    ]
    world.linker.problems = [
        {"reason": "ambiguous_match", "key": "SKU-1", "shopify_products": ["1", "2"], "odoo_products": ["3"]}
    ]
    world.linker.failures = [
        {
            "side": "odoo",
            "operation": "update",
            "resource": "products",
            "name": "Lamp",
            "state": "rejected",
            "shopify_id": "gid://shopify/Product/1",
            "odoo_id": "11",
            "reason_code": "access_denied",
            "message": "may not write",
            "ended_at": 1_700_000_000_000,
        }
    ]
    page = (await world.browser.get(PATH, headers=HTML)).text
    for shown in (
        *("Lamp of oak", "a, b", "Odoo wins", "Shopify wins all conflicts", "up to change 41", "why", "3 linked"),
        *("Give its user the rights", "may not write", "Make them again", "They were booked", "4 units", "SKU-1"),
        *("Chair", "Odoo lacks it", 'name="plan" value="7"', "Several records have this SKU", f'href="{PATH}/end"'),
    ):
        assert shown.lower() in page.lower(), shown
    document = (await world.browser.get(PATH)).json()
    assert document["can_act"]
    assert document["conflicts"][0]["values"] == {"shopify": ["a", "b"], "odoo": []}
    assert document["plan"]["lines"][0]["ids"] == {"shopify": "gid://shopify/Product/1", "odoo": "11"}


async def test_syncs_are_listed_with_what_they_wait_for(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    sync = {"id": str(uuid4()), "requested_at": 1_700_000_000_000, "finished_at": None, "message": None}
    world.linker.syncs = [
        {**sync, "mode": "export_all_products", "state": "running", "figures": {"written": 12, "errors": 3}},
        {**sync, "mode": "import_then_export_products", "state": "failed", "message": "no answer", "figures": {}},
    ]
    page = (await world.browser.get(PATH, headers=HTML)).text
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r'<tr class="sync">(.*?)</tr>', page)]
    assert [row.endswith("||Everything in Odoo, read anew, to Shopify||runs||12||3|") for row in rows] == [True, False]
    assert "has failed: no answer" in rows[1]
    refused = await press(world.browser, f"{PATH}/syncs", mode="import_one_product")
    assert (refused.status_code, world.linker.posted) == (400, [])


async def test_values_with_html_in_them_are_text_on_the_page(world: Any) -> None:
    evil = "<script>alert(1)</script>"
    world.linker.put(SHOP, DATABASE, await connect_both(world), state="paused", reason=evil)
    changed = {"name": evil, "shopify": evil, "odoo": [evil], "before": evil, "after": {"a": evil}, "reason": evil}
    world.linker.lines = [build_line(**changed), build_line(**changed, action="conflict", shopify_id='"><b>x')]
    world.linker.problems = [{"reason": evil, "key": evil, "shopify_products": [evil], "odoo_products": []}]
    failure = {"side": evil, "operation": "update", "resource": "products", "name": evil, "state": "failed"}
    failure |= {"shopify_id": evil, "odoo_id": None, "reason_code": evil, "message": evil, "ended_at": 1}
    world.linker.failures = [failure]
    page = (await world.browser.get(PATH, headers=HTML)).text
    assert evil not in page and "<b>x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("button", BUTTONS)
async def test_a_button_changes_the_link_and_is_in_the_history_of_both_accounts(world: Any, button: str) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    response = await press(world.browser, f"{PATH}/{button}", **BUTTONS[button])
    target = "/connections" if button == "end" else PATH
    assert (response.status_code, response.headers["location"]) == (303, target)
    ((path, body),) = world.linker.posted
    assert path == button
    assert {name: str(value) for name, value in body.items()} == BUTTONS[button]
    for connection, other in ((SHOP, DATABASE), (DATABASE, SHOP)):
        ((action, details),) = await load_history(world, connection)
        assert action in ("approve_plan", "settle_conflicts", "retry_writes", "book_sales", "sync_link", *_OF_LINKS)
        assert details == {"with": other, **BUTTONS[button]}


_OF_LINKS = ("pause_link", "resume_link", "end_link")


@pytest.mark.parametrize("button", BUTTONS)
async def test_a_button_needs_fresh_proofs_of_both_and_the_pages_own_form(world: Any, button: str) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    path, fields = f"{PATH}/{button}", BUTTONS[button]
    assert (await press(world.browser, path, token="forged", **fields)).status_code == 403
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    token = re.findall(r'name="form_token" value="(\w+)"', (await world.browser.get(PATH, headers=HTML)).text)[0]
    forged = await world.browser.post(path, data={"form_token": token, **fields}, headers=elsewhere)
    assert forged.status_code == 403
    await world.age_proofs(QUARTER)
    await world.prove(world.browser)
    stale = await press(world.browser, path, **fields)
    assert (stale.status_code, DATABASE in stale.json()["reason"]) == (403, True)
    assert world.linker.posted == []
    assert await load_history(world, SHOP) == []
    page = (await world.browser.get(PATH, headers=HTML)).text
    assert f"sign in again at {DATABASE}" in page and "/pause" not in page


@pytest.mark.parametrize("button", ["pause", "create"])
async def test_a_helper_who_is_shut_out_while_acting_changes_nothing(world: Any, button: str) -> None:
    merchant = await connect_both(world)
    if button == "pause":
        world.linker.put(SHOP, DATABASE, merchant)
    path, fields = ("/links", {"shop": SHOP, "database": DATABASE}) if button == "create" else (f"{PATH}/pause", {})
    async with world.stores.connections.lock_all([DATABASE]) as locked:
        # The request has passed every check outside the lock once it waits for the lock.
        acting = asyncio.create_task(press(world.browser, path, **fields))
        await wait_for_a_waiting_lock(world)
        await locked.sessions.delete_other_proofs(DATABASE, uuid4())
    assert (await acting).status_code == 404
    assert world.linker.posted == []


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


async def test_after_half_a_day_a_link_is_not_seen_any_more(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    await world.age_proofs(HALF_DAY)
    assert (await world.browser.get(PATH)).status_code == 404


async def test_what_the_linker_refuses_is_said_and_not_in_the_history(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    world.linker.refusal = 409, "the plan has changed since: look at plan 8, and approve that"
    response = await press(world.browser, f"{PATH}/approve", plan="7")
    assert (response.status_code, response.json()["reason"]) == world.linker.refusal
    assert (await press(world.browser, f"{PATH}/approve", plan="new")).status_code == 400
    assert (await press(world.browser, f"{PATH}/settle", winner="nobody")).status_code == 400
    assert await load_history(world, SHOP) == []


async def test_while_the_linker_is_away_the_pages_say_so(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    world.linker.is_away = True
    page = await world.browser.get(PATH, headers=HTML)
    assert (page.status_code, "does not answer now" in page.text, "The linker" in page.text) == (503, True, True)
    assert (await press(world.browser, f"{PATH}/pause")).status_code == 503
    access = await world.browser.get(f"/connections/{SHOP}", headers=HTML)
    assert (access.status_code, "The linker, which keeps accounts in step, does not answer now" in access.text) == (
        200,
        True,
    )
    assert (await world.browser.get(f"/connections/{SHOP}")).json()["links"]["linker_away"]
    assert (await world.browser.get(f"/links/new?shop={SHOP}")).status_code == 200


async def test_an_action_without_an_answer_is_in_the_history_as_such(world: Any) -> None:
    await connect_both(world)
    world.linker.is_away = True
    response = await press(world.browser, "/links", shop=SHOP, database=DATABASE)
    assert (response.status_code, "nobody knows whether this was done" in response.json()["reason"]) == (503, True)
    assert await load_history(world, SHOP) == [("create_link", {"with": DATABASE, "outcome": "no answer"})]


async def test_a_link_is_made_with_the_settings_of_its_form(world: Any) -> None:
    await connect_both(world)
    assert f'href="/connections/{SHOP}#links"' in (await world.browser.get("/connections", headers=HTML)).text.replace(
        "%3A", ":"
    )
    access = (await world.browser.get(f"/connections/{SHOP}", headers=HTML)).text
    assert f'href="/links/new?shop={SHOP}"' in access
    options = (await world.browser.get(f"/connections/{DATABASE}")).json()["links"]["options"]
    assert options == [{"shop": SHOP, "url": f"/links/new?shop={SHOP}"}]
    page = (await world.browser.get(f"/links/new?shop={SHOP}", headers=HTML)).text
    assert f'<option value="{DATABASE}">' in page
    made = await press(
        world.browser,
        "/links",
        shop=SHOP,
        database=DATABASE,
        authority_price="hold",
        authority_content="",
        create_in_shopify="yes",
        locations="gid://shopify/Location/1 8\r\n\r\n gid://shopify/Location/2  9 ",
    )
    assert (made.status_code, made.headers["location"]) == (303, PATH)
    settings = {
        "groups": {"price": {"authority": "hold"}},
        "create_in": ["shopify"],
        "locations": {"gid://shopify/Location/1": 8, "gid://shopify/Location/2": 9},
    }
    assert world.linker.posted == [("", {"shop": SHOP, "database": DATABASE, "settings": settings})]
    assert await load_history(world, DATABASE) == [("create_link", {"with": SHOP})]
    links = (await world.browser.get(f"/connections/{SHOP}")).json()["links"]
    assert links["links"] == [{"platform": "Odoo", "connection": DATABASE, "state": "draft", "url": PATH}]
    assert links["options"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"authority_stock": "newest"},
        {"authority_price": "nobody"},
        {"locations": "gid://shopify/Location/1"},
        {"locations": "a 1\na 2"},
        {"locations": "a 1\nb 1"},
        {"shop": DATABASE, "database": SHOP},
        {"database": SHOP},
    ],
)
async def test_impossible_settings_are_refused(world: Any, fields: dict[str, str]) -> None:
    await connect_both(world)
    response = await press(world.browser, "/links", **{"shop": SHOP, "database": DATABASE, **fields})
    assert response.status_code == 400
    assert world.linker.posted == []


async def test_a_new_link_needs_both_proofs_and_says_which_is_missing(world: Any) -> None:
    await world.connect()
    merchant = await find_merchant(world)
    await put_database(world, merchant)
    page = (await world.browser.get(f"/links/new?shop={SHOP}", headers=HTML)).text
    assert "1 more of Odoo is listed beside this shop" in page and 'href="/odoo/prove"' in page
    assert DATABASE not in page and 'action="/links"' not in page
    assert (await press(world.browser, "/links", shop=SHOP, database=DATABASE)).status_code == 404
    await prove(world, world.browser)
    await world.age_proofs(QUARTER)
    page = (await world.browser.get(f"/links/new?shop={SHOP}", headers=HTML)).text
    assert f"Sign in at {DATABASE}" in page and f"Sign in at {SHOP}" in page and 'action="/links"' not in page
    assert (await press(world.browser, "/links", shop=SHOP, database=DATABASE)).status_code == 403
    assert world.linker.posted == []


async def test_accounts_that_are_listed_apart_are_not_linked(world: Any) -> None:
    await world.connect()
    await put_database(world, uuid4())
    await prove(world, world.browser)
    page = (await world.browser.get(f"/links/new?shop={SHOP}", headers=HTML)).text
    assert f"{DATABASE} is listed apart from this shop" in page
    refused = await press(world.browser, "/links", shop=SHOP, database=DATABASE)
    assert (refused.status_code, "listed apart" in refused.json()["reason"]) == (409, True)
    assert world.linker.posted == []


async def test_a_link_that_a_moved_shop_left_behind_is_still_ended(world: Any) -> None:
    await connect_both(world)
    former = uuid4()
    await put_database(world, former, "odoo:acme.example.com/former")
    await prove(world, world.browser, "odoo:acme.example.com/former")
    world.linker.put(SHOP, "odoo:acme.example.com/former", former, state="paused")
    assert (await world.browser.get(PATH)).json()["link"]["merchant"] == str(former)
    assert (await press(world.browser, f"{PATH}/end")).status_code == 303


async def test_before_a_draft_is_approved_the_shop_grants_what_the_link_needs(world: Any) -> None:
    missing = {"missing_scopes": ["write_products"], "grant_query": "link=stock"}
    world.linker.put(SHOP, DATABASE, await connect_both(world), **missing)
    page = (await world.browser.get(PATH, headers=HTML)).text
    assert 'href="/shopify/acme.myshopify.com/login?link=stock"' in page
    assert "/approve" not in page


async def test_ending_a_link_is_confirmed_on_a_page_of_its_own(world: Any) -> None:
    world.linker.put(SHOP, DATABASE, await connect_both(world))
    page = (await world.browser.get(f"{PATH}/end", headers=HTML)).text
    assert "This cannot be undone" in page
    assert f'action="{PATH}/end" method="post"' in page
    assert f'action="{PATH}/end"' not in (await world.browser.get(PATH, headers=HTML)).text
    assert (await world.browser.get(f"/links/{quote(SHOP, safe='')}/end")).json()["shop"] == SHOP
