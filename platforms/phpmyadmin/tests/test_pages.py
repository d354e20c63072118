"""Pages of a phpMyAdmin are known by their structure, and no page keeps the program busy."""

import html
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.phpmyadmin.pages import find_statement_error, parse_page
from platforms.phpmyadmin.session import MAX_PAGE_BYTES

TOKEN = "48383e2a426c24752c565161672b383b"


def write_parameters(
    *, logged_in: str = "false", server: str = "1", version: str = "5.2.1deb1", token: str = TOKEN
) -> str:
    told = f'lang:"en",server:"{server}",table:"",token:"{token}",logged_in:{logged_in},version:"{version}"'
    return f"<script>CommonParams.setAll({{{{{told}}}}});</script>"


def write_login_form(more: str = "", server: str = '<input type="hidden" name="server" value="1">') -> str:
    return (
        '<form method="post"><select name="lang"><option value="en" selected>x</option></select></form>'
        '<form method="post" id="login_form" action="index.php?route=/">'
        f'<input type="hidden" name="token" value="{TOKEN}">'
        '<input type="hidden" name="set_session" value="a&amp;b"><input name="pma_username" value="">'
        f'<input type="password" name="pma_password" value="">{server}{more}</form>'
    )


def write_page(body: str, parameters: str = "", body_id: str = "") -> str:
    return f"<!doctype html><html><head>{parameters}</head><body id={body_id}>{body}</body></html>"


LOGIN = write_page(write_login_form(), write_parameters(), "loginform")


def test_the_login_form_has_its_own_fields_alone() -> None:
    form = parse_page(LOGIN).login_form
    assert form is not None
    assert form.action == "index.php?route=/"
    assert form.fields == {
        "token": TOKEN,
        "set_session": "a&b",
        "pma_username": "",
        "pma_password": "",
        "server": "1",
    }


def test_a_page_with_the_login_form_is_not_signed_in_whatever_it_says() -> None:
    page = parse_page(write_page(write_login_form(), write_parameters(logged_in="true"), "loginform"))
    assert page.is_phpmyadmin and page.is_signed_in is False and not page.has_second_factor


def test_the_page_after_signing_in_has_a_token_a_server_and_a_version() -> None:
    other = "<form><input type='hidden' name='token' value='other'></form>"
    page = parse_page(write_page(other, write_parameters(logged_in="true", server="2")))
    assert page.is_signed_in and page.login_form is None and not page.has_second_factor
    assert (page.token, page.server, page.version) == (TOKEN, "2", "5.2.1")


def test_a_token_is_taken_of_a_form_where_the_script_has_none() -> None:
    assert parse_page(f"<form><input name=token value={TOKEN}></form>").token == TOKEN
    assert parse_page("<form><input name=a></form>").token == ""


@pytest.mark.parametrize("written", ['"logged_in":true', "logged_in:true", 'logged_in:"1"', "logged_in: true"])
def test_scripts_may_quote_their_names(written: str) -> None:
    page = parse_page(f'CommonParams.setAll({{"server":"3","token":"{TOKEN}",{written},"version":"5.0.4"}});')
    assert page.is_signed_in
    assert (page.server, page.token, page.version) == ("3", TOKEN, "5.0.4")


def test_only_a_page_for_people_who_are_not_in_completely_asks_for_a_second_factor() -> None:
    form = f'<form method="post"><input type="hidden" name="token" value="{TOKEN}"><input name="2fa_code"></form>'
    signed_in = write_parameters(logged_in="true")
    assert parse_page(write_page(form, signed_in, "loginform")).has_second_factor
    assert not parse_page(write_page(form, signed_in)).has_second_factor
    assert not parse_page(write_page(form, write_parameters(), "loginform")).has_second_factor


@pytest.mark.parametrize(
    "box",
    ['<div class="x" data-sitekey="k"></div>', '<button type="submit" DATA-SITEKEY=k>', "<input data-sitekey>"],
)
def test_a_captcha_is_known_by_its_key_alone(box: str) -> None:
    assert parse_page(write_page(write_login_form(box))).has_captcha
    assert not parse_page(write_page(box, write_parameters(logged_in="true"))).has_captcha
    assert not parse_page(write_page(write_login_form('<div class="g-recaptcha"></div>'))).has_captcha


