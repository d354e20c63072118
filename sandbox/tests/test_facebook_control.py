"""Control over Facebook: people and pages, leave taken of the app, pages edited by hand, state that stays."""

import base64
import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

SECRET = b"facebook-sandbox-secret"


def claims(body: bytes) -> dict[str, Any]:
    """What a signed request says, its signature checked over the part as received."""
    signature, payload = httpx.QueryParams(body.decode())["signed_request"].split(".", 1)
    assert "=" not in signature + payload
    expected = base64.urlsafe_b64encode(hmac.new(SECRET, payload.encode(), hashlib.sha256).digest()).rstrip(b"=")
    assert signature == expected.decode()
    return orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_there_is_somebody_with_pages_and_more_can_be_made(graph: Any) -> None:
    (first,) = (await graph.control("GET", "/users"))["users"]
    assert (first["name"], len(first["pages"])) == ("Sandbox User", 3)
    second = await graph.control("POST", "/users", {"name": "Zoë", "pages": 2, "seed": 9})
    assert second["id"] != first["id"] and len(second["pages"]) == 2
    asked = {"user": second["id"], "count": 4, "seed": 9}
    more = [await graph.control("POST", "/pages", asked) for _ in range(2)]
    assert more[0] == more[1] and more[0]["pages"][:2] == second["pages"]
    assert (await graph.control("GET", f"/pages?user={second['id']}"))["total"] == 4
    assert (await graph.control("GET", f"/pages/{second['pages'][0]['id']}"))["user"] == second["id"]
    assert set(await graph.pages(user=second["id"])) == {page["id"] for page in more[0]["pages"]}


async def test_what_is_not_there_or_cannot_be_set_is_refused(graph: Any) -> None:
    (user,) = (await graph.control("GET", "/users"))["users"]
    page = user["pages"][0]["id"]
    statuses = []
    for path, body in ((f"pages/{page}", {"id": "1"}), (f"pages/{page}", {"created_time": "x"}), ("pages/1", {})):
        statuses.append((await graph.http.patch(f"/control/facebook/{path}", json=body)).status_code)
    assert statuses == [400, 400, 404]


@pytest.mark.parametrize(
    "wrong", [{"email": "a@example.com"}, {"emails": "a@example.com"}, {"location": "Berlin"}, {"name": ""}]
)
async def test_a_page_is_changed_whole_or_not_at_all(graph: Any, wrong: dict[str, Any]) -> None:
    page = (await graph.control("GET", "/pages"))["pages"][0]
    address = f"/control/facebook/pages/{page['id']}"
    assert (await graph.http.patch(address, json={"phone": "1", **wrong})).status_code == 400
    assert await graph.control("GET", f"/pages/{page['id']}") == page


async def test_permissions_are_lost_behind_the_apps_back(graph: Any) -> None:
    token = await graph.sign_in()
    path = f"/users/{(await graph.get('me', token))['id']}/permissions"
    await graph.control("PUT", path, {"pages_show_list": "expired"})
    assert {"permission": "pages_show_list", "status": "expired"} in (await graph.get("me/permissions", token))["data"]
    for wrong in ({"pages_fly": "granted"}, {"pages_show_list": "perhaps"}):
        assert (await graph.http.put(f"/control/facebook{path}", json=wrong)).status_code == 400


async def test_what_drifts_are_counters_and_the_address_of_the_picture(graph: Any) -> None:
    page = next(iter(await graph.pages()))
    before, _, after = (
        (await graph.control("GET", f"/pages/{page}/document"))["data"][0],
        await graph.control("POST", "/drift", {"pages": [page]}),
        (await graph.control("GET", f"/pages/{page}/document"))["data"][0],
    )
    moved = {key for key in before if before[key] != after[key]}
    assert moved == {"picture", "fan_count", "followers_count", "rating_count", "overall_star_rating"}
    assert before["picture"]["data"]["url"].split("?")[0] == after["picture"]["data"]["url"].split("?")[0]


