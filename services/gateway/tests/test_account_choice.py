"""Credentials that give access to many accounts: the second page, JSON for programs, and what is refused."""

import asyncio
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from gateway.connect.sealed_credentials import CredentialsSealer
from gateway.pages.connection_reader import LOADED_AT_ONCE
from gateway.pages.forms import MAX_LONG_FIELDS
from platform_sdk.connection_methods import Credentials, CredentialsWithChoice
from platform_sdk.errors import RequestRejectedError
from platform_sdk.tokens import split_login

pytestmark = pytest.mark.integration

PASSWORD = "a password of the library"
GOOD = {"reader": "rita", "password": PASSWORD}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
ART, LAW, MAPS = "library.test/art", "library.test/law", "library.test/maps"


async def is_nothing_stored(world: Any) -> bool:
    return [await world.count_rows(table) for table in ("connections", "merchants", "sessions", "logins")] == [0] * 4


def find_hidden(html: str) -> dict[str, str]:
    """Finds the hidden fields of a page's form for accounts."""
    names = "form_token|_credentials"
    return {name: unescape(value) for name, value in re.findall(rf'name="({names})" value="([^"]*)"', html)}


async def open_choice(browser: httpx.AsyncClient, **changes: str) -> httpx.Response:
    """Sends the form of credentials and returns the page with the offers."""
    form = find_hidden((await browser.get("/library/connect")).text)
    return await browser.post("/library/connect", data={**GOOD, **changes, **form}, headers=SAME_ORIGIN)


async def send_choice(browser: httpx.AsyncClient, fields: dict[str, Any]) -> httpx.Response:
    return await browser.post("/library/connect/accounts", data=fields, headers=SAME_ORIGIN)


async def choose(browser: httpx.AsyncClient, *accounts: str, **options: Any) -> httpx.Response:
    page = await open_choice(browser)
    return await send_choice(browser, {**find_hidden(page.text), "account": list(accounts), **options})


async def connect(world: Any, accounts: Any, browser: httpx.AsyncClient | None = None) -> httpx.Response:
    return await (browser or world.browser).post("/library/connect", json={**GOOD, "accounts": accounts})


def test_a_method_with_a_choice_is_told_from_one_without(world_without_database: Any) -> None:
    library, warehouse = world_without_database.library, world_without_database.warehouse
    assert isinstance(library, CredentialsWithChoice) and isinstance(library, Credentials)
    assert isinstance(warehouse, Credentials) and not isinstance(warehouse, CredentialsWithChoice)


async def test_the_fields_say_what_may_be_left_out(world: Any) -> None:
    fields = (await world.browser.get("/library/connect")).json()["fields"]
    assert [(field["name"], field["required"], field["default"]) for field in fields] == [
        ("reader", True, ""),
        ("password", True, ""),
        ("floor", True, "1"),
        ("desk", False, ""),
    ]
    html = (await world.create_browser("text/html").get("/library/connect")).text
    assert re.search(r'name="floor" type="text" value="1" required', html)
    assert re.search(r'name="desk" type="text" value="" autocapitalize', html)
    assert "Continue" in html
    await world.browser.post("/library/connect", json=GOOD)
    assert world.library.checks[-1] == {**GOOD, "floor": "1", "desk": ""}
    await world.browser.post("/library/connect", json={**GOOD, "floor": " 2 ", "desk": "east"})
    assert world.library.checks[-1] == {**GOOD, "floor": "2", "desk": "east"}


async def test_a_program_lists_the_offers_and_stores_nothing(world: Any) -> None:
    response = await world.browser.post("/library/connect", json=GOOD)
    assert response.status_code == 200
    document = response.json()
    assert document["remarks"] == ["This reader may also write. Use one that may only read."]
    assert [(offer["account"], offer["title"], offer["is_proposed"]) for offer in document["offers"]] == [
        (ART, "Art", True),
        (LAW, "Law", False),
        (MAPS, "Maps", False),
    ]
    assert (document["offers"][2]["refusal"], document["offers"][0]["is_connected"]) == (
        "it is being repaired",
        False,
    )
    order, left_out = document["offers"][0]["options"]
    assert (order["choices"], order["is_multiple"], left_out["is_multiple"]) == (["by title", "by author"], False, True)
    assert await is_nothing_stored(world)


