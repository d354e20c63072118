"""Letting go on the whole stack: what was to go is gone from bucket, database and logs, and nothing brings it back."""

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

from searching import kept, logged
from world import World, until

pytestmark = pytest.mark.integration


def receipt(world: World, code: str) -> dict[str, Any]:
    """The receipt once it is carried out."""
    address = f"{world.visit.gateway_url}/deletions/{code}"

    def done() -> dict[str, Any] | None:
        shown: dict[str, Any] = httpx.get(address, headers={"Accept": "application/json"}).raise_for_status().json()
        return shown if shown["state"] == "carried out" else None

    return until(done, within=60)


def _tail(text: str) -> list[str]:
    """The latest lines of a log."""
    return text.splitlines()[-20:]


def press(browser: httpx.Client, connection: str, button: str) -> httpx.Response:
    """Press a button of the merchant's page of connections."""
    page = browser.get("/connections", headers={"Accept": "text/html"}).text
    form = re.search(rf'action="(/connections/{re.escape(quote(connection))}/{button})".*?</form>', page, re.S)
    assert form, page
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[0]))
    return browser.post(form[1], data=fields, headers={"Origin": str(browser.base_url).rstrip("/")})


def test_a_persons_deletion_leaves_no_trace_but_names_and_epochs(world: World) -> None:
    mark = uuid4().hex
    person = world.person(pages=2)
    for page in person["pages"]:
        world.edit_page(page["id"], name=f"Named {mark}", phone=f"+49 {mark}")
    pages = world.connect_pages(person["id"])
    other = world.connect_pages(world.person(pages=1)["id"]).pages[0]
    merchant = pages.answer["user_uuid"]
    until(lambda: world.visit.object(f"merchants/{merchant}.json"))
    before = {name: world.state_of(name) for name in (p["connection"] for p in pages.pages)}
    assert set(before.values()) == {"connected"}

    told = world.meta("POST", f"/users/{person['id']}/delete_data")
    answer = told["answer"] if isinstance(told["answer"], dict) else orjson.loads(told["answer"])
    shown = receipt(world, answer["confirmation_code"])

    assert answer["url"].endswith(f"/deletions/{answer['confirmation_code']}")
    assert {part["connection"]: part["state"] for part in shown["connections"]} == dict.fromkeys(before, "erased")
    assert "name of the connection" in shown["kept"]
    assert shown["messages_until"] - shown["asked_at"] <= 7 * 86_400_000 + 120_000
    for page in pages.pages:
        assert world.page_object(page["id"]) is None
    until(lambda: world.visit.object(f"merchants/{merchant}.json") is None or None)
    traces = (mark, merchant, person["id"])
    assert kept(world, *traces) in ({}, {"spaces_writer.erasures": {merchant}})
    world.run("UPDATE spaces_writer.erasures SET due_at = now()")  # the second look, which is the last word
    until(lambda: not kept(world, *traces) or None)
    assert not logged(world, *traces)
    named = kept(world, *(page["connection"] for page in pages.pages))
    assert set(named) <= {
        *("gateway.connections", "gateway.deletion_requests", "scheduler.connections"),
        *("spaces_writer.connections", "spaces_writer.erasures"),
    }
    world.edit_page(other["id"], phone="not concerned")
    world.page_equal(other["id"])


def test_pages_in_flight_do_not_bring_it_back(world: World) -> None:
    person = world.person(pages=1)
    pages = world.connect_pages(person["id"])
    (page,) = pages.pages
    world.stack.stop_part("spaces-writer")
    world.edit_page(page["id"], name="Read before it was deleted")
    world.poll_soon(page["connection"])
    log = world.stack.logs_of("facebook-fetcher")
    for said in ("records fetched", "step done"):
        until(lambda s=said: any(page["connection"] in line and s in line for line in _tail(log.read_text())) or None)
    world.meta("POST", f"/users/{person['id']}/delete_data")
    until(lambda: world.state_of(page["connection"]) == "redacted" or None)
    world.stack.start_part("spaces-writer")
    until(lambda: world.page_object(page["id"]) is None or None)
    world.connect_pages(world.person(pages=1)["id"])  # whatever was before this has been handled
    assert world.page_object(page["id"]) is None
    assert not world.rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=page["connection"])
    assert not world.syncs_of(page["connection"])