async def test_removing_the_app_ends_everything_and_says_so(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    await graph.control("PUT", "/app", {"deauthorize_url": receiver.url})
    user = (await graph.control("GET", "/users"))["users"][0]["id"]
    letter = await graph.control("POST", f"/users/{user}/remove_app")
    assert (letter["kind"], letter["status"]) == ("deauthorize", 200)
    said = claims((await receiver.wait(1))[0][1])
    assert (said["user_id"], said["algorithm"]) == (user, "HMAC-SHA256") and said["issued_at"] > 0
    page, token = next(iter(pages.items()))
    assert (await graph.ask("GET", page, token)).json()["error"]["error_subcode"] == 458
    found = await graph.control("GET", f"/users/{user}")
    assert (found["permissions"], found["ticked"], found["tokens"]) == ({}, [], {"user": 0, "page": 0})
    assert (await graph.control("GET", f"/pages/{page}"))["subscribed"] is None


async def test_a_deletion_keeps_and_shows_what_the_app_answered(graph: Any, receiver: Any) -> None:
    await graph.pages()
    receiver.answer = b'{"url": "https://app.example/deletions/abc", "confirmation_code": "abc123"}'
    await graph.control("PUT", "/app", {"deletion_url": receiver.url})
    user = (await graph.control("GET", "/users"))["users"][0]["id"]
    page = f"/facebook/users/{user}/"
    assert (await graph.http.post(f"{page}delete_data")).status_code == 303
    letter = (await graph.control("GET", f"/users/{user}"))["letters"][-1]
    assert letter["answer"]["confirmation_code"] == "abc123"
    shown = (await graph.http.get(page)).text
    assert 'href="https://app.example/deletions/abc">abc123' in shown and "is not connected" in shown


async def test_who_has_the_data_deleted_has_removed_the_app_before(graph: Any, receiver: Any) -> None:
    user = (await graph.get("me", await graph.sign_in()))["id"]
    await graph.control("PUT", "/app", {"deauthorize_url": f"{receiver.url}/1", "deletion_url": f"{receiver.url}/2"})
    for _ in range(2):
        assert (await graph.control("POST", f"/users/{user}/delete_data"))["kind"] == "deletion"
    letters = (await graph.control("GET", f"/users/{user}"))["letters"]
    assert [letter["kind"] for letter in letters] == ["deauthorize", "deletion", "deletion"]
    assert {claims(body)["user_id"] for _, body in receiver.received} == {user}


async def test_leave_taken_by_one_person_touches_nobody_else(graph: Any) -> None:
    other = (await graph.control("POST", "/users", {"pages": 2}))["id"]
    token, user = await graph.sign_in(user=other), (await graph.get("me", await graph.sign_in()))["id"]
    await graph.control("POST", f"/users/{user}/remove_app")
    assert len((await graph.get("me/accounts", token))["data"]) == 2


async def test_a_letter_without_an_address_or_a_reader_is_kept_too(graph: Any) -> None:
    await graph.pages()
    user = (await graph.control("GET", "/users"))["users"][0]["id"]
    assert (await graph.control("POST", f"/users/{user}/remove_app"))["status"] is None
    await graph.control("PUT", "/app", {"deauthorize_url": "http://127.0.0.1:9/"})
    assert (await graph.control("POST", f"/users/{user}/remove_app"))["answer"] == "ConnectError"


async def test_pages_are_edited_by_hand(graph: Any) -> None:
    (user,) = (await graph.control("GET", "/users"))["users"]
    page = user["pages"][0]["id"]
    assert (await graph.http.get("/facebook/")).headers["location"] == f"/facebook/users/{user['id']}/"
    assert 'id="facebook"' in (await graph.http.get("/")).text
    shown = (await graph.http.get(f"/facebook/users/{user['id']}/")).text
    assert f'id="page-{page}"' in shown
    form = {"name": "<b>Größe</b>", "phone": "", "about": "Neu", "email": "a@example.com, b@example.com"}
    assert (await graph.http.post(f"/facebook/pages/{page}/save", data=form)).status_code == 303
    fields = (await graph.control("GET", f"/pages/{page}"))["fields"]
    assert (fields["name"], fields["about"], "phone" in fields) == ("<b>Größe</b>", "Neu", False)
    assert fields["emails"] == ["a@example.com", "b@example.com"]
    assert "&lt;b&gt;Größe" in (await graph.http.get(f"/facebook/users/{user['id']}/?find=größe")).text
    await graph.control("POST", "/users", {})
    assert "Sandbox User" in (await graph.http.get("/facebook/")).text
    assert 'id="problem"' in (await graph.http.post(f"/facebook/pages/{page}/save", data={"name": ""})).text


async def test_state_survives_a_restart(serve: Callable[..., Any], graph_of: Callable[..., Any], receiver: Any) -> None:
    async with serve(retry_scale=1.0) as sandbox:
        graph = graph_of(sandbox)
        pages = await graph.pages(declined="pages_messaging")
        page, token = next(iter(pages.items()))
        await graph.subscribe(receiver.url, "name,phone", pages)
        code = (await graph.dialog(declined="pages_messaging"))["code"]
        await graph.control("PUT", "/faults", {"webhooks_delayed_seconds": 0.5, "refuse_fields": ["bio"]})
        await graph.control("PUT", "/limits", {"app_calls": 1_000})
        await graph.control("PUT", "/app", {"name": "Anders"})
        await graph.control("PATCH", f"/pages/{page}", {"name": "Neu"})
        before = [await graph.control("GET", path) for path in ("/users", "/pages", "/faults", "/limits", "/app")]
    async with serve() as sandbox:
        graph = graph_of(sandbox)
        after = [await graph.control("GET", path) for path in ("/users", "/pages", "/faults", "/limits", "/app")]
        assert after == before
        assert (await graph.get(page, token))["name"] == "Neu"
        assert b"Neu" in (await receiver.wait(1))[0][1]
        assert (await graph.token(code=code, redirect_uri="https://app.example/cb")).status_code == 200
        await graph.control("PUT", "/faults", {})
        await graph.control("PATCH", f"/pages/{page}", {"phone": "1"})
        await receiver.wait(2)


def test_facebooks_two_settings_go_together(tmp_path: Path) -> None:
    given = {"SHOPIFY_API_KEY": "k", "SHOPIFY_API_SECRET": "s"}
    both = "set FACEBOOK_APP_ID and FACEBOOK_APP_SECRET together"
    for more, said in (({"FACEBOOK_APP_ID": "123456789012345"}, both), ({"FACEBOOK_APP_ID": "1"}, "FACEBOOK_APP_ID")):
        environment = {**os.environ, **given, **more}
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.app"], env=environment, cwd=tmp_path, capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        assert done.returncode == 1 and said in done.stderr