async def test_a_program_connects_what_it_names_with_its_options(world: Any) -> None:
    response = await connect(world, {ART: {}, LAW: {"order": ["by author"], "left_out": ["names", "prices"]}})
    assert response.status_code == 200, response.text
    assert [one["connection"] for one in response.json()["connections"]] == [f"library:{ART}", f"library:{LAW}"]
    token = (await world.request_token("library-fetcher", f"library:{LAW}")).json()["access_token"]
    assert split_login(token) == (
        f"rita:{PASSWORD}",
        f'["{LAW}", {{"order": ["by author"], "left_out": ["names", "prices"]}}]',
    )
    assert await world.count_rows("logins") == 1
    offers = (await world.browser.post("/library/connect", json=GOOD)).json()["offers"]
    assert [offer["is_connected"] for offer in offers] == [True, True, False]
    strangers = (await world.create_browser().post("/library/connect", json=GOOD)).json()["offers"]
    assert [offer["is_connected"] for offer in strangers] == [False] * 3


@pytest.mark.parametrize(
    ("accounts", "reason"),
    [
        ({}, "nothing is chosen; choose at least one account"),
        ({"library.test/none": {}}, "library.test/none is not offered; choose among those that are"),
        ({MAPS: {}}, f"{MAPS} cannot be connected: it is being repaired"),
        ({ART: {"colour": []}}, f"{ART} has no option colour; it has order, left_out"),
        ({ART: {"order": ["x"]}}, f"x is no choice for order of {ART}; choose among those that are offered"),
        ({ART: {"order": ["by title", "by author"]}}, f"order of {ART} takes one choice only"),
        ({"library.test/" + "a" * 250: {}}, "cannot be connected: with the platform's, its name has more than 255"),
        ({f"library.test/{n}": {} for n in range(501)}, "501 accounts are chosen; connect at most 500 at once"),
        ([ART], "`accounts` is no object that has for each account"),
        ({ART: []}, "`accounts` is no object that has for each account"),
        ({ART: {"order": "by title"}}, "`accounts` is no object that has for each account"),
        ({ART: {"order": [1]}}, "`accounts` is no object that has for each account"),
    ],
)
async def test_a_wrong_choice_is_refused_in_words_and_stores_nothing(world: Any, accounts: Any, reason: str) -> None:
    response = await connect(world, accounts)
    assert response.status_code == 400
    assert reason in response.json()["reason"]
    assert await is_nothing_stored(world)


async def test_an_account_that_is_chosen_twice_is_refused(world: Any) -> None:
    response = await choose(world.create_browser("text/html"), ART, ART)
    assert (response.status_code, "chosen twice" in response.text) == (400, True)
    assert await is_nothing_stored(world)


@pytest.mark.parametrize("accounts", [None, {ART: {}}])
async def test_refused_credentials_and_a_silent_platform_store_nothing(world: Any, accounts: Any) -> None:
    body = {**GOOD, "password": "wrong", **({"accounts": accounts} if accounts else {})}
    response = await world.browser.post("/library/connect", json=body)
    assert (response.status_code, response.json()["reason"]) == (400, "Password is not this reader's")
    world.library.down = True
    assert (await world.browser.post("/library/connect", json=body)).status_code == 502
    assert await is_nothing_stored(world)


async def test_credentials_that_open_nothing_are_refused(world: Any) -> None:
    world.library.shelves = {}
    response = await world.browser.post("/library/connect", json=GOOD)
    assert (response.status_code, response.json()["reason"]) == (400, "these credentials open no account")


async def test_a_platform_that_grants_something_else_connects_nothing(world: Any) -> None:
    async def grant_other(values: Any, _chosen: Any) -> Any:
        return world.library.build_grants("login", [LAW])

    world.library.grant_chosen = grant_other
    with pytest.raises(RuntimeError, match="library granted other accounts"):
        await connect(world, {ART: {}})
    assert await is_nothing_stored(world)


