"""Facebook Pages, end to end: connect, keep current by webhook and poll, stay within budgets, sign in again."""

import time

import httpx
import pytest

from world import World, until

pytestmark = pytest.mark.integration
PARTS = ("webhook_status", "webhook_test", "polling_test", "upload_status")
EDIT_SECONDS = 2.0


def test_a_shop_and_its_pages_are_one_merchants(world: World) -> None:
    shop = world.make_shop(products=5)
    connected = world.synced(shop)
    pages = world.connect_pages(world.person(pages=2)["id"], connected.browser)
    merchant = connected.answer["user_uuid"]
    assert pages.answer["user_uuid"] == merchant
    names = sorted([f"shopify:{shop}", *(page["connection"] for page in pages.pages)])
    shown = connected.browser.get("/connections", headers={"Accept": "application/json"}).json()
    assert sorted(one["connection"] for one in shown["connections"]) == names
    document = until(
        lambda: (
            found.document
            if (found := world.visit.load_object(f"merchants/{merchant}.json"))
            and len(found.document["connections"]) == 3
            else None
        )
    )
    keys = {f"facebook:{page['id']}": f"facebook/{page['id']}/page_data.json" for page in pages.pages}
    keys[f"shopify:{shop}"] = f"{shop}/shopify_data.json"
    assert document["connections"] == [{"connection": name, "key": keys[name], "state": "connected"} for name in names]


def test_each_pages_first_sync_tests_itself(world: World) -> None:
    pages = world.connect_pages(world.person(pages=2)["id"])
    for page in pages.pages:
        shown = until(
            lambda p=page: (
                s if all((s := pages.load_sync(p["sync_id"]))[part]["status"] != "pending" for part in PARTS) else None
            )
        )
        assert {part: shown[part]["status"] for part in PARTS} == dict.fromkeys(PARTS, "success"), shown


def test_an_edit_of_a_page_is_in_its_object_within_two_seconds(world: World) -> None:
    (page,) = world.connect_pages(world.person(pages=1)["id"]).pages
    for fields in ({"name": "A new name"}, {"phone": "+49 30 1234567"}):
        world.edit_page(page["id"], **fields)
        assert world.page_equal(page["id"]) < EDIT_SECONDS


def test_what_no_webhook_tells_comes_by_the_schedulers_own_cron(world: World) -> None:
    pages = world.connect_pages(world.person(pages=2)["id"])
    first, second = (page["id"] for page in pages.pages)
    world.meta("DELETE", f"/pages/{second}/subscription")
    world.edit_page(first, about="About us, anew", website="https://new.example", link="https://facebook.example/new")
    world.meta("PUT", "/faults", {"webhooks_off": True})
    world.edit_page(second, name="Nobody told")
    world.meta("PUT", "/faults", {})
    with world.scheduler_with(FACEBOOK_POLL_CRON="*/5 * * * * *"):
        world.page_equal(first, within=30)
        world.page_equal(second, within=30)
        until(lambda: world.meta("GET", f"/pages/{second}")["subscribed"])
    assert "poll" in {sync.cause for sync in world.syncs_of(f"facebook:{first}")}
    world.edit_page(second, name="Told again")
    assert world.page_equal(second) < EDIT_SECONDS


def test_what_moves_by_itself_is_refreshed_by_the_poll_and_once_a_day(world: World) -> None:
    (page,) = world.connect_pages(world.person(pages=1)["id"]).pages
    name, before = page["connection"], world.page_object(page["id"])
    assert before is not None

    def polled() -> None:
        done = len(world.syncs_of(name, cause="poll", state="success"))
        world.poll_soon(name)
        until(lambda: len(world.syncs_of(name, cause="poll", state="success")) > done or None)

    world.meta("POST", "/drift", {"pages": [page["id"]], "seed": 1})
    polled()
    same = world.page_object(page["id"])
    assert same is not None
    assert same.body == before.body
    yesterday = "UPDATE spaces_writer.records SET volatile_read_at = volatile_read_at - 86400000 WHERE connection = :c"
    world.run(yesterday, c=name)
    polled()
    world.page_equal(page["id"])
    world.meta("POST", "/drift", {"pages": [page["id"]], "seed": 2})
    stored = world.page_object(page["id"])
    polled()
    after = world.page_object(page["id"])
    assert stored is not None and after is not None
    assert after.metadata["stored-at"] == stored.metadata["stored-at"]


