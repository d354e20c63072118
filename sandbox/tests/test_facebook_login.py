"""Facebook Login: the dialog, codes, tokens, what is known of them, and how they die."""

import re
from typing import Any

import httpx
import pytest

from sandbox.facebook.errors import GraphError
from sandbox.facebook.model import Code, Token
from sandbox.facebook.tokens import Tokens

APP = "123456789012345"
CALLBACK = "https://app.example/cb"


async def test_the_dialog_gives_a_code_and_the_state_back(graph: Any) -> None:
    answer = await graph.dialog()
    assert answer["state"] == "s" and answer["code"]


async def test_a_cancelled_dialog_says_so(graph: Any) -> None:
    answer = await graph.dialog(decision="decline")
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
async def test_a_dialog_that_cannot_be_is_refused(graph: Any, params: dict[str, str], problem: str) -> None:
    asked = {"client_id": APP, "redirect_uri": CALLBACK, "scope": "pages_show_list", **params}
    for method in ("GET", "POST"):
        answer = await graph.http.request(method, "/facebook/v25.0/dialog/oauth", params=asked)
        assert answer.status_code == 400 and problem in answer.text


async def test_only_redirect_uris_of_the_app_are_good_where_it_has_some(graph: Any) -> None:
    await graph.control("PUT", "/app", {"redirect_uris": ["https://other.example/cb"]})
    asked = {"client_id": APP, "redirect_uri": CALLBACK}
    assert (await graph.http.get("/facebook/v25.0/dialog/oauth", params=asked)).status_code == 400


async def test_the_form_of_a_browser_chooses_pages_and_permissions(graph: Any) -> None:
    asked = {"client_id": APP, "redirect_uri": CALLBACK, "scope": "pages_show_list,pages_messaging", "state": "<&>"}
    page = await graph.http.get("/facebook/v25.0/dialog/oauth", params=asked)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    pages = re.findall(r'name="pages" id="page-(\d+)"', page.text)
    assert action is not None and len(pages) == 3 and 'id="allow-pages_messaging"' in page.text
    form = {
        "decision": "accept", "pages": ["", pages[1]], "asked": ["pages_show_list", "pages_messaging"],
        "allowed": "pages_show_list",
    }  # fmt: skip
    address = f"/facebook/v25.0/dialog/oauth{action[1].replace('&amp;', '&')}"
    answer = await graph.http.post(address, data=form)
    back = httpx.URL(answer.headers["location"]).params
    assert back["state"] == "<&>"
    user = (await graph.control("GET", "/users"))["users"][0]
    assert user["ticked"] == [pages[1]]
    assert user["permissions"] == {"pages_show_list": "granted", "pages_messaging": "declined"}


async def test_what_was_declined_stays_declined_until_asked_again(graph: Any) -> None:
    await graph.dialog(declined="pages_messaging")
    statuses = []
    for auth_type in ("", "rerequest"):
        token = await graph.sign_in(auth_type=auth_type)
        found = (await graph.get("me/permissions", token))["data"]
        statuses.append({one["permission"]: one["status"] for one in found}["pages_messaging"])
    assert statuses == ["declined", "granted"]


async def test_a_code_is_good_once_for_its_own_redirect_uri(graph: Any) -> None:
    code = (await graph.dialog())["code"]
    other = await graph.token(code=code, redirect_uri=f"{CALLBACK}/")
    first = await graph.token(code=code, redirect_uri=CALLBACK)
    second = await graph.token(code=code, redirect_uri=CALLBACK)
    assert (other.status_code, first.status_code, second.status_code) == (400, 200, 400)
    assert (other.json()["error"]["code"], other.json()["error"]["error_subcode"]) == (100, 36008)
    assert first.json()["token_type"] == "bearer" and first.json()["expires_in"] < 10_000


def test_codes_and_tokens_are_not_exchanged_once_they_have_expired() -> None:
    spent = [Token("old", "USER", 0, 1_000, "7")], {"code": Code("7", CALLBACK, 1_000.0)}
    tokens = Tokens(*spent, lambda _: None, lambda _: None, lambda: 1_000.0)
    with pytest.raises(GraphError, match="code has expired"):
        tokens.exchange("code", CALLBACK)
    with pytest.raises(GraphError, match="Session has expired"):
        tokens.extend("old")


async def test_a_wrong_secret_gets_no_token(graph: Any) -> None:
    code = (await graph.dialog())["code"]
    answer = await graph.ask(
        "GET", "oauth/access_token", client_id=APP, client_secret="no", code=code, redirect_uri=CALLBACK
    )
    assert answer.status_code == 400 and answer.json()["error"]["message"] == "Error validating client secret."


