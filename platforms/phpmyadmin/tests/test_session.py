"""Answers to statements in a session: whole or refused, and as CSV where JSON has been removed."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from platform_sdk.errors import LargeAnswerError, ThrottledError, TransientError
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.errors import (
    CutAnswerError,
    SignedOutError,
    SignInRefusedError,
    StatementRefusedError,
)
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.session import PhpMyAdminSession, StatementLimits
from platforms.phpmyadmin.tests.tables import build_column, build_table

LOGIN = PhpMyAdminLogin("https://db.example.com/pma", "reader", "the-password", "2", "shop")
LIMITS = StatementLimits(100_000, 10.0)
TABLE = build_table(build_column("a"), key=["a"])
ROWS = statements.select_rows(TABLE)
EXPORT = {"content-disposition": 'attachment; filename="export.json"'}
FORM = (
    '<body id=loginform><form id="login_form"><input name="token" value="0123456789abcdef">'
    '<input name="pma_username"><input name="pma_password"><select name="server"><option value="2"></select></form>'
)
IN = '<body><script>CommonParams.setAll({server:"2",token:"fedcba9876543210",logged_in:true,version:"5.2.1"})</script>'
StatementAnswer = str | httpx.Response


def write_json(*rows: str) -> str:
    return '[\n{"type":"header"},\n{"type":"raw","data":\n[\n' + ",\n".join(rows) + "\n]\n}\n]\n"


class Host:
    """A phpMyAdmin that answers exports as `JSON` or `CSV` from texts; a response is sent as it is."""

    def __init__(self) -> None:
        self.json: StatementAnswer = write_json('{"z":"0","k0":"1","c0":"1"}', '{"z":"1","k0":null,"c0":null}')
        self.csv: StatementAnswer = '"z","k0","c0"\n"0","1","1"\n"1",\\N,\\N\n'
        self.exports: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, text=FORM)
        fields = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if "sql_query" not in fields:
            return httpx.Response(200, text=IN)
        self.exports.append(fields)
        answer = self.json if fields["what"] == "json" else self.csv
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, text=answer, headers=EXPORT)


@pytest.fixture
def host() -> Host:
    """A phpMyAdmin."""
    return Host()


@pytest.fixture
async def session(host: Host) -> PhpMyAdminSession:
    """A session there that has signed in."""
    session = PhpMyAdminSession(httpx.AsyncClient(transport=httpx.MockTransport(host)), LOGIN)
    await session.sign_in()
    return session


async def test_a_statement_is_sent_with_the_token_of_the_session(session: PhpMyAdminSession, host: Host) -> None:
    answer = await session.fetch(ROWS, LIMITS)
    assert answer.rows == [{"z": "0", "k0": "1", "c0": "1"}]
    (fields,) = host.exports
    assert (fields["sql_query"], fields["token"], fields["server"]) == (ROWS, "fedcba9876543210", "2")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ['{"z":"0","k0":"1"}'],
        ['{"z":"1","k0":null}', '{"z":"0","k0":"1"}'],
        ['{"z":"1","k0":null}', '{"z":"1","k0":null}'],
        ['{"k0":"1"}', '{"z":"1"}'],
        ['{"z":"2"}', '{"z":"1"}'],
        ['{"z":0}', '{"z":1}'],
        ['{"z":"0"}', '{"z":"1"'],
    ],
)
async def test_an_answer_without_its_last_row_at_its_end_is_cut(
    session: PhpMyAdminSession, host: Host, rows: list[str]
) -> None:
    host.json = write_json(*rows)
    with pytest.raises(CutAnswerError):
        await session.fetch(ROWS, LIMITS)


async def test_a_sum_without_its_row_is_no_sum(session: PhpMyAdminSession, host: Host) -> None:
    for rows in ([], ['{"c0":"1"}', '{"c0":"2"}']):
        host.json = write_json(*rows)
        with pytest.raises(CutAnswerError):
            await session.fetch_single(statements.measure_table(TABLE), LIMITS)


CSV_ANSWERS: list[tuple[Any, str, dict[str, str | None]]] = [
    (
        statements.measure_table(TABLE),
        '"c0","c1","c2","c3"\n"5","6",\\N,"5"\n',
        {"c0": "5", "c1": "6", "c2": None, "c3": "5"},
    ),
    (
        statements.read_checksum(TABLE),
        '"TableDescription","Checksum"\n"shop.orders","7"\n',
        {"TableDescription": "shop.orders", "Checksum": "7"},
    ),
]


@pytest.mark.parametrize(("statement", "csv", "row"), CSV_ANSWERS, ids=["sums", "checksum"])
async def test_a_host_without_json_is_asked_for_csv_from_then_on(
    session: PhpMyAdminSession, host: Host, statement: Any, csv: str, row: dict[str, str | None]
) -> None:
    host.json = httpx.Response(200, text="<html><head><title>Internal error</title></head></html>")
    assert (await session.fetch(ROWS, LIMITS)).rows == [{"z": "0", "k0": "1", "c0": "1"}]
    host.csv = csv
    assert await session.fetch_single(statement, LIMITS) == row
    assert [fields["what"] for fields in host.exports] == ["json", "csv", "csv"]


@pytest.mark.parametrize("is_csv", [False, True])
async def test_rights_come_without_the_hash_of_the_password(
    session: PhpMyAdminSession, host: Host, is_csv: bool
) -> None:
    right = "GRANT USAGE ON *.* TO `m`@`%` IDENTIFIED BY PASSWORD '*00AA'"
    host.json = write_json(f'{{"Grants for m@%":"{right}"}}')
    if is_csv:
        host.json, host.csv = httpx.Response(200, text="<html></html>"), f'"Grants for m@%"\n"{right}"\n'
    assert await session.fetch_grants(statements.show_grants(), LIMITS) == ["GRANT USAGE ON *.* TO `m`@`%`"]


Raises = tuple[StatementAnswer, type[Exception]]
FAULTS: dict[str, Raises] = {
    "signed out": (httpx.Response(200, text=FORM), SignedOutError),
    "password changed": (httpx.Response(200, text=f"{FORM} (HY000/1045)"), SignInRefusedError),
    "database away": (httpx.Response(200, text=f"{FORM} (HY000/2002)"), TransientError),
    "no table": (write_json()[:40] + "<div><code>#1146 - x</code><br></div>", StatementRefusedError),
    "maintenance": (httpx.Response(503, text="x"), ThrottledError),
    "gateway": (httpx.Response(502, text="x"), TransientError),
    "too large": (write_json(*(f'{{"z":"0","c0":"{"x" * 1000}"}}' for _ in range(200))), LargeAnswerError),
}


@pytest.mark.parametrize(("answer", "error"), FAULTS.values(), ids=FAULTS)
async def test_an_answer_that_is_none_says_why(
    session: PhpMyAdminSession, host: Host, answer: StatementAnswer, error: type[Exception]
) -> None:
    host.json = answer
    with pytest.raises(error) as raised:
        await session.fetch(ROWS, LIMITS)
    assert type(raised.value) is error
    assert "the-password" not in str(raised.value) and "SELECT" not in str(raised.value)
    assert session.is_signed_in is (FORM not in (answer.text if isinstance(answer, httpx.Response) else answer))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("9" * 400, 3600.0), ("86400", 3600.0)],
)
async def test_a_wait_that_is_asked_for_is_kept_within_reason(
    session: PhpMyAdminSession, host: Host, header: str, seconds: float | None
) -> None:
    host.json = httpx.Response(429, headers={"retry-after": header})
    with pytest.raises(ThrottledError) as raised:
        await session.fetch(ROWS, LIMITS)
    assert raised.value.retry_after == seconds


async def test_a_number_of_a_server_that_is_not_there_is_refused(host: Host) -> None:
    make: Callable[[str], PhpMyAdminLogin] = lambda server: PhpMyAdminLogin(LOGIN.url, "reader", "x", server, "shop")  # noqa: E731
    session = PhpMyAdminSession(httpx.AsyncClient(transport=httpx.MockTransport(host)), make("3"))
    with pytest.raises(Exception, match="no server 3"):
        await session.sign_in()