def test_whoever_comes_back_starts_anew(world: World) -> None:
    person = world.person(pages=1)
    (page,) = world.connect_pages(person["id"]).pages
    told = world.meta("POST", f"/users/{person['id']}/delete_data")
    answer = told["answer"] if isinstance(told["answer"], dict) else orjson.loads(told["answer"])
    receipt(world, answer["confirmation_code"])
    again = world.connect_pages(person["id"])
    assert world.state_of(page["connection"]) == "connected"
    world.edit_page(page["id"], name="Back again")
    world.page_equal(page["id"])
    assert again.answer["user_uuid"]


def test_who_takes_the_app_away_is_read_no_more_and_keeps_what_was_stored(world: World) -> None:
    person = world.person(pages=2)
    pages = world.connect_pages(person["id"]).pages
    world.meta("POST", f"/users/{person['id']}/remove_app")
    for page in pages:
        until(lambda p=page: world.state_of(p["connection"]) == "uninstalled" or None)
        assert world.page_object(page["id"]) is not None
    tokens = world.rows("SELECT access_token FROM gateway.connections WHERE granted_by = :person", person=person["id"])
    assert {row.access_token for row in tokens} == {None}


def test_a_merchant_disconnects_a_shop_and_then_deletes_its_data(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.synced(shop)
    name = f"shopify:{shop}"
    assert press(connected.browser, name, "disconnect").status_code == 303
    assert world.state_of(name) == "uninstalled"
    assert world.told("GET", f"/{shop}")["installed"] is False
    assert world.object(shop) is not None
    gone = press(connected.browser, name, "delete")
    assert gone.status_code == 303
    shown = receipt(world, gone.headers["location"].rsplit("/", 1)[1])
    assert shown["connections"] == [{"connection": name, "state": "erased"}]
    assert world.object(shop) is None
    assert not kept(world, f"gid://shopify/Product/{world.products(shop)[0]['number']}")


def test_another_merchant_can_press_no_button_of_mine(world: World) -> None:
    shop = world.make_shop(products=5)
    mine, other = world.synced(shop), world.synced(world.make_shop(products=5))
    name = f"shopify:{shop}"
    page = other.browser.get("/connections", headers={"Accept": "text/html"}).text
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page))
    here = {"Origin": world.visit.gateway_url}
    assert other.browser.post(f"/connections/{name}/delete", data=fields, headers=here).status_code == 404
    assert mine.browser.post(f"/connections/{name}/delete", data=fields, headers=here).status_code == 403
    elsewhere = {"Origin": "https://evil.example"}
    assert mine.browser.post(f"/connections/{name}/delete", headers=elsewhere).status_code == 403
    assert world.state_of(name) == "connected"


def test_a_shops_redaction_is_carried_out_once_it_is_gone(world: World) -> None:
    shop = world.make_shop(products=10)
    world.synced(shop)
    name = f"shopify:{shop}"
    assert redact(world, shop).status_code == 200
    assert world.state_of(name) == "connected", "the app is installed: an old request changes nothing"
    world.told("POST", f"/{shop}/uninstall")
    until(lambda: world.state_of(name) == "uninstalled" or None)
    assert world.object(shop) is not None
    assert redact(world, shop).status_code == 200
    until(lambda: world.state_of(name) == "redacted" or None)
    until(lambda: world.object(shop) is None or None)
    assert not world.rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=name)


def redact(world: World, shop: str) -> httpx.Response:
    """Deliver Shopify's request to redact a shop."""
    body = orjson.dumps({"shop_id": 1, "shop_domain": shop})
    secret = world.stack.env_of("gateway")["SHOPIFY_API_SECRET"]
    signature = b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    headers = {
        "X-Shopify-Topic": "shop/redact",
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-Webhook-Id": str(uuid4()),
        "X-Shopify-Hmac-Sha256": signature,
    }
    return httpx.post(f"{world.visit.gateway_url}/shopify/webhook", content=body, headers=headers)