@pytest.mark.parametrize(
    "body", [b"[]", b'{"reader": 7, "password": "x"}', b'{"reader": "' + b"x" * 1_100_000 + b'"}', b"{"]
)
async def test_a_malformed_body_is_refused_before_the_platform_is_called(world: Any, body: bytes) -> None:
    response = await world.browser.post("/library/connect", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert world.library.checks == []


async def test_a_person_chooses_on_a_second_page(world: Any) -> None:
    browser = world.create_browser("text/html")
    page = await open_choice(browser)
    assert page.status_code == 200
    boxes = re.findall(r'<input type="checkbox"[^>]*value="([^"]+)"[^>]*?( checked| disabled|)>', page.text)
    assert boxes == [(ART, " checked"), (LAW, ""), (MAPS, " disabled")]
    assert "It cannot be connected: it is being repaired." in page.text
    assert "This reader may also write." in page.text and "&lt;b&gt;many&lt;/b&gt;" in page.text
    fields = {
        **find_hidden(page.text),
        "account": [ART, LAW],
        f"option:order:{ART}": "",
        f"option:left_out:{ART}": ["prices", "names"],
        f"option:order:{LAW}": "by author",
        f"option:order:{MAPS}": "by author",
    }
    response = await send_choice(browser, fields)
    assert response.status_code == 303, response.text
    assert "Connected: 2 accounts" in (await browser.get(response.headers["location"])).text
    assert sorted(one.name for one in await world.stores.connections.find_many([f"library:{ART}", f"library:{LAW}"]))
    token = (await world.request_token("library-fetcher", f"library:{ART}")).json()["access_token"]
    assert split_login(token)[1] == f'["{ART}", {{"left_out": ["prices", "names"]}}]'
    again = (await open_choice(browser)).text
    boxes = re.findall(r'<input type="checkbox"[^>]*value="([^"]+)"[^>]*?( checked| disabled|)>', again)
    assert boxes == [(ART, " checked"), (LAW, " checked"), (MAPS, " disabled")]
    assert again.count("It is connected already.") == 2


async def test_nothing_ticked_is_said_on_the_same_page(world: Any) -> None:
    browser = world.create_browser("text/html")
    response = await choose(browser)
    assert response.status_code == 400
    assert "Nothing is chosen; choose at least one account." in response.text
    fields = {**find_hidden(response.text), "account": [LAW]}
    assert (await send_choice(browser, fields)).status_code == 303


async def test_refused_credentials_lead_back_to_the_first_form(world: Any) -> None:
    browser = world.create_browser("text/html")
    wrong = await open_choice(browser, password="wrong")
    assert (wrong.status_code, 'value="rita"' in wrong.text, "wrong" in wrong.text) == (400, True, False)
    page = await open_choice(browser)
    world.library.passwords["rita"] = "another"
    count = len(world.library.checks)
    response = await send_choice(browser, {**find_hidden(page.text), "account": [ART]})
    assert (response.status_code, "Password is not this reader&#39;s" in response.text) == (400, True)
    assert 'value="rita"' in response.text and 'action="/library/connect"' in response.text
    assert len(world.library.checks) == count + 1, "refused credentials are not tried twice"
    assert await is_nothing_stored(world)


async def test_the_page_holds_the_credentials_sealed_alone(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    browser = world.create_browser("text/html")
    page = await open_choice(browser)
    response = await send_choice(browser, {**find_hidden(page.text), "account": [ART]})
    shown = [page.text, response.text, response.headers["location"], str(await world.drain_outbox())]
    captured = capsys.readouterr()
    for text in (*shown, captured.out, captured.err, await world.dump_database()):
        assert PASSWORD not in text
        assert "rita" not in text


async def test_sealed_credentials_are_good_for_one_browser_one_platform_and_a_quarter_of_an_hour(world: Any) -> None:
    browser, other = world.create_browser("text/html"), world.create_browser("text/html")
    mine, theirs = find_hidden((await open_choice(browser)).text), find_hidden((await open_choice(other)).text)
    count = len(world.library.checks)
    stolen = {**theirs, "_credentials": mine["_credentials"], "account": [ART]}
    assert "open for too long" in (await send_choice(other, stolen)).text
    for change in (lambda _: "", lambda _: "x", lambda _: "k1.", lambda sealed: sealed[:-2], lambda it: "k9" + it[2:]):
        mine = find_hidden((await open_choice(browser)).text)
        count += 1
        changed = change(mine["_credentials"])
        response = await send_choice(browser, {**mine, "_credentials": changed, "account": [ART]})
        assert (response.status_code, "open for too long" in response.text) == (400, True)
    assert len(world.library.checks) == count
    now = [0]
    sealer = CredentialsSealer(world.settings.token_encryption_keys, "library", now=lambda: now[0])
    sealed = sealer.seal(GOOD, "a token")
    assert sealer.unseal(sealed, "a token") == GOOD
    stranger = CredentialsSealer(world.settings.token_encryption_keys, "office", now=lambda: now[0])
    for attempt in (lambda: stranger.unseal(sealed, "a token"), lambda: sealer.unseal(sealed, "another")):
        with pytest.raises(RequestRejectedError):
            attempt()
    now[0] = 900_000
    assert sealer.unseal(sealed, "a token") == GOOD
    now[0] += 1
    with pytest.raises(RequestRejectedError, match="open for too long"):
        sealer.unseal(sealed, "a token")


async def test_only_our_own_page_in_the_same_browser_may_choose(world: Any) -> None:
    browser = world.create_browser("text/html")
    fields = {**find_hidden((await open_choice(browser)).text), "account": [ART]}
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        response = await browser.post("/library/connect/accounts", data=fields, headers=headers)
        assert response.status_code == 403
    assert (await send_choice(world.create_browser("text/html"), fields)).status_code == 403
    assert (await send_choice(browser, {**fields, "form_token": "00"})).status_code == 403
    response = await browser.post("/library/connect/accounts", json=fields, headers=SAME_ORIGIN)
    assert response.status_code in (400, 403)
    assert await is_nothing_stored(world)


async def test_hundreds_of_accounts_with_options_are_chosen_by_one_form(world: Any) -> None:
    world.library.shelves = {f"library.test/{n:03}/{'s' * 150}": f"Shelf {n}" for n in range(520)}
    browser = world.create_browser("text/html")
    page = await open_choice(browser)
    assert page.text.count('type="checkbox"') == 500
    assert "20 more are not listed here." in page.text
    accounts = list(world.library.shelves)[:500]
    options = {f"option:order:{account}": "by title" for account in accounts}
    options |= {f"option:left_out:{account}": ["prices", "names"] for account in accounts}
    fields = {**find_hidden(page.text), "account": accounts, **options}
    response = await send_choice(browser, fields)
    assert (response.status_code, response.headers["location"]) == (303, "/connections")
    assert (await world.count_rows("connections"), await world.count_rows("logins")) == (500, 1)


async def test_the_scheduler_is_asked_about_few_of_hundreds_of_connections_at_once(world: Any) -> None:
    world.library.shelves = {f"library.test/{n:03}": f"Shelf {n}" for n in range(200)}
    await connect(world, {account: {} for account in world.library.shelves})
    running, most = 0, 0

    async def fetch_connection(_name: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    world.scheduler.fetch_connection = fetch_connection
    assert len((await world.browser.get("/connections")).json()["connections"]) == 200
    assert most <= LOADED_AT_ONCE


async def test_a_form_with_too_many_fields_or_bytes_is_refused(world: Any) -> None:
    browser = world.create_browser("text/html")
    fields = find_hidden((await open_choice(browser)).text)
    headers = {**SAME_ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    for many in ("&a=" * (MAX_LONG_FIELDS + 1), "&a=" + "x" * 1_100_000):
        body = urlencode(fields) + many
        response = await browser.post("/library/connect/accounts", content=body, headers=headers)
        assert response.status_code == 400
    assert await is_nothing_stored(world)


async def test_a_name_that_is_too_long_is_offered_but_refused(world: Any) -> None:
    world.library.shelves = {"library.test/" + "l" * 250: "Long", ART: "Art"}
    long, art = (await world.browser.post("/library/connect", json=GOOD)).json()["offers"]
    assert ("more than 255 characters" in long["refusal"], art["refusal"]) == (True, "")


async def test_a_proof_by_credentials_locks_only_what_is_stored_here(world: Any) -> None:
    await connect(world, {ART: {}})
    world.library.shelves |= {f"library.test/{n}": str(n) for n in range(300)}
    other = world.create_browser()
    async with world.stores.connections.lock(f"library:{LAW}"):
        async with asyncio.timeout(5):
            proved = await other.post("/library/prove", json=GOOD)
    assert proved.json() == {"proved": [f"library:{ART}"]}
    assert await world.count_rows("connections") == 1
    row = await world.stores.connections.find(f"library:{ART}")
    assert row.revision == 1


async def test_nothing_is_proved_of_accounts_that_are_not_connected(world: Any) -> None:
    assert (await world.browser.post("/library/prove", json=GOOD)).status_code == 404
    assert await is_nothing_stored(world)


async def test_both_steps_are_described(world: Any) -> None:
    paths = (await world.browser.get("/docs/openapi.json")).json()["paths"]
    content = paths["/library/connect"]["post"]["requestBody"]["content"]
    body = content["application/json"]["schema"]
    assert body["required"] == ["reader", "password"]
    assert body["properties"]["accounts"]["type"] == "object"
    assert "accounts" not in content["application/x-www-form-urlencoded"]["schema"]["properties"]
    choice = paths["/library/connect/accounts"]["post"]
    schema = choice["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert list(schema["properties"]) == ["form_token", "_credentials", "account"]
    assert set(choice["responses"]) == {"200", "303", "400", "403", "429", "431", "502", "503"}
    assert "/library/prove/accounts" not in paths
