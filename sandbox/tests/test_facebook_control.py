"""The control API: people and pages, removal of the app, the HTML pages for people, and state across restarts."""

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


def read_claims(body: bytes) -> dict[str, Any]:
    """Check the signature of a signed request over its encoded payload, and return the payload."""
    signature, payload = httpx.QueryParams(body.decode())["signed_request"].split(".", 1)
    assert "=" not in signature + payload
    expected = base64.urlsafe_b64encode(hmac.new(SECRET, payload.encode(), hashlib.sha256).digest()).rstrip(b"=")
    assert signature == expected.decode()
    return orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_one_person_with_pages_exists_and_more_can_be_created(graph: Any) -> None:
    (first,) = (await graph.call_control("GET", "/users"))["users"]
    assert (first["name"], len(first["pages"])) == ("Sandbox User", 3)
    second = await graph.call_control("POST", "/users", {"name": "Zoë", "pages": 2, "seed": 9})
    assert second["id"] != first["id"] and len(second["pages"]) == 2
    request = {"user": second["id"], "count": 4, "seed": 9}
    more = [await graph.call_control("POST", "/pages", request) for _ in range(2)]
    assert more[0] == more[1] and more[0]["pages"][:2] == second["pages"]
    assert (await graph.call_control("GET", f"/pages?user={second['id']}"))["total"] == 4
    assert (await graph.call_control("GET", f"/pages/{second['pages'][0]['id']}"))["user"] == second["id"]
    assert set(await graph.connect_pages(user=second["id"])) == {page["id"] for page in more[0]["pages"]}


async def test_unknown_pages_and_read_only_fields_are_refused(graph: Any) -> None:
    (user,) = (await graph.call_control("GET", "/users"))["users"]
    page = user["pages"][0]["id"]
    statuses = []
    for path, body in ((f"pages/{page}", {"id": "1"}), (f"pages/{page}", {"created_time": "x"}), ("pages/1", {})):
        statuses.append((await graph.http.patch(f"/control/facebook/{path}", json=body)).status_code)
    assert statuses == [400, 400, 404]


@pytest.mark.parametrize(
    "wrong", [{"email": "a@example.com"}, {"emails": "a@example.com"}, {"location": "Berlin"}, {"name": ""}]
)
async def test_an_edit_is_applied_completely_or_not_at_all(graph: Any, wrong: dict[str, Any]) -> None:
    page = (await graph.call_control("GET", "/pages"))["pages"][0]
    address = f"/control/facebook/pages/{page['id']}"
    assert (await graph.http.patch(address, json={"phone": "1", **wrong})).status_code == 400
    assert await graph.call_control("GET", f"/pages/{page['id']}") == page


async def test_permissions_can_change_without_notice_to_the_app(graph: Any) -> None:
    token = await graph.sign_in()
    path = f"/users/{(await graph.get('me', token))['id']}/permissions"
    await graph.call_control("PUT", path, {"pages_show_list": "expired"})
    assert {"permission": "pages_show_list", "status": "expired"} in (await graph.get("me/permissions", token))["data"]
    for wrong in ({"pages_fly": "granted"}, {"pages_show_list": "perhaps"}):
        assert (await graph.http.put(f"/control/facebook{path}", json=wrong)).status_code == 400


async def test_a_drift_changes_counters_and_the_url_of_the_picture(graph: Any) -> None:
    page = next(iter(await graph.connect_pages()))
    before, _, after = (
        (await graph.call_control("GET", f"/pages/{page}/document"))["data"][0],
        await graph.call_control("POST", "/drift", {"pages": [page]}),
        (await graph.call_control("GET", f"/pages/{page}/document"))["data"][0],
    )
    changed_fields = {key for key in before if before[key] != after[key]}
    assert changed_fields == {"picture", "fan_count", "followers_count", "rating_count", "overall_star_rating"}
    assert before["picture"]["data"]["url"].split("?")[0] == after["picture"]["data"]["url"].split("?")[0]


