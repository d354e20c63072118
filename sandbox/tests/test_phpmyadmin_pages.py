"""Signing in at the simulated phpMyAdmin: its forms, cookies and tokens, in the form of a real 5.2.1."""

import re
from typing import Any

import pytest


async def test_the_form_comes_behind_the_one_for_the_language(pma: Any) -> None:
    page = await pma.open_page()
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "<body id=loginform>" in page.text
    language, login = (part.partition("</form>")[0] for part in page.text.split("<form")[1:])
    assert 'id="login_form"' in login and 'action="index.php?route=/"' in login and 'name="token"' in language
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', login))
    assert hidden == {
        "route": "/", "lang": "en", "server": "1", "token": pma.token, "set_session": pma.http.cookies["phpMyAdmin"]
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{32}", pma.token)
    assert 'name="pma_username"' in login and 'type="password" name="pma_password"' in login


async def test_the_scripts_of_each_page_are_told_about_the_session(pma: Any) -> None:
    before = await pma.open_page()
    assert "logged_in:false" in before.text and 'auth_type:"cookie"' in before.text
    assert 'version:"5.2.1deb1+deb12u1"' in before.text
    await pma.sign_in()
    page = await pma.open_page()
    assert f'server:"1",table:"",db:"",token:"{pma.token}"' in page.text and "logged_in:true" in page.text
    assert "CommonParams.setAll({common_query:" in page.text and 'user:"merchant"' in page.text
    assert "<body id=loginform>" not in page.text


async def test_signing_in_redirects_and_changes_session_and_token(pma: Any) -> None:
    await pma.open_page()
    token, session = pma.token, pma.http.cookies["phpMyAdmin"]
    answer = await pma.submit_login(await pma.read_password())
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"] == "/phpmyadmin/index.php?route=/&route=%2F"
    assert {"phpMyAdmin", "pmaUser-1", "pmaAuth-1"} <= set(answer.cookies)
    assert pma.http.cookies["phpMyAdmin"] != session
    await pma.open_page(route="/")
    assert pma.token not in ("", token)


async def test_every_answer_renews_the_cookies_of_the_login(pma: Any) -> None:
    await pma.sign_in()
    values = [(await pma.export("SELECT 1 AS z")).cookies["pmaAuth-1"] for _ in range(2)]
    assert len(set(values)) == 2


async def test_a_wrong_password_shows_the_form_again_with_the_number_of_the_error(pma: Any) -> None:
    await pma.open_page()
    session = pma.http.cookies["phpMyAdmin"]
    answer = await pma.submit_login("wrong")
    assert answer.status_code == 200 and 'id="login_form"' in answer.text
    assert "mysqli::real_connect(): (HY000/1045): Access denied" in answer.text
    assert 'name="pma_username" id="input_username" value="merchant"' in answer.text
    assert any(value.startswith("pmaAuth-1=deleted") for value in answer.headers.get_list("set-cookie"))
    assert pma.http.cookies["phpMyAdmin"] != session


@pytest.mark.parametrize("token", ["", "0" * 32])
async def test_without_the_token_the_form_comes_again_and_no_error(pma: Any, token: str) -> None:
    await pma.open_page()
    answer = await pma.submit_login(await pma.read_password(), token=token)
    assert answer.status_code == 200 and 'id="login_form"' in answer.text and "HY000" not in answer.text
    statistics = await pma.control("GET", "/statistics")
    assert statistics["logins"] == {"ignored": 1}


async def test_a_lost_session_cookie_is_no_login(pma: Any) -> None:
    await pma.open_page()
    old = pma.http.cookies["phpMyAdmin"]
    pma.http.cookies.clear()
    pma.http.cookies.set("phpMyAdmin", "gone")
    answer = await pma.submit_login(await pma.read_password(), set_session=old)
    assert answer.status_code == 200 and "Failed to set session cookie" in answer.text


async def test_an_export_without_a_session_is_the_form_for_signing_in(pma: Any) -> None:
    answer = await pma.export("SELECT 1 AS z")
    assert answer.status_code == 200 and "content-disposition" not in answer.headers
    assert 'id="login_form"' in answer.text and '<input type="hidden" name="db" value="shop">' in answer.text


async def test_the_cookie_of_the_login_alone_signs_nobody_in(pma: Any) -> None:
    await pma.sign_in()
    pma.http.cookies.delete("phpMyAdmin")
    assert 'id="login_form"' in (await pma.export("SELECT 1 AS z")).text


async def test_logging_out_needs_the_token(pma: Any) -> None:
    await pma.sign_in()
    for token, is_signed_out in (("0" * 32, False), (pma.token, True)):
        answer = await pma.http.post("/phpmyadmin/index.php?route=/logout", data={"token": token, "server": "1"})
        assert answer.status_code == 302 and answer.headers["location"] == "/phpmyadmin/index.php?route=/"
        answer = await pma.export("SELECT 1 AS z")
        assert ("content-disposition" not in answer.headers) is is_signed_out


async def test_a_further_server_is_chosen_in_a_list(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"servers": 2})
    page = await pma.open_page(server="2")
    assert 'name="server" value="1"' not in page.text
    assert re.findall(r'<option\s+value="(\d)"(\s+selected="selected")?\s*>', page.text)[-1] == (
        "2",
        '\n selected="selected"',
    )
    answer = await pma.submit_login(await pma.read_password(), server="2")
    assert answer.headers["location"].endswith("?route=/&route=%2F&server=2")
    assert "pmaAuth-2" in answer.cookies
    assert 'server:"2"' in (await pma.open_page(server="2")).text
    rows = (await pma.export("SELECT VERSION() AS v", server="2")).json()[1]["data"]
    assert rows == [{"v": "8.0.40"}]


