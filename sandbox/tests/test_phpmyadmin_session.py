"""The product's own session reads the simulated phpMyAdmin: every statement that it sends, on tables of all kinds."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from platforms.phpmyadmin import statements
from platforms.phpmyadmin.columns import TableDescription
from platforms.phpmyadmin.descriptions import can_write, find_json_columns, list_change_columns, parse_description
from platforms.phpmyadmin.errors import (
    CutAnswerError,
    SignedOutError,
    SignInImpossibleError,
    SignInRefusedError,
    StatementRefusedError,
)
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.names import split_id
from platforms.phpmyadmin.session import PhpMyAdminSession, StatementLimits
from platforms.phpmyadmin.values import RowReader

LIMITS = StatementLimits(max_bytes=50_000_000, seconds=20)
RANGE = 7
"""Rows of a range: few, so that all tables are read in many of them."""
ALL_TYPES = {
    "columns": [
        {"name": "id", "type": "int(11)"},
        {"name": "tiny", "type": "tinyint(1)", "nullable": True},
        {"name": "big", "type": "bigint(20) unsigned"},
        {"name": "price", "type": "decimal(20,4)"},
        {"name": "ratio", "type": "double"},
        {"name": "small_ratio", "type": "float"},
        {"name": "name", "type": "varchar(200)", "nullable": True},
        {"name": "long", "type": "text", "nullable": True},
        {"name": "raw", "type": "blob", "nullable": True},
        {"name": "fixed", "type": "binary(4)"},
        {"name": "bits", "type": "bit(9)"},
        {"name": "day", "type": "date", "nullable": True},
        {"name": "local", "type": "datetime(3)", "nullable": True},
        {"name": "instant", "type": "timestamp", "nullable": True},
        {"name": "clock", "type": "time"},
        {"name": "in_year", "type": "year(4)"},
        {"name": "kind", "type": "enum('a','b''c','é')"},
        {"name": "marks", "type": "set('x','y','z')"},
        {"name": "js", "type": "longtext", "nullable": True, "holds_json": True},
        {"name": "c`6", "type": "varchar(20)"},
        {"name": "place", "type": "point"},
    ],
    "indexes": [{"name": "PRIMARY", "columns": ["id"]}],
}
VALUES = {
    "id": 1, "tiny": 1, "big": 2**64 - 1, "price": "1234567890123456.7800", "ratio": 1e300, "small_ratio": 1.1,
    "name": "O'Brien \\ \"x\"\n🎁", "long": "\\N", "raw": "0x00ff41", "fixed": "0x01", "bits": 261, "day": "2026-02-28",
    "local": "2026-02-28 23:59:59.120", "instant": "2026-02-28 23:59:59", "clock": "-12:30:00", "in_year": 2026,
    "kind": "b'c", "marks": "x,z", "js": {"a/b": [None, "é"]}, "c`6": "NULL", "place": "POINT(1 2)",
}  # fmt: skip
EMPTY = {
    **VALUES, "id": 2, "tiny": None, "big": 0, "price": "-0.5", "ratio": 0.1, "name": "", "long": None, "raw": "0x",
    "day": "0000-00-00", "local": "0000-00-00 00:00:00", "instant": None, "marks": "", "js": None, "c`6": "",
}  # fmt: skip
NULLS = {**EMPTY, "id": -3, "name": None, "raw": None, "day": None, "local": None, "ratio": -2.5, "bits": 0}

KEYS: dict[str, tuple[list[str], list[list[Any]]]] = {
    "big_numbers": (["bigint(20) unsigned"], [[2**63 + number * 3] for number in range(20)]),
    "numbers": (["int(11)", "smallint(5)"], [[number // 4 - 3, number % 4] for number in range(20)]),
    "three": (
        ["int(11)", "varchar(9)", "date"],
        [[n // 9, f"k{n // 3 % 3}", f"2026-01-0{n % 3 + 1}"] for n in range(27)],
    ),
    "decimals": (["decimal(8,2)"], [[f"{number * 3 - 30}.{number:02d}"] for number in range(20)]),
    "texts": (
        ["varchar(20)"],
        [[text] for text in ("b", "A", "é", "Z z", "", "'", "\\", "🎁", "a1", "a10", "a2", "ß")],
    ),
    "choices": (["enum('z','m','a')", "int(11)"], [[choice, n] for n in range(6) for choice in "zma"]),
    "days": (["date"], [[f"2026-{month:02d}-15"] for month in range(1, 13)]),
    "times": (["datetime(3)"], [[f"2026-01-01 00:00:{number:02d}.{number * 30:03d}"] for number in range(20)]),
    "instants": (["timestamp"], [[f"2026-01-01 00:{number:02d}:00"] for number in range(20)]),
    "bytes": (["varbinary(8)"], [[f"0x{number * 11 % 256:02x}00"] for number in range(20)]),
    "marks": (["set('x','y','z')", "bit(4)"], [[m, n] for m in ("", "x", "y", "x,y", "z") for n in range(3)]),
}
"""Tables with keys of many types: the types of the key, and its values."""


class Span:
    def set_attribute(self, name: str, value: Any) -> None: ...


@contextmanager
def trace(method: str, url: str) -> Iterator[Span]:
    yield Span()


@pytest.fixture
async def make_session(pma: Any) -> AsyncIterator[Callable[..., Any]]:
    async with httpx.AsyncClient(timeout=10) as http:

        async def make(server: str = "1", password: str = "") -> PhpMyAdminSession:
            url = f"{str(pma.http.base_url).rstrip('/')}/phpmyadmin"
            login = PhpMyAdminLogin(url, "merchant", password or await pma.read_password(), server, "shop")
            return PhpMyAdminSession(http, login, trace=trace)

        yield make


@pytest.fixture
async def session(make_session: Callable[..., Any]) -> PhpMyAdminSession:
    session = await make_session()
    await session.sign_in()
    return session


async def describe(session: PhpMyAdminSession, name: str) -> TableDescription:
    answer = await session.fetch(statements.describe_tables("shop", name), LIMITS)
    description = parse_description("shop", answer.rows)
    table = description.tables[name]
    if not description.may_check_json[name]:
        return table
    checks = await session.fetch(statements.list_json_checks("shop", name), LIMITS)
    holding = find_json_columns(row["c0"] for row in checks.rows)
    columns = (replace(column, has_json=column.has_json or column.name in holding) for column in table.columns)
    return replace(table, columns=tuple(columns))


async def read_all(session: PhpMyAdminSession, table: TableDescription) -> list[Any]:
    reader, after, rows = RowReader(table), None, []
    while True:
        limit = RANGE if table.key else None
        answer = await session.fetch(statements.select_rows(table, after=after, limit=limit), LIMITS)
        rows += [reader.read_row(row) for row in answer.rows]
        if limit is None or len(answer.rows) < limit:
            return rows
        after = rows[-1].position


def serialize(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


async def read_expected(pma: Any, name: str) -> list[dict[str, Any]]:
    return (await pma.control("GET", f"/tables/1/shop/{name}/document"))["data"]


async def create_keyed(pma: Any, name: str) -> None:
    types, keys = KEYS[name]
    parts = [f"part {number}" for number in range(len(types))]
    columns = [{"name": part, "type": type_} for part, type_ in zip(parts, types, strict=True)]
    table = {
        "columns": [*columns, {"name": "value", "type": "int(11)"}],
        "indexes": [{"name": "PRIMARY", "columns": parts}],
        "rows": [{**dict(zip(parts, key, strict=True)), "value": n} for n, key in enumerate(keys)],
    }
    await pma.control("PUT", f"/tables/1/shop/{name}", table)


@pytest.mark.parametrize("name", ["orders", "order_lines", "customers", "audit"])
async def test_every_table_of_the_sample_is_read_as_expected(pma: Any, session: Any, name: str) -> None:
    table = await describe(session, name)
    rows = [row.body for row in await read_all(session, table)]
    expected = await read_expected(pma, name)
    if table.key is None:
        rows, expected = (sorted(found, key=serialize) for found in (rows, expected))
    assert rows == expected and rows
    sums = await session.fetch_single(statements.measure_table(table), LIMITS)
    assert sums["c0"] == sums["c3"] == str(len(rows))


async def test_every_type_is_read_as_expected(pma: Any, session: Any) -> None:
    await pma.control("PUT", "/tables/1/shop/types", {**ALL_TYPES, "rows": [VALUES, EMPTY, NULLS]})
    table = await describe(session, "types")
    rows = await read_all(session, table)
    assert [row.fault for row in rows] == [""] * 3
    assert [row.body for row in rows] == await read_expected(pma, "types")
    assert rows[1].body["js"] == {"a/b": [None, "é"]} and rows[1].body["big"] == str(2**64 - 1)
    assert rows[2].body["local"] is None and rows[2].body["name"] == ""


@pytest.mark.parametrize("name", KEYS)
async def test_ranges_of_every_kind_of_key_neither_miss_nor_repeat_rows(pma: Any, session: Any, name: str) -> None:
    await create_keyed(pma, name)
    table = await describe(session, name)
    rows = await read_all(session, table)
    assert [row.body for row in rows] == await read_expected(pma, name)
    assert len({row.id for row in rows}) == len(KEYS[name][1])
    assert [row.sort_key for row in rows] == sorted(row.sort_key for row in rows)


@pytest.mark.parametrize("name", KEYS)
async def test_rows_are_found_by_their_ids(pma: Any, session: Any, name: str) -> None:
    await create_keyed(pma, name)
    table = await describe(session, name)
    wanted = (await read_all(session, table))[2:5]
    keys = [split_id(row.id) for row in wanted]
    answer = await session.fetch(statements.select_rows_by_key(table, keys), LIMITS)
    reader = RowReader(table)
    found = [reader.read_row(row) for row in answer.rows]
    assert sorted(row.id for row in found) == sorted(row.id for row in wanted)


async def test_sums_tell_every_change_of_a_row(pma: Any, session: Any) -> None:
    await pma.control("PUT", "/tables/1/shop/types", {**ALL_TYPES, "rows": [VALUES, EMPTY, NULLS]})
    table = await describe(session, "types")
    seen = set()
    changes: list[dict[str, Any]] = [
        {}, {"tiny": 0}, {"tiny": None}, {"name": ""}, {"name": None}, {"name": "NULL"}, {"raw": "0x00"}, {"raw": "0x"},
        {"bits": 1}, {"local": "2026-02-28 23:59:59.121"}, {"instant": None}, {"kind": "a"}, {"c`6": "'"},
    ]  # fmt: skip
    for change in changes:
        await pma.control("PUT", "/tables/1/shop/types", {**ALL_TYPES, "rows": [{**VALUES, **change}, EMPTY, NULLS]})
        sums = await session.fetch_single(statements.measure_table(table), LIMITS)
        assert sums["c0"] == sums["c3"] == "3"
        seen.add((sums["c1"], sums["c2"]))
    assert len(seen) == len(changes)


@pytest.mark.parametrize("column", ["updated_at", "created_at"])
async def test_changed_rows_are_found_by_a_column_that_says_when(pma: Any, session: Any, column: str) -> None:
    table = await describe(session, "orders")
    assert list_change_columns(table) == ("updated_at",)
    changed = table.find_column(column)
    assert changed is not None
    await pma.control(
        "PATCH", "/tables/1/shop/orders/rows", {"where": {"id": 1100}, "set": {"created_at": "2027-01-01 00:00:00"}}
    )
    latest = await session.fetch_single(statements.measure_changes(table, changed), LIMITS)
    assert latest["c0"] == "200" and latest["c1"] > "2026-11-01"
    condition = statements.build_changed_condition(changed, latest["c1"], 30)
    answer = await session.fetch(statements.select_rows(table, changed_since=condition), LIMITS)
    assert [row["k0"] for row in answer.rows] == ["1100"]


async def test_checksums_databases_and_rights_are_told(pma: Any, session: Any) -> None:
    table = await describe(session, "orders")
    assert (await session.fetch_single(statements.read_checksum(table), LIMITS))["Checksum"] is None
    databases = await session.fetch(statements.list_databases(), LIMITS)
    assert [row["c0"] for row in databases.rows] == ["shop"]
    grants = await session.fetch_grants(statements.show_grants(), LIMITS)
    assert not can_write(grants) and "PASSWORD" not in "".join(grants)
    await pma.control("PUT", "/setup", {"privileges": ["ALL PRIVILEGES"]})
    assert can_write(await session.fetch_grants(statements.show_grants(), LIMITS))
    live = {
        "columns": [{"name": "n", "type": "int(11)"}],
        "rows": [{"n": 1}],
        "engine": "Aria",
        "options": "checksum=1",
    }
    await pma.control("PUT", "/tables/1/shop/live", live)
    table = await describe(session, "live")
    assert table.has_live_checksum
    assert (await session.fetch_single(statements.read_checksum(table), LIMITS))["Checksum"] is not None


async def test_the_time_of_the_last_change_is_told_until_a_restart(pma: Any, session: Any) -> None:
    assert (await describe(session, "orders")).updated_at is None
    await pma.control("PATCH", "/tables/1/shop/orders/rows", {"where": {"id": 1001}, "set": {"note": "x"}})
    table = await describe(session, "orders")
    assert table.updated_at is not None and abs(table.read_at - table.updated_at) < 60


async def test_a_host_without_json_is_read_as_csv(pma: Any, session: Any) -> None:
    await pma.control("PUT", "/setup", {"has_json_export": False})
    await pma.control("PUT", "/tables/1/shop/types", {**ALL_TYPES, "rows": [VALUES, EMPTY, NULLS]})
    for name in ("types", "orders"):
        table = await describe(session, name)
        assert [row.body for row in await read_all(session, table)] == await read_expected(pma, name)


async def test_a_second_server_has_a_json_type(pma: Any, make_session: Callable[..., Any]) -> None:
    await pma.control("PUT", "/setup", {"servers": 2})
    session = await make_session("2")
    await session.sign_in()
    columns = [{"name": "id", "type": "int"}, {"name": "js", "type": "json"}]
    rows = [{"id": 1, "js": {"a": 1}}]
    key = [{"name": "PRIMARY", "columns": ["id"]}]
    await pma.control("PUT", "/tables/2/shop/docs", {"columns": columns, "indexes": key, "rows": rows})
    table = await describe(session, "docs")
    assert [row.body for row in await read_all(session, table)] == rows


@pytest.mark.parametrize("kind", ["http", "config"])
async def test_other_kinds_of_login_are_read(pma: Any, make_session: Callable[..., Any], kind: str) -> None:
    await pma.control("PUT", "/setup", {"login_kind": kind})
    session = await make_session()
    await session.sign_in()
    assert len(await read_all(session, await describe(session, "orders"))) == 200


@pytest.mark.parametrize("setup", [{"has_captcha": True}, {"has_second_factor": True}])
async def test_what_no_program_can_do_is_said(pma: Any, make_session: Callable[..., Any], setup: Any) -> None:
    await pma.control("PUT", "/setup", setup)
    with pytest.raises(SignInImpossibleError):
        await (await make_session()).sign_in()


async def test_a_wrong_password_is_refused_after_one_try(pma: Any, make_session: Callable[..., Any]) -> None:
    with pytest.raises(SignInRefusedError):
        await (await make_session(password="wrong")).sign_in()
    assert (await pma.control("GET", "/statistics"))["logins"] == {"refused": 1}


@pytest.mark.parametrize(
    "fault",
    [
        {"cut_after_bytes": 500}, {"html_after_rows": 20}, {"lose_connection_after_rows": 20}, {"no_rows": True},
        {"html_after_rows": 0}, {"cut_after_bytes": 0}, {"lose_connection_after_rows": 200},
    ],
)  # fmt: skip
@pytest.mark.parametrize("has_json", [True, False])
async def test_an_answer_that_is_not_whole_is_never_taken_for_one(
    pma: Any, session: Any, fault: dict[str, Any], has_json: bool
) -> None:
    await pma.control("PUT", "/setup", {"has_json_export": has_json})
    table = await describe(session, "orders")
    await pma.control("PUT", "/faults", fault)
    with pytest.raises(CutAnswerError):
        await session.fetch(statements.select_rows(table), LIMITS)


async def test_a_sum_without_a_row_is_no_sum(pma: Any, session: Any) -> None:
    table = await describe(session, "orders")
    await pma.control("PUT", "/faults", {"no_rows": True})
    with pytest.raises(CutAnswerError):
        await session.fetch_single(statements.measure_table(table), LIMITS)


async def test_a_warning_before_the_data_does_no_harm(pma: Any, session: Any) -> None:
    table = await describe(session, "orders")
    await pma.control("PUT", "/faults", {"warning": True})
    assert len(await read_all(session, table)) == 200


async def test_refused_tables_and_ended_sessions_are_told_apart(pma: Any, session: Any) -> None:
    table = await describe(session, "orders")
    await pma.control("PUT", "/faults", {"refused_tables": ["shop.orders"]})
    with pytest.raises(StatementRefusedError) as refused:
        await session.fetch(statements.select_rows(table), LIMITS)
    assert refused.value.code == 1142
    await pma.control("PUT", "/faults", {"end_sessions_after_exports": 0})
    with pytest.raises(SignedOutError):
        await session.fetch(statements.select_rows(table), LIMITS)


async def test_signing_out_ends_the_session(pma: Any, session: Any) -> None:
    await session.sign_out()
    assert await pma.control("DELETE", "/sessions") == {"ended": 0}
