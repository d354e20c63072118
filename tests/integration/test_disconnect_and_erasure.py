"""Disconnecting and erasure on the whole stack: erased data is gone from bucket, database and logs, and stays gone."""

import hashlib
import hmac
import re
from base64 import b64encode
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import orjson
import pytest

from secret_search import search_logs, search_tables
from world import World, wait_until

pytestmark = pytest.mark.integration


def wait_for_deletion(world: World, code: str) -> dict[str, Any]:
    """Wait until a deletion request is carried out; return it as its public page shows it."""
    address = f"{world.visit.gateway_url}/deletions/{code}"

    def fetch_if_complete() -> dict[str, Any] | None:
        deletion: dict[str, Any] = httpx.get(address, headers={"Accept": "application/json"}).raise_for_status().json()
        return deletion if deletion["state"] == "carried out" else None

    return wait_until(fetch_if_complete, within=60)


def _get_last_lines(text: str) -> list[str]:
    """Return the last 20 lines of a log."""
    return text.splitlines()[-20:]


def press_button(browser: httpx.Client, connection: str, button: str) -> httpx.Response:
    """Press a button on the merchant's page of connections."""
    page = browser.get("/connections", headers={"Accept": "text/html"}).text
    form = re.search(rf'action="(/connections/{re.escape(quote(connection))}/{button})".*?</form>', page, re.S)
    assert form, page
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[0]))
    return browser.post(form[1], data=fields, headers={"Origin": str(browser.base_url).rstrip("/")})


def test_a_persons_deletion_leaves_only_names_and_epochs_of_connections(world: World) -> None:
    mark = uuid4().hex
    person = world.create_person(pages=2)
    for page in person["pages"]:
        world.edit_page(page["id"], name=f"Named {mark}", phone=f"+49 {mark}")
    pages = world.connect_pages(person["id"])
    other = world.connect_pages(world.create_person(pages=1)["id"]).pages[0]
    merchant = pages.answer["user_uuid"]
    wait_until(lambda: world.visit.load_object(f"merchants/{merchant}.json"))
    before = {name: world.read_state(name) for name in (p["connection"] for p in pages.pages)}
    assert set(before.values()) == {"connected"}

    response = world.control_facebook("POST", f"/users/{person['id']}/delete_data")
    answer = response["answer"] if isinstance(response["answer"], dict) else orjson.loads(response["answer"])
    deletion = wait_for_deletion(world, answer["confirmation_code"])

    assert answer["url"].endswith(f"/deletions/{answer['confirmation_code']}")
    assert {part["connection"]: part["state"] for part in deletion["connections"]} == dict.fromkeys(before, "erased")
    assert "name of the connection" in deletion["kept"]
    assert deletion["messages_until"] - deletion["asked_at"] <= 7 * 86_400_000 + 120_000
    for page in pages.pages:
        assert world.read_page_object(page["id"]) is None
    assert world.visit.load_object(f"merchants/{merchant}.json") is None
    needles = (mark, merchant, person["id"])
    # The linker learns of it at the same time as the spaces-writer.
    wait_until(lambda: search_tables(world, *needles) in ({}, {"spaces_writer.erasures": {merchant}}) or None)
    # Make the second and last pass of the erasure due.
    world.execute_sql("UPDATE spaces_writer.erasures SET due_at = now()")
    wait_until(lambda: not search_tables(world, *needles) or None)
    assert not search_logs(world, *needles)
    tables_with_names = search_tables(world, *(page["connection"] for page in pages.pages))
    assert set(tables_with_names) <= {
        *("gateway.connections", "gateway.deletion_requests", "gateway.audit_log"),
        *("scheduler.connections", "scheduler.changed_connections"),
        *("linker.connections", "linker.full_reads"),
        *("spaces_writer.connections", "spaces_writer.erasures", "spaces_writer.feed_positions"),
    }
    world.edit_page(other["id"], phone="not concerned")
    world.wait_until_page_equal(other["id"])


def test_pages_in_flight_do_not_bring_erased_data_back(world: World) -> None:
    person = world.create_person(pages=1)
    pages = world.connect_pages(person["id"])
    (page,) = pages.pages
    world.stack.stop_part("spaces-writer")
    world.edit_page(page["id"], name="Read before it was deleted")
    world.poll_now(page["connection"])
    log = world.stack.get_log_path("facebook-fetcher")
    for message in ("records fetched", "step done"):
        wait_until(
            lambda m=message: (
                any(page["connection"] in line and m in line for line in _get_last_lines(log.read_text())) or None
            )
        )
    world.control_facebook("POST", f"/users/{person['id']}/delete_data")
    wait_until(lambda: world.read_state(page["connection"]) == "redacted" or None)
    world.stack.start_part("spaces-writer")
    wait_until(lambda: world.read_page_object(page["id"]) is None or None)
    # Once these pages are stored, everything that was published before them has been handled.
    world.connect_pages(world.create_person(pages=1)["id"])
    assert world.read_page_object(page["id"]) is None
    assert not world.select_rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=page["connection"])
    assert not world.list_syncs(page["connection"])


