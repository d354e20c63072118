"""Facebook Pages, end to end: connect, stay current by webhooks and polls, stay within rate limits, sign in again."""

import httpx
import pytest

from world import World, wait_until

pytestmark = pytest.mark.integration
PARTS = ("webhook_status", "webhook_test", "polling_test", "upload_status")


def test_a_shop_and_pages_are_listed_together_when_their_merchant_says_so(world: World) -> None:
    shop = world.make_shop(products=5)
    connected = world.connect_and_sync(shop)
    pages = world.connect_pages(world.create_person(pages=2)["id"], connected.browser)
    merchant = connected.answer["user_uuid"]
    assert pages.answer["user_uuid"] != merchant
    first = pages.pages[0]["id"]
    wait_until(lambda: world.read_page_object(first))
    for page in pages.pages:
        world.visit.submit_button(connected.browser, page["connection"], "move", beside=f"shopify:{shop}")
    names = sorted([f"shopify:{shop}", *(page["connection"] for page in pages.pages)])
    response = connected.browser.get("/connections", headers={"Accept": "application/json"}).json()
    assert sorted(row["connection"] for row in response["connections"]) == names
    key = f"merchants/{merchant}.json"
    document = wait_until(
        lambda: (
            stored.document
            if (stored := world.visit.load_object(key)) and len(stored.document["connections"]) == 3
            else None
        )
    )
    keys = {f"facebook:{page['id']}": f"facebook/{page['id']}/page_data.json" for page in pages.pages}
    keys[f"shopify:{shop}"] = f"{shop}/shopify_data.json"
    assert document["connections"] == [{"connection": name, "key": keys[name], "state": "connected"} for name in names]
    left = f"merchants/{pages.answer['user_uuid']}.json"
    wait_until(lambda: world.visit.load_object(left) is None or None)
    wait_until(lambda: ((stored := world.read_page_object(first)) and stored.metadata["merchant"] == merchant) or None)


def test_each_pages_first_sync_completes_all_its_checks(world: World) -> None:
    pages = world.connect_pages(world.create_person(pages=2)["id"])
    for page in pages.pages:
        sync = wait_until(
            lambda p=page: (
                s if all((s := pages.load_sync(p["sync_id"]))[part]["status"] != "pending" for part in PARTS) else None
            )
        )
        assert {part: sync[part]["status"] for part in PARTS} == dict.fromkeys(PARTS, "success"), sync


def test_an_edit_of_a_page_is_in_its_object(world: World) -> None:
    (page,) = world.connect_pages(world.create_person(pages=1)["id"]).pages
    for fields in ({"name": "A new name"}, {"phone": "+49 30 1234567"}):
        world.edit_page(page["id"], **fields)
        world.wait_until_page_equal(page["id"])


def test_changes_without_a_webhook_arrive_by_the_schedulers_own_cron(world: World) -> None:
    pages = world.connect_pages(world.create_person(pages=2)["id"])
    first, second = (page["id"] for page in pages.pages)
    world.control_facebook("DELETE", f"/pages/{second}/subscription")
    world.edit_page(first, about="About us, anew", website="https://new.example", link="https://facebook.example/new")
    world.control_facebook("PUT", "/faults", {"webhooks_off": True})
    world.edit_page(second, name="Edited without a webhook")
    world.control_facebook("PUT", "/faults", {})
    with world.change_settings("scheduler", FACEBOOK_POLL_CRON="*/5 * * * * *"):
        world.wait_until_page_equal(first, within=30)
        world.wait_until_page_equal(second, within=30)
        wait_until(lambda: world.control_facebook("GET", f"/pages/{second}")["subscribed"])
    assert "poll" in {sync.cause for sync in world.list_syncs(f"facebook:{first}")}
    world.edit_page(second, name="Edited with webhooks again")
    world.wait_until_page_equal(second)


def test_volatile_fields_are_refreshed_by_a_poll_at_most_once_a_day(world: World) -> None:
    (page,) = world.connect_pages(world.create_person(pages=1)["id"]).pages
    name, before = page["connection"], world.read_page_object(page["id"])
    assert before is not None

    def poll_and_wait() -> None:
        count_before = len(world.list_syncs(name, cause="poll", state="success"))
        world.poll_now(name)
        wait_until(lambda: len(world.list_syncs(name, cause="poll", state="success")) > count_before or None)

    world.control_facebook("POST", "/drift", {"pages": [page["id"]], "seed": 1})
    poll_and_wait()
    unchanged = world.read_page_object(page["id"])
    assert unchanged is not None
    assert unchanged.body == before.body
    world.execute_sql(
        "UPDATE spaces_writer.records SET volatile_read_at = volatile_read_at - 86400000 WHERE connection = :c", c=name
    )
    poll_and_wait()
    world.wait_until_page_equal(page["id"])
    world.control_facebook("POST", "/drift", {"pages": [page["id"]], "seed": 2})
    stored = world.read_page_object(page["id"])
    poll_and_wait()
    after = world.read_page_object(page["id"])
    assert stored is not None and after is not None
    assert after.metadata["stored-at"] == stored.metadata["stored-at"]


