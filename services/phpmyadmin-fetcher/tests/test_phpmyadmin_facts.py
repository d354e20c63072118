"""What a real phpMyAdmin answers, byte for byte: the facts on which the protocol and its stand-in are built."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import httpx
import pytest

from real_phpmyadmin import Configuration, MariaDb, PhpMyAdmin, StartPhpMyAdmin

USER, PASSWORD = "reader", 'a pass"word & <more>'
OWNER = "owner"
"""A user who may do everything. Its password is the same."""
BEGIN = (
    rb'\[\n\{"type":"header","version":"[^"]+","comment":"Export to JSON plugin for PHPMyAdmin"\},\n'
    rb'\{"type":"raw","data":\n\[\n'
)
END = b"\n]\n}\n]\n"
ROWS = 200_000
EVERY_ROW = f"(SELECT 0 AS z, id, pad FROM shop.many ORDER BY id LIMIT {ROWS}) UNION ALL (SELECT 1, NULL, NULL)"
"""Its last row is the proof that the database came to the end of its result."""
LAST_ROW = b'{"z":"1","id":null,"pad":null}'
FIELDS = {"export_type": "raw", "what": "json", "output_format": "sendit", "filename_template": "x", "server": "1"}
CSV = {"what": "csv", "csv_separator": ",", "csv_enclosed": '"', "csv_escaped": '"', "csv_terminated": "AUTO"}

pytestmark = pytest.mark.integration


class Browser:
    """Does with plain HTTP what a browser does with phpMyAdmin's pages."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.token = ""

    def read_login_form(self) -> dict[str, str]:
        """Return the fields of the login form with their values."""
        return read_fields(cut_login_form(self.http.get("index.php").text))

    def log_in(self, user: str = USER, password: str = PASSWORD, **fields: str) -> httpx.Response:
        """Send the login form, and return what answers."""
        filled = {**self.read_login_form(), "pma_username": user, "pma_password": password, **fields}
        return self.http.post("index.php?route=/", data=filled)

    def open_page(self, server: str = "1") -> dict[str, str]:
        """Read the page after the login, keep its token, and return its parameters."""
        parameters = read_parameters(self.http.get(f"index.php?route=/&server={server}"))
        self.token = parameters["token"]
        return parameters

    def enter(self, user: str = USER) -> "Browser":
        """Log in, and read the page after it."""
        assert self.log_in(user).status_code == 302
        self.open_page()
        return self

    def export(self, statement: str, **fields: str) -> httpx.Response:
        """Have a statement executed as a raw export. A field that is empty is left out."""
        return self.http.post("index.php?route=/export", data=self.build_export(statement, **fields))

    def build_export(self, statement: str, **fields: str) -> dict[str, str]:
        """Return the fields of a raw export."""
        filled = {**FIELDS, "token": self.token, "db": "shop", "sql_query": statement, **fields}
        return {name: value for name, value in filled.items() if value}


@contextmanager
def browse(server: PhpMyAdmin, **options: Any) -> Iterator[Browser]:
    with httpx.Client(base_url=server.url, timeout=60, **options) as http:
        yield Browser(http)


def cut_login_form(page: str) -> str:
    """Return the login form of a page; it comes after a form for the language, which has a token too."""
    form = re.search(r'<form method="post" id="login_form".*?</form>', page, re.DOTALL)
    assert form is not None
    return form[0]


def read_fields(form: str) -> dict[str, str]:
    """Return the inputs of a form that have a name, with their values."""
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", form)]
    return {one["name"]: unescape(one.get("value", "")) for one in inputs if "name" in one}


def read_parameters(response: httpx.Response) -> dict[str, str]:
    """Return the parameters that a page has for its own scripts, such as the token, the version and `logged_in`."""
    call = re.search(r"CommonParams\.setAll\(\{(.*?)\}\);", response.text)
    assert call is not None
    return {name: value.strip('"') for name, value in re.findall(r'(\w+):("[^"]*"|\w+)', call[1])}


def find_refusals(response: httpx.Response) -> list[str]:
    """Return the numbers of the database's errors in a page, which are not translated, as its words are."""
    return re.findall(r"mysqli::real_connect\(\): \(\w{5}/(\d+)\)", response.text)