def test_a_person_who_returns_after_a_deletion_is_connected_again(world: World) -> None:
    person = world.create_person(pages=1)
    (page,) = world.connect_pages(person["id"]).pages
    response = world.control_facebook("POST", f"/users/{person['id']}/delete_data")
    answer = response["answer"] if isinstance(response["answer"], dict) else orjson.loads(response["answer"])
    wait_for_deletion(world, answer["confirmation_code"])
    again = world.connect_pages(person["id"])
    assert world.read_state(page["connection"]) == "connected"
    world.edit_page(page["id"], name="Back again")
    world.wait_until_page_equal(page["id"])
    assert again.answer["user_uuid"]


def test_removing_the_app_deletes_the_tokens_and_keeps_the_stored_data(world: World) -> None:
    person = world.create_person(pages=2)
    pages = world.connect_pages(person["id"]).pages
    world.control_facebook("POST", f"/users/{person['id']}/remove_app")
    for page in pages:
        wait_until(lambda p=page: world.read_state(p["connection"]) == "uninstalled" or None)
        assert world.read_page_object(page["id"]) is not None
    tokens = world.select_rows("SELECT access_token FROM gateway.connections WHERE granted_by = :h", h=person["id"])
    assert {row.access_token for row in tokens} == {None}


def test_a_merchant_disconnects_a_shop_and_then_deletes_its_data(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.connect_and_sync(shop)
    name = f"shopify:{shop}"
    assert press_button(connected.browser, name, "disconnect").status_code == 303
    assert world.read_state(name) == "uninstalled"
    assert world.control_sandbox("GET", f"/{shop}")["installed"] is False
    assert world.read_object(shop) is not None
    response = press_button(connected.browser, name, "delete")
    assert response.status_code == 303
    deletion = wait_for_deletion(world, response.headers["location"].rsplit("/", 1)[1])
    assert deletion["connections"] == [{"connection": name, "state": "erased"}]
    assert world.read_object(shop) is None
    assert not search_tables(world, f"gid://shopify/Product/{world.list_products(shop)[0]['number']}")


def test_another_merchant_cannot_disconnect_or_delete_my_shop(world: World) -> None:
    shop = world.make_shop(products=5)
    mine, other = world.connect_and_sync(shop), world.connect_and_sync(world.make_shop(products=5))
    name = f"shopify:{shop}"
    page = other.browser.get("/connections", headers={"Accept": "text/html"}).text
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page))
    here = {"Origin": world.visit.gateway_url}
    assert other.browser.post(f"/connections/{name}/delete", data=fields, headers=here).status_code == 404
    assert mine.browser.post(f"/connections/{name}/delete", data=fields, headers=here).status_code == 403
    elsewhere = {"Origin": "https://evil.example"}
    assert mine.browser.post(f"/connections/{name}/delete", headers=elsewhere).status_code == 403
    assert world.read_state(name) == "connected"


def test_a_shops_redaction_is_carried_out_only_after_it_was_uninstalled(world: World) -> None:
    shop = world.make_shop(products=10)
    world.connect_and_sync(shop)
    name = f"shopify:{shop}"
    assert deliver_redaction(world, shop).status_code == 200
    assert world.read_state(name) == "connected", "the app is installed: an old request changes nothing"
    world.control_sandbox("POST", f"/{shop}/uninstall")
    wait_until(lambda: world.read_state(name) == "uninstalled" or None)
    assert world.read_object(shop) is not None
    assert deliver_redaction(world, shop).status_code == 200
    wait_until(lambda: world.read_state(name) == "redacted" or None)
    wait_until(lambda: world.read_object(shop) is None or None)
    assert not world.select_rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=name)


def deliver_redaction(world: World, shop: str) -> httpx.Response:
    """Deliver Shopify's webhook `shop/redact`."""
    body = orjson.dumps({"shop_id": 1, "shop_domain": shop})
    secret = world.stack.build_settings("gateway")["SHOPIFY_API_SECRET"]
    signature = b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    headers = {
        "X-Shopify-Topic": "shop/redact",
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-Webhook-Id": str(uuid4()),
        "X-Shopify-Hmac-Sha256": signature,
    }
    return httpx.post(f"{world.visit.gateway_url}/shopify/webhook", content=body, headers=headers)
