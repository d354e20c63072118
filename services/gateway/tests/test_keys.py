"""Keys for the data API: who makes, sees and ends them, what ends them by itself, and where a key is never found."""

import re
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from gateway.applications import create_erasure_service
from gateway.keys.keys import MAX_KEYS, SCOPES
from test_access import HERE, NAME, QUARTER, SECOND, fetch_form_token, find_merchant, press

pytestmark = pytest.mark.integration

READ = {"scope_read": "yes"}
UNINSTALLED = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'


async def make_key(browser: httpx.AsyncClient, connection: str = NAME, **fields: str) -> dict[str, Any]:
    """Makes a key on the page of a connection and returns its document."""
    response = await press(browser, "make-key", connection, **{"name": "sales bot", **READ, **fields})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def list_keys(browser: httpx.AsyncClient, name: str = NAME) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = (await browser.get(f"/connections/{name}")).json()["keys"]
    return keys


async def list_published(world: Any, name: str = NAME) -> list[str]:
    """Returns the ids of the keys that the data API takes, as the last event says."""
    return [str(key.id) for key in (await world.load_published_keys(name)).keys]


async def pass_time(world: Any, days: float) -> None:
    """Makes all keys older by so many days."""
    age = "make_interval(secs => :seconds)"
    statement = text(f"UPDATE api_keys SET made_at = made_at - {age}, expires_at = expires_at - {age}")
    async with world.database.transaction() as tx:
        await tx.execute(statement, {"seconds": days * 86_400})


async def test_a_key_is_shown_once_and_published_as_its_hash(world: Any) -> None:
    await world.connect()
    made = await make_key(world.browser, scope_refresh="yes")
    key = made["key"]
    assert re.fullmatch(r"msk_[0-9A-Za-z]{32}", key)
    (listed,) = await list_keys(world.browser)
    assert listed == {name: value for name, value in made.items() if name in listed}
    assert (listed["name"], listed["prefix"], listed["scopes"]) == ("sales bot", key[:8], ["read", "refresh"])
    assert (listed["made_by"], listed["address"], listed["expires_at"]) == ("merchant", "127.0.0.1", None)
    event = await world.load_published_keys()
    (published,) = event.keys
    assert (str(published.id), published.sha256) == (made["id"], sha256(key.encode()).hexdigest())
    assert (published.prefix, published.scopes, published.epoch) == (key[:8], ("read", "refresh"), 1)
    assert str(published.merchant) == await find_merchant(world)