@pytest.mark.parametrize("server", ["", "1", "9"])
async def test_an_export_at_another_server_ends_the_session(pma: Any, server: str) -> None:
    await pma.control("PUT", "/setup", {"servers": 2})
    await pma.sign_in("2")
    assert 'id="login_form"' in (await pma.export("SELECT 1 AS z", server=server)).text
    assert 'id="login_form"' in (await pma.export("SELECT 1 AS z", server="2")).text


async def test_an_unknown_server_is_the_first_one(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"servers": 2})
    await pma.open_page()
    answer = await pma.submit_login(await pma.read_password(), server="9")
    assert answer.status_code == 302 and "pmaAuth-1" in answer.cookies


async def test_a_captcha_stands_in_the_form_and_no_login_is_tried(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"has_captcha": True})
    page = await pma.open_page()
    assert "data-sitekey=" in page.text.partition('id="login_form"')[2]
    answer = await pma.submit_login(await pma.read_password())
    assert answer.status_code == 200 and "HY000" not in answer.text


async def test_a_second_factor_stands_before_every_page_and_export(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"has_second_factor": True})
    await pma.sign_in()
    for answer in (await pma.open_page(), await pma.export("SELECT 1 AS z")):
        assert answer.status_code == 200 and "<body id=loginform>" in answer.text and "logged_in:true" in answer.text
        assert 'id="login_form"' not in answer.text and 'name="2fa_code"' in answer.text


async def test_http_basic_asks_by_401_and_needs_neither_cookies_nor_token(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"login_kind": "http"})
    for auth in (None, ("merchant", "wrong")):
        answer = await pma.http.get("/phpmyadmin/index.php", auth=auth)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith('Basic realm="phpMyAdmin')
    pma.http.auth = ("merchant", await pma.read_password())
    page = await pma.open_page()
    assert 'auth_type:"http"' in page.text and "logged_in:true" in page.text and "pmaAuth-1" not in page.cookies
    pma.http.cookies.clear()
    assert (await pma.export("SELECT 1 AS z", token="")).json()[1]["data"] == [{"z": "1"}]


async def test_a_configured_user_sees_no_form(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"login_kind": "config"})
    page = await pma.open_page()
    assert 'auth_type:"config"' in page.text and "logged_in:true" in page.text and pma.token
    await pma.control("PUT", "/faults", {"refused_with": 1045})
    page = await pma.open_page()
    assert "<body id=loginform>" in page.text and "<form" not in page.text and "(HY000/1045)" in page.text


async def test_single_sign_on_leads_elsewhere(pma: Any) -> None:
    await pma.control("PUT", "/setup", {"login_kind": "signon"})
    answer = await pma.open_page()
    assert answer.status_code == 302 and answer.headers["location"].startswith("https://sign-on.")