def test_several_servers_are_choices_of_which_one_is_selected() -> None:
    servers = (
        '<select name="server" id="select_server"><option value="">x</option><option\n value="1"\n>One</option>'
        '<option\n value="2"\n selected="selected"\n>Two &quot;2&quot;</option></select>'
    )
    form = parse_page(write_page(write_login_form(server=servers))).login_form
    assert form is not None
    assert form.choices == {"server": ["", "1", "2"]}
    assert form.fields["server"] == "2"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mysqli::real_connect(): (HY000/1045): Access denied", 1045),
        ("mysqli::real_connect(): (HY000/2002): Connection refused", 2002),
        ("mysqli::real_connect(): (08004/1040): x", 1040),
        ("mysqli::real_connect(): (HY000/4151): x", 4151),
        ("Access denied!", None),
        ("(1045)", None),
        ("HY000/1045", None),
    ],
)
def test_the_reason_of_a_refused_sign_in_is_a_number(text: str, code: int | None) -> None:
    page = parse_page(write_page(f'<div class="alert">{html.escape(text)}</div>{write_login_form()}'))
    assert page.error_code == code


@pytest.mark.parametrize(
    "page", ["", "x", "<form></form>", "<html><body><h1>It works!</h1></body></html>", "{}", "\0", "<"]
)
def test_any_other_page_is_no_phpmyadmins(page: str) -> None:
    parsed = parse_page(page)
    assert not parsed.is_phpmyadmin and parsed.is_signed_in is None and parsed.token == parsed.version == ""


def test_a_page_of_an_internal_error_says_nothing() -> None:
    assert not parse_page("<html><head><title>Internal error: Error: x.php</title></head></html>").is_phpmyadmin


@given(st.text(alphabet="<>/=\"' abfo{}():&#;-!?", max_size=200))
def test_any_text_is_taken_for_a_page(text: str) -> None:
    parse_page(text)
    parse_page(LOGIN[: len(LOGIN) // 2] + text + LOGIN[len(LOGIN) // 2 :])


@given(st.integers(0, len(LOGIN)))
def test_a_page_that_is_cut_anywhere_is_taken_for_a_page(place: int) -> None:
    parse_page(LOGIN[:place])


HOSTILE = [
    "CommonParams.setAll({",
    "CommonParams.setAll({version:   ",
    'CommonParams.setAll({token:"a',
    "ommonParams.setAll({})",
    "<",
    "<a ",
    "<a a='b' ",
    '<a b="',
    "<a=====",
    "<a/////",
    "</",
    "</a",
    "<!",
    "<!--",
    "<!-- --",
    "<![CDATA[",
    "<?",
    "&",
    "&#",
    "&amp",
    "<script>",
    "<script></x",
    "<form>",
    "<form><form><input name=a value=b>",
    "<form><select name=a><option value=b>",
    "<body id=loginform>",
    "(HY000/",
    "(HY00A/104",
    " ",
    "\n<\n",
    "\0",
]


def takes_less_than(seconds: float, work: Callable[[], object]) -> bool:
    """Return whether `work` takes less processor time than `seconds` in one of three attempts.

    A busy machine can only make an attempt longer.
    """

    def measure() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return any(measure() < seconds for _ in range(3))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_page_keeps_the_program_busy(text: str) -> None:
    page = (text * (MAX_PAGE_BYTES // len(text) + 1))[:MAX_PAGE_BYTES]
    login_page = write_page(write_login_form(), write_parameters()) + page
    assert takes_less_than(10, lambda: (parse_page(page), parse_page(login_page)))


@pytest.mark.parametrize("text", ["<code>#1146 - ", "<code>#1146 - <", "<code>", "<", "a"])
def test_no_end_of_an_answer_keeps_the_program_busy(text: str) -> None:
    answer = text * (128 * 1024 // len(text))
    assert takes_less_than(1, lambda: find_statement_error(answer))


def test_the_database_s_error_ends_the_answer() -> None:
    end = "</code><br></div>"
    assert find_statement_error(f"<code>#1146 - a &lt;b&gt;<br>c{end}") == 1146
    assert find_statement_error(f"<code>#1146 - a</code> <code>#1064 - b{end}\n") == 1064
    assert find_statement_error(f"<code>#1146 - a{end} and more") is None
    assert find_statement_error("<code>SELECT 1</code>") is None
    assert find_statement_error(r'{"a":"<code>#1146 - a<\/code><br><\/div>"}') is None