async def test_page_tokens_of_a_long_lived_token_do_not_expire(graph: Any) -> None:
    long = await graph.sign_in()
    code = (await graph.dialog())["code"]
    short = (await graph.token(code=code, redirect_uri=CALLBACK)).json()["access_token"]
    ends = []
    for token in (long, short):
        page = (await graph.get("me/accounts", token))["data"][0]
        found = (await graph.get("debug_token", graph.app_token, input_token=page["access_token"]))["data"]
        assert (found["app_id"], found["type"], found["is_valid"]) == (APP, "PAGE", True)
        assert found["profile_id"] == page["id"]
        ends.append(found["expires_at"])
    assert ends[0] == 0 and ends[1] > 0


async def test_debug_token_is_for_the_app_alone(graph: Any) -> None:
    token = await graph.sign_in()
    assert (await graph.ask("GET", "debug_token", token, input_token=token)).json()["error"]["code"] == 100
    made = (await graph.token(grant_type="client_credentials")).json()["access_token"]
    assert (await graph.get("debug_token", made, input_token=token))["data"]["user_id"]
    unknown = (await graph.get("debug_token", graph.app_token, input_token="x"))["data"]
    assert unknown["is_valid"] is False and unknown["error"]["code"] == 190


async def test_debug_token_says_whose_a_token_is_what_it_may_and_of_what_it_died(graph: Any) -> None:
    (user,) = (await graph.control("GET", "/users"))["users"]
    given = user["pages"][0]["id"]
    token = await graph.sign_in(pages=given, declined="pages_messaging")
    asked = {"token": graph.app_token, "input_token": token}
    known = (await graph.get("debug_token", **asked))["data"]
    assert (known["app_id"], known["type"], known["user_id"]) == (APP, "USER", user["id"])
    assert "pages_show_list" in known["scopes"] and "pages_messaging" not in known["scopes"]
    assert {"scope": "pages_show_list", "target_ids": [given]} in known["granular_scopes"]
    assert known["data_access_expires_at"] == known["issued_at"] + 90 * 86_400
    await graph.control("PUT", "/faults", {"token_app_id": "999999999999999"})
    await graph.control("POST", f"/users/{user['id']}/revoke", {"subcode": 459})
    known = (await graph.get("debug_token", **asked))["data"]
    assert (known["app_id"], known["is_valid"], known["error"]["subcode"]) == ("999999999999999", False, 459)


async def test_a_proof_is_needed_unless_told_otherwise_and_always_checked(graph: Any) -> None:
    token = await graph.sign_in()
    where = "/graph/v25.0/me"
    without = await graph.http.get(where, params={"access_token": token})
    wrong = await graph.http.get(where, params={"access_token": token, "appsecret_proof": "0" * 64})
    assert (without.status_code, wrong.status_code) == (400, 400)
    assert "appsecret_proof" in without.json()["error"]["message"]
    await graph.control("PUT", "/app", {"require_proof": False})
    without = await graph.http.get(where, params={"access_token": token})
    wrong = await graph.http.get(where, params={"access_token": token, "appsecret_proof": "é"})
    assert (without.status_code, wrong.status_code) == (200, 400)


async def test_revoked_tokens_are_dead_with_their_subcode_until_the_next_sign_in(graph: Any) -> None:
    pages = await graph.pages()
    page, token = next(iter(pages.items()))
    user = (await graph.control("GET", "/users"))["users"][0]["id"]
    assert (await graph.control("POST", f"/users/{user}/revoke", {"subcode": 463}))["revoked"] >= 4
    error = (await graph.ask("GET", page, token)).json()["error"]
    assert (error["code"], error["error_subcode"], error["type"]) == (190, 463, "OAuthException")
    renewed = await graph.pages()
    assert (await graph.get(page, renewed[page]))["id"] == page
    await graph.control("POST", f"/pages/{page}/revoke")
    answers = [await graph.ask("GET", each, token) for each, token in renewed.items()]
    assert [answer.status_code for answer in answers] == [400, 200, 200]


async def test_a_page_that_is_not_given_any_more_loses_its_token(graph: Any) -> None:
    before = await graph.pages()
    kept, *gone = before
    assert list(await graph.pages(pages=kept)) == [kept]
    statuses = [(await graph.ask("GET", page, before[page])).status_code for page in (kept, *gone)]
    assert statuses == [200, 400, 400]
