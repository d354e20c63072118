"""Facebook Login: the dialog, codes, tokens, debug_token, and the expiry and revocation of tokens."""

import re
from typing import Any

import httpx
import pytest

from sandbox.facebook.errors import GraphError
from sandbox.facebook.model import Code, Token
from sandbox.facebook.tokens import TokenRegistry

APP = "123456789012345"
CALLBACK = "https://app.example/cb"


async def test_the_dialog_returns_a_code_and_the_state(graph: Any) -> None:
    answer = await graph.submit_dialog()
    assert answer["state"] == "s" and answer["code"]


async def test_a_cancelled_dialog_returns_an_error(graph: Any) -> None:
    answer = await graph.submit_dialog(decision="decline")
    assert (answer["error"], answer["error_reason"], answer["state"]) == ("access_denied", "user_denied", "s")
    assert "code" not in answer


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"client_id": "1"}, "Invalid App ID"),
        ({"redirect_uri": "javascript:alert(1)"}, "URL blocked"),
        ({"scope": "pages_show_list,pages_own_everything"}, "Invalid Scopes: pages_own_everything"),
        ({"response_type": "token"}, "Unsupported response_type: token"),
        ({"user": "1"}, "no such person"),
    ],
)
async def test_an_invalid_login_request_is_refused(graph: Any, params: dict[str, str], problem: str) -> None:
    login_request = {"client_id": APP, "redirect_uri": CALLBACK, "scope": "pages_show_list", **params}
    for method in ("GET", "POST"):
        answer = await graph.http.request(method, "/facebook/v25.0/dialog/oauth", params=login_request)
        assert answer.status_code == 400 and problem in answer.text


async def test_only_registered_redirect_uris_are_valid_if_there_are_any(graph: Any) -> None:
    await graph.call_control("PUT", "/app", {"redirect_uris": ["https://other.example/cb"]})
    login_request = {"client_id": APP, "redirect_uri": CALLBACK}
    assert (await graph.http.get("/facebook/v25.0/dialog/oauth", params=login_request)).status_code == 400


async def test_the_form_in_the_browser_selects_pages_and_permissions(graph: Any) -> None:
    scope = "pages_show_list,pages_messaging"
    login_request = {"client_id": APP, "redirect_uri": CALLBACK, "scope": scope, "state": "<&>"}
    page = await graph.http.get("/facebook/v25.0/dialog/oauth", params=login_request)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    pages = re.findall(r'name="pages" id="page-(\d+)"', page.text)
    assert action is not None and len(pages) == 3 and 'id="allow-pages_messaging"' in page.text
    form = {
        "decision": "accept", "pages": ["", pages[1]], "asked": ["pages_show_list", "pages_messaging"],
        "allowed": "pages_show_list",
    }  # fmt: skip
    address = f"/facebook/v25.0/dialog/oauth{action[1].replace('&amp;', '&')}"
    answer = await graph.http.post(address, data=form)
    redirect = httpx.URL(answer.headers["location"]).params
    assert redirect["state"] == "<&>"
    user = (await graph.call_control("GET", "/users"))["users"][0]
    assert user["ticked"] == [pages[1]]
    assert user["permissions"] == {"pages_show_list": "granted", "pages_messaging": "declined"}


async def test_a_declined_permission_stays_declined_until_a_rerequest(graph: Any) -> None:
    await graph.submit_dialog(declined="pages_messaging")
    statuses = []
    for auth_type in ("", "rerequest"):
        token = await graph.sign_in(auth_type=auth_type)
        permissions = (await graph.get("me/permissions", token))["data"]
        statuses.append({item["permission"]: item["status"] for item in permissions}["pages_messaging"])
    assert statuses == ["declined", "granted"]


async def test_a_code_is_valid_once_and_for_its_own_redirect_uri(graph: Any) -> None:
    code = (await graph.submit_dialog())["code"]
    other = await graph.request_token(code=code, redirect_uri=f"{CALLBACK}/")
    first = await graph.request_token(code=code, redirect_uri=CALLBACK)
    second = await graph.request_token(code=code, redirect_uri=CALLBACK)
    assert (other.status_code, first.status_code, second.status_code) == (400, 200, 400)
    assert (other.json()["error"]["code"], other.json()["error"]["error_subcode"]) == (100, 36008)
    assert first.json()["token_type"] == "bearer" and first.json()["expires_in"] < 10_000


def test_expired_codes_and_tokens_are_not_exchanged() -> None:
    expired_tokens, expired_codes = [Token("old", "USER", 0, 1_000, "7")], {"code": Code("7", CALLBACK, 1_000.0)}
    tokens = TokenRegistry(expired_tokens, expired_codes, lambda _: None, lambda _: None, lambda: 1_000.0)
    with pytest.raises(GraphError, match="code has expired"):
        tokens.exchange_code("code", CALLBACK)
    with pytest.raises(GraphError, match="Session has expired"):
        tokens.issue_long_lived_token("old")