def has_login_form(response: httpx.Response) -> bool:
    return 'id="login_form"' in response.text


def has_login_body(response: httpx.Response) -> bool:
    """Whether the page is one of those that are shown to whom is not let in."""
    return "<body id=loginform>" in response.text


def parse_rows(response: httpx.Response) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = json.loads(response.content)[1]["data"]
    return rows


@pytest.fixture(scope="module", autouse=True)
def shop(mariadb: MariaDb) -> MariaDb:
    """Make a database with a few rows, one with many, and users."""
    mariadb.execute(
        "CREATE OR REPLACE DATABASE shop",
        "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, name VARCHAR(50), note TEXT, raw VARBINARY(10))",
        r"""INSERT INTO shop.orders VALUES (1, 'a', '', 0x00FF41), (2, 'q"u\'o/te\\ \n é 😀', NULL, NULL)""",
        "CREATE TABLE shop.many (id INT PRIMARY KEY, pad CHAR(200))",
        f"INSERT INTO shop.many SELECT seq, REPEAT('x', 180) FROM shop.seq_1_to_{ROWS}",
    )
    mariadb.create_user(USER, PASSWORD, "SELECT ON shop.*")
    mariadb.create_user(OWNER, PASSWORD, "ALL ON *.*")
    return mariadb


