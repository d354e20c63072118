"""Connections whose names have slashes, also where a part of the name is a word of a route."""

import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from gateway.pages.views import SyncView

pytestmark = pytest.mark.integration

ACCOUNT = "depot.test/1/sho~20p/keys"
NAME = f"warehouse:{ACCOUNT}"
ESCAPED = quote(NAME, safe="")
FORMS = pytest.mark.parametrize("path", [NAME, ESCAPED], ids=["plain", "escaped"])
CREDENTIALS = {"database": ACCOUNT, "password": "a password of the warehouse"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def connect(world: Any) -> httpx.AsyncClient:
    """Connects the account and returns a browser that is signed in at it."""
    assert "%2F" in ESCAPED
    assert (await world.browser.post("/warehouse/connect", json=CREDENTIALS)).status_code == 200
    page: httpx.AsyncClient = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    return page


async def find_form_token(page: httpx.AsyncClient) -> str:
    match = re.search(r'name="form_token" value="(\w+)"', (await page.get("/connections")).text)
    assert match is not None
    return match[1]


async def test_the_object_key_has_the_same_parts(world: Any) -> None:
    await connect(world)
    (event,) = await world.drain_outbox()
    assert (event.connection, event.object_key) == (NAME, f"warehouse/{ACCOUNT}/data.json")


@pytest.mark.parametrize("account", ["/stock", "stock/", "a//b", "a/../b", "./a", ".."])
async def test_a_name_that_clients_would_change_in_a_url_is_none(world: Any, account: str) -> None:
    with pytest.raises(ValueError, match="not the name of a database"):
        world.warehouse.create_adapter().manifest.build_object_key(account)


@FORMS
async def test_the_page_and_the_buttons_of_a_connection_are_reached(world: Any, path: str) -> None:
    page = await connect(world)
    assert (await world.browser.get(f"/connections/{path}")).json()["connection"] == NAME
    token = await find_form_token(page)
    form = {"form_token": token, "name": "a key", "scope_read": "yes"}
    made = await page.post(f"/connections/{path}/make-key", data=form, headers=SAME_ORIGIN)
    assert (made.status_code, "Your new key" in made.text) == (200, True)
    gone = await page.post(f"/connections/{path}/disconnect", data={"form_token": token}, headers=SAME_ORIGIN)
    assert gone.status_code == 303
    assert (await world.stores.connections.find(NAME)).state == "uninstalled"


async def test_every_link_and_form_of_the_pages_leads_to_the_connection(world: Any) -> None:
    page = await connect(world)
    for shown in ("/connections", f"/connections/{NAME}"):
        html = (await page.get(shown)).text
        links = set(re.findall(r'href="(/connections/[^"]+)"', html))
        actions = set(re.findall(r'action="(/connections/[^"]+)"', html))
        assert links or shown != "/connections"
        for link in links:
            assert (await page.get(link)).status_code == 200, link
        for action in actions:
            # Without the token of the form, which is refused only once the form is known.
            assert (await page.post(action, headers=SAME_ORIGIN)).status_code == 403, action
        assert actions
    token = await find_form_token(page)
    form = {"form_token": token, "name": "a key", "scope_read": "yes"}
    made = await page.post(f"/connections/{NAME}/make-key", data=form, headers=SAME_ORIGIN)
    (back,) = re.findall(r'id="back" href="([^"]+)"', made.text)
    assert (await page.get(back)).status_code == 200
    key = (await world.browser.get(f"/connections/{NAME}")).json()["keys"][0]["id"]
    revoked = await page.post(
        f"/connections/{NAME}/revoke-key", data={"form_token": token, "key": key}, headers=SAME_ORIGIN
    )
    assert (await page.get(revoked.headers["location"])).status_code == 200


async def test_a_trailing_slash_still_leads_to_the_list(world: Any) -> None:
    assert (await world.browser.get("/connections/")).headers["location"] == "/connections"


@FORMS
async def test_other_services_name_it_in_the_internal_api(world: Any, path: str) -> None:
    await connect(world)
    world.scheduler.show(NAME)
    root = f"/internal/connections/{path}"
    body = {"sync_id": str(uuid4()), "first": True}
    assert (await world.call_internal(f"{root}/assert", body, "scheduler")).status_code == 200
    assert (await world.call_internal(f"{root}/refresh", {"records": None}, "data-api")).status_code == 200
    assert (await world.call_internal(f"{root}/sync", {"records": None}, "operator")).status_code == 200
    assert (await world.get_internal(f"{root}/checkup", "operator")).json()["status"] == "success"
    deletions = {"guarded_sync": str(uuid4()), "reason": "moved"}
    assert (await world.call_internal(f"{root}/deletions", deletions, "operator")).status_code == 200
    made = await world.call_internal(f"{root}/keys", {"name": "a key", "scopes": ["read"]}, "operator")
    key = made.json()["id"]
    rotated = await world.call_internal(f"{root}/keys/{key}/rotate", {"keep_hours": 1}, "operator")
    assert rotated.status_code == 200
    assert len((await world.get_internal(f"{root}/keys", "operator")).json()["keys"]) == 2
    assert (await world.call_internal(f"{root}/keys/{key}/revoke", {}, "operator")).json() == {"revoked": 1}
    assert (await world.call_internal(f"{root}/keys/revoke", {}, "operator")).json() == {"revoked": 1}
    assert (await world.call_internal(f"{root}/syncs/{uuid4()}/cancel", {}, "operator")).status_code == 404


@FORMS
async def test_a_sync_of_it_is_cancelled(world: Any, path: str) -> None:
    await connect(world)
    sync_id = uuid4()
    world.scheduler.syncs[sync_id] = SyncView(
        sync_id=sync_id, connection=NAME, cause="manual", mode="full", state="running"
    )
    response = await world.call_internal(f"/internal/connections/{path}/syncs/{sync_id}/cancel", {}, "operator")
    assert (response.status_code, world.scheduler.cancelled) == (200, [(NAME, sync_id)])