def test_two_hundred_pages_and_a_thousand_changes_exceed_no_rate_limit(world: World) -> None:
    world.control_facebook("PUT", "/limits", {"app_calls": 4_000, "page_calls": 4_800})
    world.control_facebook("DELETE", "/statistics")
    person = world.create_person(pages=200, seed=9)
    pages = world.connect_pages(person["id"]).pages
    assert len(pages) == 200
    world.control_facebook("POST", "/burst", {"edits": 1_000, "user": person["id"], "seed": 3})
    for page in pages:
        world.wait_until_page_equal(page["id"], within=90)
    statistics = world.control_facebook("GET", "/statistics")
    assert not statistics["throttled"], statistics
    world.control_facebook("PUT", "/limits", {})


def test_a_revoked_token_requires_a_new_login_and_affects_no_other_connection(world: World) -> None:
    person, other_person = world.create_person(pages=1), world.create_person(pages=1)
    pages = world.connect_pages(person["id"])
    other_page = world.connect_pages(other_person["id"]).pages[0]
    (page,) = pages.pages
    before = world.read_page_object(page["id"])
    world.control_facebook("POST", f"/users/{person['id']}/revoke", {"subcode": 460})
    world.poll_now(page["connection"])
    wait_until(lambda: world.read_state(page["connection"]) == "reauthorise" or None)
    assert world.read_page_object(page["id"]) == before
    response = pages.browser.get("/connections", headers={"Accept": "application/json"})
    (connection,) = response.json()["connections"]
    assert (connection["state"], connection["login_url"]) == ("reauthorise", "/facebook/login")
    world.edit_page(other_page["id"], name="Edited beside a revoked token")
    world.wait_until_page_equal(other_page["id"])
    world.edit_page(page["id"], name="Edited while the token was revoked")
    world.connect_pages(person["id"], pages.browser)
    assert world.read_state(page["connection"]) == "connected"


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        ({"decision": "decline"}, "cancelled"),
        ({"declined": "pages_read_engagement"}, "pages_read_engagement"),
        ({"declined": "pages_show_list"}, "pages_show_list"),
        ({"pages": ""}, "choose"),
    ],
)
def test_an_incomplete_consent_is_refused_with_what_to_do(world: World, decision: dict[str, str], text: str) -> None:
    browser, answer = world.pages.log_in(world.create_person(pages=1)["id"], **decision)
    assert answer.status_code == 400
    assert text in answer.json()["reason"]
    assert "session_id" not in browser.cookies


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        ({"decision": "decline"}, "the consent was cancelled, and nothing has changed"),
        ({"pages": ""}, "no page was chosen, so nothing was connected here"),
    ],
)
def test_a_consent_that_gives_nothing_leaves_the_connected_pages_as_they_are(
    world: World, decision: dict[str, str], text: str
) -> None:
    person = world.create_person(pages=3)
    pages = world.connect_pages(person["id"]).pages
    assert len(pages) == 3
    _, answer = world.pages.log_in(person["id"], **decision)
    assert text in answer.json()["reason"]
    for page in pages:
        world.edit_page(page["id"], name=f"Edited after {answer.status_code}")
        world.wait_until_page_equal(page["id"])
    assert {world.read_state(page["connection"]) for page in pages} == {"connected"}


def test_a_permission_that_only_the_bot_needs_may_be_declined(world: World) -> None:
    pages = world.connect_pages(world.create_person(pages=1)["id"], declined="pages_messaging")
    assert pages.answer["declined_permissions"] == ["pages_messaging"]


def test_a_refused_field_leaves_all_other_fields_readable(world: World) -> None:
    person = world.create_person(pages=1)
    world.control_facebook("PUT", "/faults", {"refuse_fields": ["bio"]})
    try:
        pages = world.pages.connect(person["id"])
        (page,) = pages.pages
        sync = wait_until(lambda: s if (s := pages.load_sync(page["sync_id"]))["state"] == "success" else None)
        stored = wait_until(lambda: world.read_page_object(page["id"]))
        assert sync["records"] == 1
        assert stored.document["data"][0]["bio"] is None
        assert stored.document["data"][0]["name"]
    finally:
        world.control_facebook("PUT", "/faults", {})
        world.stack.restart("facebook-fetcher")


def test_pages_are_read_again_after_the_platform_was_unavailable(world: World) -> None:
    (page,) = world.connect_pages(world.create_person(pages=1)["id"]).pages
    world.control_facebook("PUT", "/faults", {"fail_ratio": 1.0})
    world.control_facebook("DELETE", "/statistics")
    world.edit_page(page["id"], name="Edited while the platform failed")
    wait_until(lambda: world.control_facebook("GET", "/statistics")["errors"].get("http_503"))
    world.control_facebook("PUT", "/faults", {})
    world.wait_until_page_equal(page["id"], within=60)


def test_the_webhook_route_refuses_wrong_signatures_and_unknown_verifications(world: World) -> None:
    address = f"{world.visit.gateway_url}/facebook/webhook"
    body = b'{"object":"page","entry":[{"id":"1","time":1}]}'
    assert httpx.post(address, content=body, headers={"X-Hub-Signature-256": "sha256=" + "0" * 64}).status_code == 401
    assert httpx.get(address, params={"hub.mode": "subscribe", "hub.challenge": "7"}).status_code == 403