def test_two_hundred_pages_and_a_thousand_changes_pass_no_budget(world: World) -> None:
    world.meta("PUT", "/limits", {"app_calls": 4_000, "page_calls": 4_800})
    world.meta("DELETE", "/statistics")
    person = world.person(pages=200, seed=9)
    pages = world.connect_pages(person["id"]).pages
    assert len(pages) == 200
    world.meta("POST", "/burst", {"edits": 1_000, "user": person["id"], "seed": 3})
    for page in pages:
        world.page_equal(page["id"], within=90)
    seen = world.meta("GET", "/statistics")
    assert not seen["throttled"], seen
    world.meta("PUT", "/limits", {})


def test_a_dead_token_asks_for_a_new_sign_in_and_touches_nothing_else(world: World) -> None:
    lost, kept = world.person(pages=1), world.person(pages=1)
    pages = world.connect_pages(lost["id"])
    others = world.connect_pages(kept["id"]).pages[0]
    (page,) = pages.pages
    before = world.page_object(page["id"])
    world.meta("POST", f"/users/{lost['id']}/revoke", {"subcode": 460})
    world.poll_soon(page["connection"])
    until(lambda: world.state_of(page["connection"]) == "reauthorise" or None)
    assert world.page_object(page["id"]) == before
    shown = pages.browser.get("/connections", headers={"Accept": "application/json"}).json()["connections"]
    (one,) = shown
    assert (one["state"], one["login_url"]) == ("reauthorise", "/facebook/login")
    world.edit_page(others["id"], name="Not concerned")
    assert world.page_equal(others["id"]) < EDIT_SECONDS
    world.edit_page(page["id"], name="While it was away")
    world.connect_pages(lost["id"], pages.browser)
    assert world.state_of(page["connection"]) == "connected"


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        ({"decision": "decline"}, "cancelled"),
        ({"declined": "pages_read_engagement"}, "pages_read_engagement"),
        ({"declined": "pages_show_list"}, "pages_show_list"),
        ({"pages": ""}, "choose"),
    ],
)
def test_a_consent_that_gives_too_little_says_what_to_do(world: World, decision: dict[str, str], says: str) -> None:
    browser, answer = world.pages.log_in(world.person(pages=1)["id"], **decision)
    assert answer.status_code == 400
    assert says in answer.json()["reason"]
    assert "session_id" not in browser.cookies


def test_what_the_bot_alone_needs_may_be_declined(world: World) -> None:
    pages = world.connect_pages(world.person(pages=1)["id"], declined="pages_messaging")
    assert pages.answer["declined_permissions"] == ["pages_messaging"]


def test_a_field_that_is_refused_costs_no_other(world: World) -> None:
    person = world.person(pages=1)
    world.meta("PUT", "/faults", {"refuse_fields": ["bio"]})
    try:
        pages = world.pages.connect(person["id"])
        (page,) = pages.pages
        shown = until(lambda: s if (s := pages.load_sync(page["sync_id"]))["state"] == "success" else None)
        stored = until(lambda: world.page_object(page["id"]))
        assert shown["records"] == 1
        assert stored.document["data"][0]["bio"] is None
        assert stored.document["data"][0]["name"]
    finally:
        world.meta("PUT", "/faults", {})
        world.stack.restart("facebook-fetcher")


def test_pages_are_read_on_after_the_platform_was_away(world: World) -> None:
    (page,) = world.connect_pages(world.person(pages=1)["id"]).pages
    world.meta("PUT", "/faults", {"fail_ratio": 1.0})
    world.edit_page(page["id"], name="Through the storm")
    time.sleep(1)
    world.meta("PUT", "/faults", {})
    world.page_equal(page["id"], within=60)


def test_the_webhook_takes_what_is_signed_and_nothing_else(world: World) -> None:
    address = f"{world.visit.gateway_url}/facebook/webhook"
    body = b'{"object":"page","entry":[{"id":"1","time":1}]}'
    assert httpx.post(address, content=body, headers={"X-Hub-Signature-256": "sha256=" + "0" * 64}).status_code == 401
    assert httpx.get(address, params={"hub.mode": "subscribe", "hub.challenge": "7"}).status_code == 403