async def test_a_key_is_found_nowhere_but_in_the_response_that_shows_it(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.connect()
    first = await make_key(world.browser)
    second = (await press(world.browser, "rotate-key", key=first["id"], keep_hours="1")).json()
    body = {"name": "by the operator", "scopes": ["read"]}
    third = (await world.call_internal(f"/internal/connections/{NAME}/keys", body, "operator")).json()
    places = [
        await world.dump_database(),
        (await world.browser.get(f"/connections/{NAME}")).text,
        (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text,
        (await world.get_internal(f"/internal/connections/{NAME}/keys", "operator")).text,
        (await world.get_internal("/internal/audit", "operator", connection=NAME)).text,
        (await world.load_published_keys()).model_dump_json(),
    ]
    await press(world.browser, "revoke-keys")
    captured = capsys.readouterr()
    places += [captured.out, captured.err]
    assert "key made" in captured.out and first["prefix"] in captured.out
    for made in (first, second, third):
        secret = made["key"].removeprefix(made["prefix"])
        assert len(secret) == 28
        assert all(secret not in place for place in places)


async def test_the_page_that_shows_a_key_is_not_cached_and_has_a_line_to_try_it(world: Any, make_settings: Any) -> None:
    world.restart(make_settings(data_api_public_url="https://data.example/"))
    browser = world.create_browser()
    await world.connect(browser)
    page = (await browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert "Make a key" in page and "not set up" not in page
    response = await press(browser, "make-key", accept="text/html", name="sales bot", **READ)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    shown = re.search(r'id="key">(msk_\w{32})<', response.text)
    assert shown
    assert f"curl -H &#39;X-API-Key: {shown[1]}&#39; https://data.example/fetch-data" in response.text
    refreshing = (await press(browser, "make-key", name="cron", scope_refresh="yes")).json()
    assert refreshing["curl"] == f"curl -X POST -H 'X-API-Key: {refreshing['key']}' https://data.example/refresh"
    assert (await press(browser, "make-key", name="hooks", scope_manage="yes")).json()["curl"] is None


async def test_without_a_data_api_the_page_says_so(world: Any) -> None:
    await world.connect()
    page = (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert "The data API is not set up here" in page
    assert (await make_key(world.browser))["curl"] is None


async def test_a_rotated_key_stays_good_for_the_chosen_time_beside_the_new_one(world: Any) -> None:
    await world.connect()
    old = await make_key(world.browser, days="90", scope_manage="yes")
    new = (await press(world.browser, "rotate-key", key=old["id"], keep_hours="24")).json()
    assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
    assert new["key"] != old["key"]
    assert await list_published(world) == [old["id"], new["id"]]
    before, after = await list_keys(world.browser)
    assert before["expires_at"] - before["made_at"] == pytest.approx(86_400_000, abs=60_000)
    assert after["expires_at"] - after["made_at"] == 90 * 86_400_000
    assert {key.origin for key in (await world.load_published_keys(NAME)).keys} == {UUID(old["id"])}
    await pass_time(world, 1.01)
    last = (await press(world.browser, "rotate-key", key=new["id"], keep_hours="0")).json()
    assert await list_published(world) == [last["id"]]
    assert [(key["id"], key["has_expired"]) for key in await list_keys(world.browser)] == [
        (old["id"], True),
        (last["id"], False),
    ]


async def test_rotating_never_prolongs_the_old_key(world: Any) -> None:
    await world.connect()
    old = await make_key(world.browser, days="1")
    await press(world.browser, "rotate-key", key=old["id"], keep_hours="720")
    assert (await list_keys(world.browser))[0]["expires_at"] == old["expires_at"]


async def test_an_expired_key_is_listed_for_some_days_and_then_forgotten(world: Any) -> None:
    await world.connect()
    await make_key(world.browser, days="1")
    await pass_time(world, 2)
    await world.stores.prune()
    assert [key["has_expired"] for key in await list_keys(world.browser)] == [True]
    other = await make_key(world.browser)
    assert await list_published(world) == [other["id"]]
    await pass_time(world, 8)
    await world.stores.prune()
    assert [key["id"] for key in await list_keys(world.browser)] == [other["id"]]


async def test_a_revoked_key_is_published_no_more_and_the_revision_rises_for_ever(world: Any) -> None:
    await world.connect()
    first, second = await make_key(world.browser), await make_key(world.browser)
    response = await press(world.browser, "revoke-key", key=first["id"])
    assert (response.status_code, response.headers["location"]) == (303, f"/connections/{NAME}")
    assert await list_published(world) == [second["id"]]
    assert (await press(world.browser, "revoke-key", key=first["id"])).status_code == 404
    assert (await press(world.browser, "revoke-keys")).status_code == 303
    assert await list_published(world) == []
    await make_key(world.browser)
    await world.drain_outbox()
    revisions = [event.revision for event in world.key_events]
    assert len(revisions) == 5 and revisions == sorted(set(revisions))


async def test_after_a_restore_from_a_backup_the_keys_made_since_can_be_revoked(world: Any) -> None:
    await world.connect()
    await make_key(world.browser)
    before = await world.load_published_keys()
    async with world.database.transaction() as tx:
        await tx.execute(text("DELETE FROM api_keys"))
        await tx.execute(text("UPDATE connections SET keys_revision = 0"))
    await press(world.browser, "revoke-keys")
    after = await world.load_published_keys()
    assert (after.keys, after.revision > before.revision) == ((), True)


async def disconnect(world: Any) -> None:
    await press(world.browser, "disconnect")


async def uninstall(world: Any) -> None:
    world.shopify.revoke_tokens()
    await world.deliver("app/uninstalled", UNINSTALLED)


async def delete(world: Any) -> None:
    await press(world.browser, "delete")


async def detach(world: Any) -> None:
    await press(world.browser, "move")


async def move(world: Any) -> None:
    await press(world.browser, "move", beside=SECOND)


@pytest.mark.parametrize("end", [disconnect, uninstall, delete, detach, move])
async def test_whatever_ends_what_a_key_is_bound_to_ends_the_key_with_it(world: Any, end: Any) -> None:
    await world.connect()
    await world.connect(shop="second")
    await make_key(world.browser)
    kept = await make_key(world.browser, SECOND)
    assert len(await list_published(world)) == 1
    async with world.database.transaction() as tx:
        await tx.execute(text("DELETE FROM outbox"))
    await end(world)
    async with world.database.transaction() as tx:
        topics = list((await tx.execute(text("SELECT topic FROM outbox ORDER BY id"))).scalars())
        rows = (await tx.execute(text("SELECT connection FROM api_keys"))).scalars().all()
    assert topics[:2] == ["connection.changed", "key.changed"], "stored by the transaction that ends them"
    assert rows == [SECOND]
    assert await list_published(world) == []
    assert await list_published(world, SECOND) == [kept["id"]]


async def test_a_key_outlives_what_does_not_change_its_binding(world: Any) -> None:
    await world.connect()
    made = await make_key(world.browser)
    await world.connect()
    await press(world.browser, "sync")
    world.shopify.revoke_tokens()
    await world.expire_token()
    await world.request_token()
    assert (await world.stores.connections.find(NAME)).state == "reauthorise"
    assert [key["id"] for key in await list_keys(world.browser)] == [made["id"]]
    assert (await make_key(world.browser))["name"] == "sales bot"


async def test_after_a_deletion_neither_names_of_keys_nor_browsers_are_left(world: Any) -> None:
    await world.connect()
    world.browser.headers["User-Agent"] = "the browser of a person"
    await make_key(world.browser, name="the bot of a person", days="1")
    await pass_time(world, 30)
    await world.stores.prune()
    await press(world.browser, "delete")
    assert (await world.load_published_keys()).keys == (), "the last event named a key that has expired"
    assert "of a person" not in await world.dump_database()


async def test_a_deletion_is_published_again_for_its_keys_so_that_kafka_forgets_their_names(world: Any) -> None:
    await world.connect()
    await world.connect(shop="second")
    await make_key(world.browser)
    await press(world.browser, "delete")
    await press(world.browser, "delete", SECOND)
    await world.drain_outbox()
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '25 hours'"))
    count = len(world.key_events)
    await create_erasure_service(world.parts).run_once()
    assert [event.state for event in await world.drain_outbox()] == ["redacted", "redacted"]
    again = {event.connection: event.keys for event in world.key_events[count:]}
    assert again == {NAME: (), SECOND: ()}


async def test_whoever_proves_the_account_sees_and_revokes_all_its_keys(world: Any) -> None:
    helper = world.create_browser()
    helper.headers["User-Agent"] = "a helper's browser"
    await world.connect(helper)
    made = await make_key(helper)
    owner = world.create_browser()
    await world.prove(owner)
    (seen,) = await list_keys(owner)
    assert (seen["id"], seen["browser"]) == (made["id"], "a helper's browser")
    await world.age_proofs(QUARTER)
    (later,) = await list_keys(owner)
    assert (later["id"], later["name"], later["browser"], later["address"]) == (made["id"], "sales bot", "", "")
    assert (await list_keys(helper))[0]["browser"] == "a helper's browser"
    refused = await press(owner, "revoke-key", key=made["id"])
    assert (refused.status_code, "too old" in refused.json()["reason"]) == (403, True)
    assert (await press(owner, "make-key", name="late", **READ)).status_code == 403
    await world.prove(owner)
    assert (await press(owner, "revoke-key", key=made["id"])).status_code == 303
    assert await list_published(world) == []


@pytest.mark.parametrize("with_keys", [True, False])
async def test_an_owner_who_ends_other_sessions_chooses_whether_the_keys_end_too(world: Any, with_keys: bool) -> None:
    helper = world.create_browser()
    await world.connect(helper)
    made = await make_key(helper)
    owner = world.create_browser()
    await world.prove(owner)
    page = (await owner.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert 'name="keys" value="yes" checked' in page
    await press(owner, "end-sessions", **({"keys": "yes"} if with_keys else {}))
    assert await list_published(world) == ([] if with_keys else [made["id"]])
    history = (await owner.get(f"/connections/{NAME}")).json()["history"]
    assert history[0]["details"] == {"sessions": "1", "keys": "1" if with_keys else "0"}


async def test_another_merchant_sees_and_touches_no_key(world: Any) -> None:
    await world.connect()
    made = await make_key(world.browser)
    stranger = world.create_browser()
    await world.connect(stranger, shop="second")
    assert (await stranger.get(f"/connections/{NAME}")).status_code == 404
    assert await list_keys(stranger, SECOND) == []
    for name in (NAME, SECOND):
        for action, fields in {
            "revoke-key": {"key": made["id"]},
            "rotate-key": {"key": made["id"], "keep_hours": "0"},
        }.items():
            response = await press(stranger, action, name, **fields)
            assert response.status_code == 404, action
    assert (await press(stranger, "make-key", name="mine", **READ)).status_code == 404
    assert (await press(stranger, "revoke-keys")).status_code == 404
    assert [key["id"] for key in await list_keys(world.browser)] == [made["id"]]


@pytest.mark.parametrize("action", ["make-key", "rotate-key", "revoke-key", "revoke-keys"])
async def test_a_page_of_another_site_cannot_press_the_buttons(world: Any, action: str) -> None:
    await world.connect()
    made = await make_key(world.browser)
    token = await fetch_form_token(world.browser)
    data = {"name": "forged", **READ, "key": made["id"], "keep_hours": "0"}
    for sent, headers in (({**data, "form_token": token}, {"Sec-Fetch-Site": "cross-site"}), (data, HERE)):
        response = await world.browser.post(f"/connections/{NAME}/{action}", data=sent, headers=headers)
        assert response.status_code == 403
    assert [key["id"] for key in await list_keys(world.browser)] == [made["id"]]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " ", **READ},
        {"name": "x" * 61, **READ},
        {"name": "two\nlines", **READ},
        {"name": "of no use"},
        {"name": "n", **READ, "days": "0"},
        {"name": "n", **READ, "days": "3661"},
        {"name": "n", **READ, "days": "-1"},
        {"name": "n", **READ, "days": "soon"},
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(world: Any, fields: dict[str, str]) -> None:
    await world.connect()
    assert (await press(world.browser, "make-key", **fields)).status_code == 400
    assert await list_keys(world.browser) == []


async def test_a_key_that_makes_no_sense_is_not_rotated(world: Any) -> None:
    await world.connect()
    made = await make_key(world.browser)
    for hours in ("", "721", "ever"):
        assert (await press(world.browser, "rotate-key", key=made["id"], keep_hours=hours)).status_code == 400
    assert (await press(world.browser, "rotate-key", key="none", keep_hours="0")).status_code == 404
    assert await list_published(world) == [made["id"]]


async def test_a_connection_has_a_limited_number_of_good_keys(world: Any) -> None:
    await world.connect()
    for _ in range(MAX_KEYS):
        made = await make_key(world.browser, days="1")
    refused = await press(world.browser, "make-key", name="one more", **READ)
    assert (refused.status_code, "revoke one" in refused.json()["reason"]) == (409, True)
    assert (await press(world.browser, "rotate-key", key=made["id"], keep_hours="1")).status_code == 409
    (kept,) = [key for key in await list_keys(world.browser) if key["id"] == made["id"]]
    assert kept["expires_at"] == made["expires_at"], "a rotation that is refused changes nothing"
    assert (await press(world.browser, "rotate-key", key=made["id"], keep_hours="0")).status_code == 200
    await pass_time(world, 2)
    await make_key(world.browser)


async def test_a_disconnected_account_gets_no_key(world: Any) -> None:
    await world.connect()
    await press(world.browser, "disconnect")
    assert (await press(world.browser, "make-key", name="late", **READ)).status_code == 409
    page = (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert "Make a key" not in page


async def test_the_operator_makes_lists_rotates_and_revokes_keys(world: Any) -> None:
    await world.connect()
    path = f"/internal/connections/{NAME}/keys"
    made = (await world.call_internal(path, {"name": "nightly", "scopes": list(SCOPES), "days": 30}, "operator")).json()
    listed = (await world.get_internal(path, "operator")).json()["keys"]
    assert [(key["id"], key["made_by"]) for key in listed] == [(made["id"], "operator")]
    assert [key["made_by"] for key in await list_keys(world.browser)] == ["operator"]
    rotated = await world.call_internal(f"{path}/{made['id']}/rotate", {"keep_hours": 0}, "operator")
    assert await list_published(world) == [rotated.json()["id"]]
    assert (await world.call_internal(f"{path}/{rotated.json()['id']}/revoke", {}, "operator")).json() == {"revoked": 1}
    await make_key(world.browser)
    assert (await world.call_internal(f"{path}/revoke", {}, "operator")).json() == {"revoked": 1}
    assert await list_published(world) == []
    wrong = await world.call_internal(path, {"name": "n", "scopes": ["write"]}, "operator")
    assert (wrong.status_code, "no scope write" in wrong.json()["reason"]) == (400, True)
    nowhere = "/internal/connections/shopify:nowhere/keys"
    assert (await world.get_internal(nowhere, "operator")).status_code == 404
    assert (await world.call_internal(nowhere, {"name": "n", "scopes": ["read"]}, "operator")).status_code == 404


@pytest.mark.parametrize("caller", ["data-api", "scheduler", "shopify-fetcher"])
async def test_nobody_else_inside_sees_or_makes_keys(world: Any, caller: str) -> None:
    await world.connect()
    made = await make_key(world.browser)
    path = f"/internal/connections/{NAME}/keys"
    assert (await world.get_internal(path, caller)).status_code == 403
    for call, body in {
        path: {"name": "n", "scopes": ["read"]},
        f"{path}/{made['id']}/rotate": {"keep_hours": 0},
        f"{path}/{made['id']}/revoke": {},
        f"{path}/revoke": {},
    }.items():
        assert (await world.call_internal(call, body, caller)).status_code == 403, call
    assert await list_published(world) == [made["id"]]


async def test_the_last_use_that_the_data_api_reports_is_shown(world: Any) -> None:
    await world.connect()
    made, other = await make_key(world.browser), await make_key(world.browser)
    unknown = str(UUID(int=7))
    for at in (1_700_000_000_123, 1_600_000_000_000):
        body = {"used": {made["id"]: at, unknown: at}}
        response = await world.call_internal("/internal/keys/used", body, "data-api")
        assert response.status_code == 204
    assert {key["id"]: key["last_used_at"] for key in await list_keys(world.browser)} == {
        made["id"]: 1_700_000_000_123,
        other["id"]: None,
    }
    assert (await world.call_internal("/internal/keys/used", {"used": {}}, "data-api")).status_code == 204
    assert (await world.call_internal("/internal/keys/used", body, "operator")).status_code == 403
    assert (await world.call_internal("/internal/keys/used", {"used": {made["id"]: -1}}, "data-api")).status_code == 422
    assert len((await world.load_published_keys()).keys) == 2
    page = (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert "last used 2023-11-14 22:13 UTC" in page and "never used" in page


async def test_each_act_is_in_the_audit_log_by_name_and_prefix(world: Any) -> None:
    await world.connect()
    made = await make_key(world.browser)
    rotated = (await press(world.browser, "rotate-key", key=made["id"], keep_hours="1")).json()
    await press(world.browser, "revoke-key", key=made["id"])
    await world.call_internal(f"/internal/connections/{NAME}/keys/revoke", {}, "operator")
    history = (await world.browser.get(f"/connections/{NAME}")).json()["history"]
    assert [(entry["action"], entry["actor"]) for entry in history[:4]] == [
        ("revoke_all_keys", "operator"),
        ("revoke_key", "merchant"),
        ("rotate_key", "merchant"),
        ("make_key", "merchant"),
    ]
    old = {"name": "sales bot", "prefix": made["prefix"], "key": made["id"]}
    assert [entry["details"] for entry in history[:4]] == [
        {"keys": "1"},
        old,
        {**old, "prefix": rotated["prefix"], "key": rotated["id"], "replaces": made["id"]},
        old,
    ]
    assert history[3]["address"] == "127.0.0.1"