async def test_a_wrong_secret_gets_no_token(graph: Any) -> None:
    code = (await graph.submit_dialog())["code"]
    answer = await graph.request(
        "GET", "oauth/access_token", client_id=APP, client_secret="no", code=code, redirect_uri=CALLBACK
    )
    assert answer.status_code == 400 and answer.json()["error"]["message"] == "Error validating client secret."


async def test_page_tokens_of_a_long_lived_user_token_never_expire(graph: Any) -> None:
    long = await graph.sign_in()
    code = (await graph.submit_dialog())["code"]
    short = (await graph.request_token(code=code, redirect_uri=CALLBACK)).json()["access_token"]
    expiries = []
    for token in (long, short):
        page = (await graph.get("me/accounts", token))["data"][0]
        details = (await graph.get("debug_token", graph.app_token, input_token=page["access_token"]))["data"]
        assert (details["app_id"], details["type"], details["is_valid"]) == (APP, "PAGE", True)
        assert details["profile_id"] == page["id"]
        expiries.append(details["expires_at"])
    assert expiries[0] == 0 and expiries[1] > 0


async def test_debug_token_requires_an_app_token(graph: Any) -> None:
    token = await graph.sign_in()
    assert (await graph.request("GET", "debug_token", token, input_token=token)).json()["error"]["code"] == 100
    app_token = (await graph.request_token(grant_type="client_credentials")).json()["access_token"]
    assert (await graph.get("debug_token", app_token, input_token=token))["data"]["user_id"]
    unknown = (await graph.get("debug_token", graph.app_token, input_token="x"))["data"]
    assert unknown["is_valid"] is False and unknown["error"]["code"] == 190


async def test_debug_token_reports_the_person_the_permissions_and_the_reason_of_a_revocation(graph: Any) -> None:
    (user,) = (await graph.call_control("GET", "/users"))["users"]
    selected_page = user["pages"][0]["id"]
    token = await graph.sign_in(pages=selected_page, declined="pages_messaging")
    params = {"token": graph.app_token, "input_token": token}
    details = (await graph.get("debug_token", **params))["data"]
    assert (details["app_id"], details["type"], details["user_id"]) == (APP, "USER", user["id"])
    assert "pages_show_list" in details["scopes"] and "pages_messaging" not in details["scopes"]
    assert {"scope": "pages_show_list", "target_ids": [selected_page]} in details["granular_scopes"]
    assert details["data_access_expires_at"] == details["issued_at"] + 90 * 86_400
    await graph.call_control("PUT", "/faults", {"token_app_id": "999999999999999"})
    await graph.call_control("POST", f"/users/{user['id']}/revoke", {"subcode": 459})
    details = (await graph.get("debug_token", **params))["data"]
    assert (details["app_id"], details["is_valid"], details["error"]["subcode"]) == ("999999999999999", False, 459)


async def test_a_proof_is_required_by_default_and_always_checked(graph: Any) -> None:
    token = await graph.sign_in()
    path = "/graph/v25.0/me"
    without = await graph.http.get(path, params={"access_token": token})
    wrong = await graph.http.get(path, params={"access_token": token, "appsecret_proof": "0" * 64})
    assert (without.status_code, wrong.status_code) == (400, 400)
    assert "appsecret_proof" in without.json()["error"]["message"]
    await graph.call_control("PUT", "/app", {"require_proof": False})
    without = await graph.http.get(path, params={"access_token": token})
    wrong = await graph.http.get(path, params={"access_token": token, "appsecret_proof": "é"})
    assert (without.status_code, wrong.status_code) == (200, 400)


async def test_revoked_tokens_fail_with_their_subcode_until_the_next_login(graph: Any) -> None:
    pages = await graph.connect_pages()
    page, token = next(iter(pages.items()))
    user = (await graph.call_control("GET", "/users"))["users"][0]["id"]
    assert (await graph.call_control("POST", f"/users/{user}/revoke", {"subcode": 463}))["revoked"] >= 4
    error = (await graph.request("GET", page, token)).json()["error"]
    assert (error["code"], error["error_subcode"], error["type"]) == (190, 463, "OAuthException")
    new_tokens = await graph.connect_pages()
    assert (await graph.get(page, new_tokens[page]))["id"] == page
    await graph.call_control("POST", f"/pages/{page}/revoke")
    answers = [await graph.request("GET", page_id, page_token) for page_id, page_token in new_tokens.items()]
    assert [answer.status_code for answer in answers] == [400, 200, 200]


async def test_a_page_that_is_no_longer_selected_loses_its_token(graph: Any) -> None:
    before = await graph.connect_pages()
    selected, *others = before
    assert list(await graph.connect_pages(pages=selected)) == [selected]
    statuses = [(await graph.request("GET", page, before[page])).status_code for page in (selected, *others)]
    assert statuses == [200, 400, 400]