async def test_removing_the_app_revokes_all_access_and_calls_the_app(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    await graph.call_control("PUT", "/app", {"deauthorize_url": receiver.url})
    user = (await graph.call_control("GET", "/users"))["users"][0]["id"]
    callback = await graph.call_control("POST", f"/users/{user}/remove_app")
    assert (callback["kind"], callback["status"]) == ("deauthorize", 200)
    claims = read_claims((await receiver.wait(1))[0][1])
    assert (claims["user_id"], claims["algorithm"]) == (user, "HMAC-SHA256") and claims["issued_at"] > 0
    page, token = next(iter(pages.items()))
    assert (await graph.request("GET", page, token)).json()["error"]["error_subcode"] == 458
    person = await graph.call_control("GET", f"/users/{user}")
    assert (person["permissions"], person["ticked"], person["tokens"]) == ({}, [], {"user": 0, "page": 0})
    assert (await graph.call_control("GET", f"/pages/{page}"))["subscribed"] is None


async def test_the_apps_answer_to_a_deletion_is_stored_and_shown(graph: Any, receiver: Any) -> None:
    await graph.connect_pages()
    receiver.answer = b'{"url": "https://app.example/deletions/abc", "confirmation_code": "abc123"}'
    await graph.call_control("PUT", "/app", {"deletion_url": receiver.url})
    user = (await graph.call_control("GET", "/users"))["users"][0]["id"]
    page = f"/facebook/users/{user}/"
    assert (await graph.http.post(f"{page}delete_data")).status_code == 303
    callback = (await graph.call_control("GET", f"/users/{user}"))["letters"][-1]
    assert callback["answer"]["confirmation_code"] == "abc123"
    html = (await graph.http.get(page)).text
    assert 'href="https://app.example/deletions/abc">abc123' in html and "is not connected" in html


async def test_a_deletion_of_data_removes_the_app_first(graph: Any, receiver: Any) -> None:
    user = (await graph.get("me", await graph.sign_in()))["id"]
    urls = {"deauthorize_url": f"{receiver.url}/1", "deletion_url": f"{receiver.url}/2"}
    await graph.call_control("PUT", "/app", urls)
    for _ in range(2):
        assert (await graph.call_control("POST", f"/users/{user}/delete_data"))["kind"] == "deletion"
    callbacks = (await graph.call_control("GET", f"/users/{user}"))["letters"]
    assert [callback["kind"] for callback in callbacks] == ["deauthorize", "deletion", "deletion"]
    assert {read_claims(body)["user_id"] for _, body in receiver.received} == {user}


async def test_removing_the_app_for_one_person_keeps_it_for_others(graph: Any) -> None:
    other = (await graph.call_control("POST", "/users", {"pages": 2}))["id"]
    token, user = await graph.sign_in(user=other), (await graph.get("me", await graph.sign_in()))["id"]
    await graph.call_control("POST", f"/users/{user}/remove_app")
    assert len((await graph.get("me/accounts", token))["data"]) == 2


async def test_a_callback_without_an_address_or_a_receiver_is_logged_too(graph: Any) -> None:
    await graph.connect_pages()
    user = (await graph.call_control("GET", "/users"))["users"][0]["id"]
    assert (await graph.call_control("POST", f"/users/{user}/remove_app"))["status"] is None
    await graph.call_control("PUT", "/app", {"deauthorize_url": "http://127.0.0.1:9/"})
    assert (await graph.call_control("POST", f"/users/{user}/remove_app"))["answer"] == "ConnectError"


async def test_pages_can_be_edited_in_the_browser(graph: Any) -> None:
    (user,) = (await graph.call_control("GET", "/users"))["users"]
    page = user["pages"][0]["id"]
    assert (await graph.http.get("/facebook/")).headers["location"] == f"/facebook/users/{user['id']}/"
    assert 'id="facebook"' in (await graph.http.get("/")).text
    html = (await graph.http.get(f"/facebook/users/{user['id']}/")).text
    assert f'id="page-{page}"' in html
    form = {"name": "<b>Größe</b>", "phone": "", "about": "Neu", "email": "a@example.com, b@example.com"}
    assert (await graph.http.post(f"/facebook/pages/{page}/save", data=form)).status_code == 303
    fields = (await graph.call_control("GET", f"/pages/{page}"))["fields"]
    assert (fields["name"], fields["about"], "phone" in fields) == ("<b>Größe</b>", "Neu", False)
    assert fields["emails"] == ["a@example.com", "b@example.com"]
    assert "&lt;b&gt;Größe" in (await graph.http.get(f"/facebook/users/{user['id']}/?find=größe")).text
    await graph.call_control("POST", "/users", {})
    assert "Sandbox User" in (await graph.http.get("/facebook/")).text
    assert 'id="problem"' in (await graph.http.post(f"/facebook/pages/{page}/save", data={"name": ""})).text


async def test_state_survives_a_restart(
    serve: Callable[..., Any], make_graph_client: Callable[..., Any], receiver: Any
) -> None:
    async with serve(retry_scale=1.0) as sandbox:
        graph = make_graph_client(sandbox)
        pages = await graph.connect_pages(declined="pages_messaging")
        page, token = next(iter(pages.items()))
        await graph.subscribe(receiver.url, "name,phone", pages)
        code = (await graph.submit_dialog(declined="pages_messaging"))["code"]
        await graph.call_control("PUT", "/faults", {"webhooks_delayed_seconds": 0.5, "refuse_fields": ["bio"]})
        await graph.call_control("PUT", "/limits", {"app_calls": 1_000})
        await graph.call_control("PUT", "/app", {"name": "Anders"})
        await graph.call_control("PATCH", f"/pages/{page}", {"name": "Neu"})
        before = [await graph.call_control("GET", path) for path in ("/users", "/pages", "/faults", "/limits", "/app")]
    async with serve() as sandbox:
        graph = make_graph_client(sandbox)
        after = [await graph.call_control("GET", path) for path in ("/users", "/pages", "/faults", "/limits", "/app")]
        assert after == before
        assert (await graph.get(page, token))["name"] == "Neu"
        assert b"Neu" in (await receiver.wait(1))[0][1]
        assert (await graph.request_token(code=code, redirect_uri="https://app.example/cb")).status_code == 200
        await graph.call_control("PUT", "/faults", {})
        await graph.call_control("PATCH", f"/pages/{page}", {"phone": "1"})
        await receiver.wait(2)


def test_both_facebook_settings_are_required_together(tmp_path: Path) -> None:
    shopify = {"SHOPIFY_API_KEY": "k", "SHOPIFY_API_SECRET": "s"}
    both = "set FACEBOOK_APP_ID and FACEBOOK_APP_SECRET together"
    cases = (({"FACEBOOK_APP_ID": "123456789012345"}, both), ({"FACEBOOK_APP_ID": "1"}, "FACEBOOK_APP_ID"))
    for facebook, message in cases:
        environment = {**os.environ, **shopify, **facebook}
        process = subprocess.run(
            [sys.executable, "-m", "sandbox.app"], env=environment, cwd=tmp_path, capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        assert process.returncode == 1 and message in process.stderr