def test_the_login_form_has_a_token_the_session_and_the_server(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        page = browser.http.get("index.php")
        fields = read_fields(cut_login_form(page.text))
        assert (page.status_code, has_login_body(page)) == (200, True)
        assert list(fields) == ["route", "lang", "token", "set_session", "pma_username", "pma_password", "server"]
        assert re.fullmatch(r"[0-9a-f]{32}", fields["token"])
        assert fields["set_session"] == browser.http.cookies["phpMyAdmin"]
        assert (fields["route"], fields["server"]) == ("/", "1")
        assert 'action="index.php?route=/"' in cut_login_form(page.text)
        parameters = read_parameters(page)
        assert (parameters["logged_in"], parameters["auth_type"]) == ("false", "cookie")
        assert parameters["token"] == fields["token"]


def test_a_page_tells_the_version_before_and_after_the_login(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        before = browser.http.get("index.php")
        browser.enter()
        after = browser.http.get("index.php?route=/")
        exported = browser.export("SELECT 1 AS a").json()[0]["version"]
    version = read_parameters(before)["version"]
    assert re.match(r"5\.[0-2]\.\d", version)
    assert {read_parameters(after)["version"], exported} == {version}
    assert re.search(r'src="js/dist/ajax\.js\?v=([^"]*)"', before.text)
    assert f'<span class="version">{version}</span>' in after.text


def test_a_wrong_password_brings_the_form_again_with_the_number_of_the_error(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.log_in(password="wrong")
        assert (answer.status_code, has_login_form(answer), has_login_body(answer)) == (200, True, True)
        assert find_refusals(answer) == ["1045"]
        assert "pmaAuth-1" not in browser.http.cookies


def test_the_right_password_brings_a_redirect_cookies_and_another_token(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        form = browser.read_login_form()
        answer = browser.http.post("index.php?route=/", data={**form, "pma_username": USER, "pma_password": PASSWORD})
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"] == "/index.php?route=/&route=%2F"
        assert {"phpMyAdmin", "pmaUser-1", "pmaAuth-1"} <= set(browser.http.cookies)
        assert browser.http.cookies["phpMyAdmin"] != form["set_session"]
        page = browser.http.get("index.php?route=/")
        parameters = read_parameters(page)
        assert parameters["token"] != form["token"]
        assert set(re.findall(r'name="token" value="([^"]*)"', page.text)) == {parameters["token"]}
        assert (parameters["logged_in"], parameters["user"], has_login_body(page)) == ("true", USER, False)
        assert find_refusals(page) == []


def test_a_login_without_the_token_brings_the_form_without_a_number(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.log_in(token="0" * 32)
        assert (answer.status_code, has_login_form(answer), find_refusals(answer)) == (200, True, [])


def test_a_raw_export_is_json_between_fixed_bytes(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.enter().export("SELECT * FROM orders ORDER BY id", json_unicode="1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain;charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="export.json"'
    assert "content-length" not in answer.headers
    begin = re.match(BEGIN, answer.content)
    assert begin is not None
    assert answer.content[begin.end() :].decode() == (
        '{"id":"1","name":"a","note":"","raw":"0x00ff41"},\n'
        '{"id":"2","name":"q\\"u\'o\\/te\\\\ \\n é 😀","note":null,"raw":null}'
        "\n]\n}\n]\n"
    )


def test_a_raw_export_of_no_rows_is_whole_too(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.enter().export("SELECT * FROM orders WHERE id < 0")
    assert re.fullmatch(BEGIN + re.escape(END), answer.content)


@pytest.mark.parametrize(
    ("statement", "number"), [("SELECT * FROM nix", 1146), ("SELEC 1", 1064), ("SELECT 1; SELECT 2", 1064)]
)
def test_an_sql_error_is_html_after_the_beginning_of_the_json(
    phpmyadmin: PhpMyAdmin, statement: str, number: int
) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.enter().export(statement)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain;charset=utf-8")
    error = rb'<div class="alert alert-danger" role="alert"><h1>Error</h1>.*<code>#(\d+) - [^<]*</code><br></div>'
    found = re.fullmatch(BEGIN + error, answer.content, re.DOTALL)
    assert found is not None and int(found[1]) == number


def test_the_database_of_a_raw_export_is_not_checked(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        assert parse_rows(browser.enter().export("SELECT 1 AS a", db="nowhere")) == [{"a": "1"}]


@pytest.mark.parametrize(
    ("left_out", "works"),
    [
        *(("server", True), ("token", True)),
        *(("export_type", False), ("what", False), ("output_format", False), ("filename_template", False)),
    ],
)
def test_which_fields_a_raw_export_needs(phpmyadmin: PhpMyAdmin, left_out: str, works: bool) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.enter().export("SELECT 1 AS a", **{left_out: ""})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain" if works else "text/html")
        assert browser.export("SELECT 1 AS a", ajax_request="true").headers["content-type"].startswith("text/plain")


def test_of_columns_with_one_name_the_last_stays_and_backslashes_are_lost(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        answer = browser.enter().export("SELECT 1 AS a, 2 AS a, 3 AS `b\\c`")
    assert parse_rows(answer) == [{"a": "2", "bc": "3"}]


def test_values_have_the_same_text_beside_the_last_row_but_for_leading_zeros(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    columns = {
        "ub": ("BIGINT UNSIGNED", "18446744073709551615"), "ti": ("TINYINT", "-128"), "zf": ("INT ZEROFILL", "42"),
        "de": ("DECIMAL(30,10)", "12345678901234567890.1234567891"), "fl": ("FLOAT", "0.1"), "db": ("DOUBLE", "0.1"),
        "bt": ("BIT(64)", "0x8000000000000001"), "ye": ("YEAR", "2024"), "da": ("DATE", "'2024-02-29'"),
        "ti6": ("TIME(6)", "'-838:59:59.999999'"), "dt": ("DATETIME(6)", "'2024-02-29 12:34:56.123456'"),
        "ch": ("CHAR(10)", "'ab  '"), "vc": ("VARCHAR(10)", "'ab  '"),
        "l1": ("VARCHAR(9) CHARACTER SET latin1", "'é'"), "bi": ("BINARY(4)", "0x0001"), "bl": ("BLOB", "''"),
        "lb": ("LONGBLOB", "0x00FF41"), "te": ("TEXT", "'0x41'"), "en": ("ENUM('b','a')", "'a'"),
        "se": ("SET('x','y')", "'x,y'"), "js": ("JSON", "'{\"a\": [1]}'"), "pt": ("POINT", "POINT(1, 2)"),
        "ud": ("UUID", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"),
    }  # fmt: skip
    mariadb.execute(
        f"CREATE TABLE shop.kinds ({', '.join(f'{name} {kind}' for name, (kind, _) in columns.items())})",
        f"INSERT INTO shop.kinds VALUES ({', '.join(value for _, value in columns.values())})",
    )
    with browse(phpmyadmin) as browser:
        (alone,) = parse_rows(browser.enter().export("SELECT * FROM kinds"))
        nulls = ", ".join("NULL" for _ in columns)
        proved = parse_rows(browser.export(f"(SELECT 0 AS z, kinds.* FROM kinds) UNION ALL (SELECT 1, {nulls})"))
    assert proved == [{"z": "0", **alone, "zf": "42"}, {"z": "1", **dict.fromkeys(alone)}]
    expected = {"zf": "0000000042", "bt": "9223372036854775809", "ch": "ab", "vc": "ab  ", "bi": "0x00010000"}
    expected |= {"bl": "0x", "lb": "0x00ff41", "te": "0x41", "fl": "0.1", "ub": "18446744073709551615", "l1": "é"}
    assert {name: alone[name] for name in expected} == expected
    assert alone["pt"] == "0x000000000101000000000000000000f03f0000000000000040"


Interruption = Callable[[MariaDb], None]


def crash(mariadb: MariaDb) -> None:
    mariadb.kill()
    mariadb.start()


def shut_down(mariadb: MariaDb) -> None:
    mariadb.stop()
    mariadb.start()


def kill_query(mariadb: MariaDb) -> None:
    assert mariadb.kill_queries(USER) == 1


def kill_connection(mariadb: MariaDb) -> None:
    assert mariadb.kill_connections(USER) >= 1


def wait_for_time_limit(mariadb: MariaDb) -> None:
    """Wait until the server has given up the statement: its time limit is one second."""
    while mariadb.list_running(USER):
        time.sleep(0.01)


def export_and_interrupt(browser: Browser, mariadb: MariaDb, interrupt: Interruption, **fields: str) -> bytes:
    """Begin to read a long export, interrupt it while the database waits with the rest of it, and read on."""
    form = browser.build_export(EVERY_ROW, **fields)
    with browser.http.stream("POST", "index.php?route=/export", data=form) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        while not mariadb.list_running(USER, "Writing to net"):
            time.sleep(0.01)
        interrupt(mariadb)
        assert response.status_code == 200
        return body + b"".join(chunks)


def test_an_export_that_nobody_disturbs_has_the_last_row(phpmyadmin: PhpMyAdmin, mariadb: MariaDb) -> None:
    with browse(phpmyadmin) as browser:
        body = export_and_interrupt(browser.enter(), mariadb, lambda _: None)
    assert body.endswith(LAST_ROW + END)
    assert body.count(b'{"z":"0",') == ROWS


@pytest.mark.parametrize("interrupt", [kill_query, kill_connection, shut_down, crash])
def test_an_export_whose_result_is_cut_by_the_database_ends_as_a_whole_one(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb, interrupt: Interruption
) -> None:
    with browse(phpmyadmin) as browser:
        body = export_and_interrupt(browser.enter(), mariadb, interrupt)
    rows = json.loads(body)[1]["data"]
    assert 0 < len(rows) < ROWS
    assert body.endswith(b'"}' + END) and LAST_ROW not in body
    assert b"<" not in body


def test_a_csv_whose_result_is_cut_by_the_database_ends_as_a_whole_one(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    with browse(phpmyadmin) as browser:
        body = export_and_interrupt(browser.enter(), mariadb, kill_query, **CSV)
    assert re.search(rb'\n"0","\d+","x{180}"\n$', body)


@pytest.fixture
def second_limit(mariadb: MariaDb) -> Iterator[None]:
    """Limit statements to one second, as hosts do."""
    mariadb.execute("SET GLOBAL max_statement_time = 1")
    yield
    mariadb.execute("SET GLOBAL max_statement_time = 0")


@pytest.mark.usefixtures("second_limit")
def test_a_statement_beyond_the_time_limit_of_the_database_is_cut_or_has_no_rows(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    with browse(phpmyadmin) as browser:
        body = export_and_interrupt(browser.enter(), mariadb, wait_for_time_limit)
        assert 0 < len(json.loads(body)[1]["data"]) < ROWS
        assert LAST_ROW not in body
        counted = browser.export("SELECT COUNT(*) AS a FROM seq_1_to_100000000 WHERE MD5(seq) = ''")
        assert re.fullmatch(BEGIN + re.escape(END), counted.content)


def test_at_the_time_limit_of_php_the_body_stops_anywhere(start_phpmyadmin: StartPhpMyAdmin) -> None:
    # PHP still fetches the rest of the result before it closes the connection, so the result must not be endless.
    server = start_phpmyadmin(Configuration(settings={"ExecTimeLimit": 1}))
    with browse(server) as browser:
        answer = browser.enter().export("SELECT seq FROM seq_1_to_5000000")
    assert answer.status_code == 200
    assert re.match(BEGIN + rb'\{"seq":"1"\},\n', answer.content)
    assert not answer.content.endswith(END) and b"<" not in answer.content


def test_a_database_that_is_away_brings_the_login_form_with_another_number(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    with browse(phpmyadmin) as entered, browse(phpmyadmin) as browser:
        entered.enter()
        mariadb.stop()
        try:
            login = browser.log_in()
            export = entered.export("SELECT 1 AS a")
        finally:
            mariadb.start()
        for answer in (login, export):
            assert (answer.status_code, has_login_form(answer)) == (200, True)
            assert find_refusals(answer) == ["2002"]
        assert "content-disposition" not in export.headers
        assert "pmaAuth-1" not in entered.http.cookies
        again = entered.export("SELECT 1 AS a")
        assert (has_login_form(again), find_refusals(again)) == (True, [])


def test_a_user_without_further_connections_is_refused_with_a_number_of_its_own(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    mariadb.create_user("busy", PASSWORD, "USAGE ON *.*")
    mariadb.execute("ALTER USER busy@'%' WITH MAX_CONNECTIONS_PER_HOUR 1")
    with browse(phpmyadmin) as first, browse(phpmyadmin) as second:
        assert first.log_in("busy").status_code == 302
        answer = second.log_in("busy")
    assert (has_login_form(answer), find_refusals(answer)) == (True, ["1226"])


def test_a_password_that_changes_in_a_session_brings_the_form_with_the_number_once(
    phpmyadmin: PhpMyAdmin, mariadb: MariaDb
) -> None:
    mariadb.create_user("changing", PASSWORD, "SELECT ON shop.*")
    with browse(phpmyadmin) as browser:
        browser.enter("changing")
        mariadb.create_user("changing", "other", "SELECT ON shop.*")
        first, second = browser.export("SELECT 1 AS a"), browser.export("SELECT 1 AS a")
    assert (has_login_form(first), find_refusals(first)) == (True, ["1045"])
    assert (has_login_form(second), find_refusals(second)) == (True, [])


def test_a_session_that_has_ended_brings_the_form_without_a_number(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        browser.enter()
        phpmyadmin.end_sessions()
        answer = browser.export("SELECT 1 AS a")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "content-disposition" not in answer.headers
    assert (has_login_form(answer), find_refusals(answer)) == (True, [])


def test_one_is_logged_out_with_the_token_only(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        browser.enter()
        assert browser.http.get("index.php?route=/logout").status_code == 302
        assert browser.http.post("index.php?route=/logout", data={"token": "0" * 32}).status_code == 302
        assert parse_rows(browser.export("SELECT 1 AS a")) == [{"a": "1"}]
        answer = browser.http.post("index.php?route=/logout", data={"token": browser.token, "server": "1"})
        assert (answer.status_code, answer.headers["location"]) == (302, "/index.php?route=/")
        assert answer.headers.get_list("set-cookie")[-1].startswith("pmaAuth-1=deleted; ")
        assert has_login_form(browser.export("SELECT 1 AS a"))


def test_several_servers_are_options_of_the_login_form(start_phpmyadmin: StartPhpMyAdmin) -> None:
    server = start_phpmyadmin(Configuration(servers=[{"verbose": 'The "first"'}, {"verbose": "Second"}]))
    with browse(server) as browser:
        form = cut_login_form(browser.http.get("index.php").text)
        assert "server" not in read_fields(form)
        choice = re.search(r'<select name="server".*?</select>', form, re.DOTALL)
        assert choice is not None
        options = re.findall(r'<option\s+value="(\d+)"[^>]*>(.*?)</option>', choice[0], re.DOTALL)
        assert options == [("1", "The &quot;first&quot;"), ("2", "Second")]
        answer = browser.log_in(server="2")
        assert answer.headers["location"] == "/index.php?route=/&route=%2F&server=2"
        assert {"pmaUser-2", "pmaAuth-2"} <= set(browser.http.cookies)
        assert browser.open_page("2")["server"] == "2"
        assert parse_rows(browser.export("SELECT 1 AS a", server="2")) == [{"a": "1"}]
        assert has_login_form(browser.export("SELECT 1 AS a", server=""))
        assert has_login_form(browser.export("SELECT 1 AS a", server="2")), "the session of server 2 is lost with it"


def test_a_server_that_does_not_exist_is_the_first_one(start_phpmyadmin: StartPhpMyAdmin) -> None:
    server = start_phpmyadmin(Configuration(servers=[{"verbose": 'The "first"'}, {"verbose": "Second"}]))
    with browse(server) as browser:
        assert browser.log_in(server="7").status_code == 302
        assert browser.open_page("7")["server"] == "1"


def test_basic_authentication_is_refused_with_401_whatever_the_reason(
    start_phpmyadmin: StartPhpMyAdmin, mariadb: MariaDb
) -> None:
    server = start_phpmyadmin(Configuration(servers=[{"auth_type": "http", "verbose": "Shop"}]))
    with browse(server) as nobody, browse(server, auth=(USER, "wrong")) as wrong:
        refused = [nobody.http.get("index.php"), wrong.http.get("index.php"), wrong.export("SELECT 1 AS a")]
    with browse(server, auth=(USER, PASSWORD)) as browser:
        mariadb.stop()
        try:
            refused.append(browser.http.get("index.php"))
        finally:
            mariadb.start()
    for answer in refused:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="phpMyAdmin Shop"'
        assert (has_login_form(answer), find_refusals(answer)) == (False, [])
        assert read_parameters(answer)["auth_type"] == "http"


def test_basic_authentication_needs_no_login(start_phpmyadmin: StartPhpMyAdmin) -> None:
    server = start_phpmyadmin(Configuration(servers=[{"auth_type": "http", "verbose": "Shop"}]))
    with browse(server, auth=(USER, PASSWORD)) as browser:
        parameters = browser.open_page()
        assert (parameters["logged_in"], parameters["auth_type"]) == ("true", "http")
        assert not any(name.startswith("pma") and name != "pma_lang" for name in browser.http.cookies)
        assert parse_rows(browser.export("SELECT 1 AS a")) == [{"a": "1"}]


def test_a_login_in_the_configuration_needs_no_form(start_phpmyadmin: StartPhpMyAdmin) -> None:
    server = start_phpmyadmin(Configuration([{"auth_type": "config", "user": USER, "password": PASSWORD}]))
    with browse(server) as browser:
        parameters = browser.open_page()
        assert (parameters["logged_in"], parameters["auth_type"]) == ("true", "config")
        assert parse_rows(browser.export("SELECT 1 AS a")) == [{"a": "1"}]


def test_a_wrong_login_in_the_configuration_shows_the_number_and_no_form(start_phpmyadmin: StartPhpMyAdmin) -> None:
    server = start_phpmyadmin(Configuration([{"auth_type": "config", "user": USER, "password": "wrong"}]))
    with browse(server) as browser:
        answer = browser.http.get("index.php")
    assert (answer.status_code, has_login_body(answer), has_login_form(answer)) == (200, True, False)
    assert find_refusals(answer) == ["1045"]
    assert read_parameters(answer)["logged_in"] == "false"


def test_single_sign_on_is_a_redirect_to_elsewhere(start_phpmyadmin: StartPhpMyAdmin) -> None:
    signon = {"auth_type": "signon", "SignonSession": "Signon", "SignonURL": "https://sign-on.example/login"}
    with browse(start_phpmyadmin(Configuration([signon]))) as browser:
        for answer in (browser.http.get("index.php"), browser.export("SELECT 1 AS a")):
            assert (answer.status_code, answer.content) == (302, b"")
            assert answer.headers["location"] == "https://sign-on.example/login"


@pytest.mark.parametrize("method", ["invisible", "checkbox"])
def test_a_captcha_is_an_element_of_the_login_form_with_the_key_of_the_site(
    start_phpmyadmin: StartPhpMyAdmin, method: str
) -> None:
    keys = {"CaptchaLoginPublicKey": "public-key", "CaptchaLoginPrivateKey": "x", "CaptchaMethod": method}
    with browse(start_phpmyadmin(Configuration(settings=keys))) as browser:
        assert 'data-sitekey="public-key"' in cut_login_form(browser.http.get("index.php").text)
        answer = browser.log_in()
    assert (answer.status_code, has_login_form(answer), find_refusals(answer)) == (200, True, [])


def test_a_second_factor_is_asked_for_on_every_page_after_the_login(
    start_phpmyadmin: StartPhpMyAdmin, mariadb: MariaDb
) -> None:
    preferences = json.dumps({"2fa": {"backend": "simple", "settings": []}})
    mariadb.execute(
        "CREATE OR REPLACE DATABASE control",
        "CREATE TABLE control.pma__userconfig (username VARCHAR(64) PRIMARY KEY, timevalue TIMESTAMP, config_data TEXT)"
        f" SELECT 'two' AS username, NOW() AS timevalue, '{preferences}' AS config_data",
    )
    mariadb.create_user("two", PASSWORD, "SELECT ON control.*")
    control: dict[str, str] = {"pmadb": "control", "userconfig": "pma__userconfig"}
    with browse(start_phpmyadmin(Configuration([control], settings={"DBG": {"simple2fa": True}}))) as browser:
        assert browser.log_in("two").status_code == 302
        for answer in (browser.http.get("index.php?route=/"), browser.export("SELECT 1 AS a")):
            assert (answer.status_code, has_login_body(answer), has_login_form(answer)) == (200, True, False)
            assert read_parameters(answer)["logged_in"] == "true"
            assert '<input type="hidden" name="2fa_confirm" value="1">' in answer.text


def test_without_the_export_plugin_for_json_the_answer_is_a_page(start_phpmyadmin: StartPhpMyAdmin) -> None:
    with browse(start_phpmyadmin(Configuration(has_json=False))) as browser:
        answer = browser.enter().export("SELECT 1 AS a")
        csv = browser.export("SELECT id, note, raw FROM orders ORDER BY id", csv_null="\\N", csv_columns="1", **CSV)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "content-disposition" not in answer.headers and not has_login_form(answer)
    assert csv.headers["content-type"] == "text/comma-separated-values;charset=utf-8"
    assert csv.content == b'"id","note","raw"\n"1",,"\x00\xffA"\n"2",\\N,\\N\n'


def test_phpmyadmin_itself_only_reads_the_database(phpmyadmin: PhpMyAdmin, mariadb: MariaDb) -> None:
    mariadb.clear_log()
    with browse(phpmyadmin) as browser:
        browser.enter(OWNER).export("SELECT 1 AS a")
        browser.http.post("index.php?route=/logout", data={"token": browser.token})
    statements = mariadb.list_statements(OWNER)
    assert "SELECT 1 AS a" in statements and "USE shop" in statements
    assert {statement.split()[0] for statement in statements} == {"SELECT", "SET", "SHOW", "USE"}


def test_the_grants_of_a_user_come_with_the_hash_of_the_password(phpmyadmin: PhpMyAdmin) -> None:
    with browse(phpmyadmin) as browser:
        grants = [grant for row in parse_rows(browser.enter().export("SHOW GRANTS")) for grant in row.values()]
    assert re.search(r" TO `reader`@`%` IDENTIFIED BY PASSWORD '\*[0-9A-F]{40}'$", str(grants[0]))
    assert grants[1:] == ["GRANT SELECT ON `shop`.* TO `reader`@`%`"]
