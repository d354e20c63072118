"""The values of rows: every type's form in JSON, ids of every kind of key, and the order of rows."""

import base64
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.phpmyadmin.columns import Column
from platforms.phpmyadmin.names import join_id, split_id
from platforms.phpmyadmin.statements import KeyPosition, select_rows
from platforms.phpmyadmin.tests.tables import build_column, build_table
from platforms.phpmyadmin.values import MalformedRowError, Row, RowReader, compute_sort_key


def read(data_type: str, text: str | None, instant: str | None = None, **more: Any) -> Row:
    """Read a row of the keyed table (id, a), where a has this type and text."""
    reader = RowReader(build_table(build_column("id"), build_column("a", data_type, **more), key=["id"]))
    return reader.read_row({"z": "0", "k0": "7", "c0": "7", "c1": text, "t1": instant})


def convert(data_type: str, text: str | None, instant: str | None = None, **more: Any) -> Any:
    row = read(data_type, text, instant, **more)
    assert row.body is not None, row.fault
    return row.body["a"]


def read_key(texts: Sequence[str], *columns: Column, **more: str) -> Row:
    """Read a row of a table whose columns are all in its key."""
    reader = RowReader(build_table(*columns, key=[column.name for column in columns]))
    keys = {f"k{number}": text for number, text in enumerate(texts)}
    return reader.read_row({"z": "0", **{f"c{number}": "1" for number in range(len(columns))}, **keys, **more})


@pytest.mark.parametrize(
    ("data_type", "text", "value"),
    [
        ("int", "0", 0),
        ("int", "-5", -5),
        ("int", "0000000042", 42),
        ("tinyint", "1", 1),
        ("year", "2026", 2026),
        ("bigint", str(2**53), 2**53),
        ("bigint", str(2**53 + 1), str(2**53 + 1)),
        ("bigint", str(-(2**53)), -(2**53)),
        ("bigint", str(-(2**53) - 1), str(-(2**53) - 1)),
        ("bigint", str(-(2**63)), str(-(2**63))),
        ("bigint", str(2**63), str(2**63)),
        ("bigint", str(2**64 - 1), str(2**64 - 1)),
        ("bit", "5", 5),
        ("bit", str(2**63 + 1), str(2**63 + 1)),
        ("decimal", "1.50", "1.50"),
        ("decimal", "-0.0000000001", "-0.0000000001"),
        ("float", "0.1", 0.1),
        ("double", "1e300", 1e300),
        ("double", "-0", -0.0),
        ("varchar", "", ""),
        ("varchar", "NULL", "NULL"),
        ("varchar", r"\N", r"\N"),
        ("text", 'a "b"\n\t😀 ', 'a "b"\n\t😀 '),
        ("enum", "new", "new"),
        ("set", "a,b", "a,b"),
        ("time", "-838:59:59.999999", "-838:59:59.999999"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("point", "POINT(1 2)", "POINT(1 2)"),
        ("blob", "", ""),
        ("blob", "00FF41", "AP9B"),
        ("binary", "00010000", "AAEAAA=="),
        ("date", "2026-11-30", "2026-11-30"),
        ("date", "0001-01-01", "0001-01-01"),
        ("date", "9999-12-31", "9999-12-31"),
        ("datetime", "2024-02-29 12:34:56.123456", "2024-02-29T12:34:56.123456"),
        ("datetime", "2024-02-29 12:34:56", "2024-02-29T12:34:56"),
        ("json", '{"a": [1, null, "ä"]}', {"a": [1, None, "ä"]}),
        ("json", "null", None),
        ("json", '"x"', "x"),
        ("json", "1.5", 1.5),
    ],
)
def test_a_value_becomes_what_its_type_says(data_type: str, text: str, value: Any) -> None:
    converted = convert(data_type, text)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    "data_type",
    ["int", "decimal", "double", "varchar", "blob", "date", "datetime", "timestamp", "json", "bit", "point"],
)
def test_null_is_null_in_every_type_and_is_no_zero_date(data_type: str) -> None:
    assert convert(data_type, None) is None


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        ("date", "0000-00-00"),
        ("date", "2026-00-00"),
        ("date", "2026-11-00"),
        ("datetime", "0000-00-00 00:00:00"),
        ("datetime", "2026-00-15 12:00:00.000"),
        ("timestamp", "0000-00-00 00:00:00"),
    ],
)
def test_a_date_with_a_zero_in_it_is_null_and_counted(data_type: str, text: str) -> None:
    reader = RowReader(build_table(build_column("a", data_type)))
    row = reader.read_row({"z": "0", "c0": text, "t0": "0"})
    assert row.body == {"a": None}
    assert reader.zero_dates == 1


@pytest.mark.parametrize(
    ("text", "instant", "value"),
    [
        ("2026-11-30 12:00:00", "1796036400", "2026-11-30T12:00:00+01:00"),
        ("2026-11-30 12:00:00", "1796040000", "2026-11-30T12:00:00+00:00"),
        ("2026-11-30 12:00:00", "1796058000.000000", "2026-11-30T12:00:00-05:00"),
        ("2026-11-30 12:00:00", "1796020200", "2026-11-30T12:00:00+05:30"),
        ("2026-11-30 12:00:00", "1796052600", "2026-11-30T12:00:00-03:30"),
        ("2026-11-30 12:00:00.123456", "1796036400.123456", "2026-11-30T12:00:00.123456+01:00"),
        # In Berlin the clocks went back from 3:00 to 2:00 at 01:00 UTC.
        ("2026-10-25 02:30:00", "1792888200", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25 02:30:00", "1792891800", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_a_timestamp_has_the_offset_that_the_server_had_then(text: str, instant: str, value: str) -> None:
    assert convert("timestamp", text, instant) == value


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        ("int", "Seven"),
        ("int", ""),
        ("int", "1.5"),
        ("bit", "0x41x"),
        ("double", "Seven"),
        ("double", "nan"),
        ("double", "inf"),
        ("double", "1e999"),
        ("blob", "Seven"),
        ("blob", "ABC"),
        ("date", "Seven"),
        ("date", "2026-11-3x"),
        ("date", "30.11.2026"),
        ("date", "2026-11-30 12:00:00"),
        ("datetime", "Seven"),
        ("datetime", "2026-11-30"),
        ("datetime", "2026-11-30 Seven"),
        ("timestamp", "2026-11-30 Seven"),
        ("json", "{Seven"),
        ("json", ""),
        ("json", "NaN"),
        ("json", '{"a": 1'),
    ],
)
def test_a_malformed_value_is_a_fault_with_its_column_and_without_the_value(data_type: str, text: str) -> None:
    row = read(data_type, text, "0")
    assert row.body is None
    assert row.id == "7" and row.position == KeyPosition(("7",))
    assert "value of a " in row.fault
    assert "Seven" not in row.fault and "2026" not in row.fault


@pytest.mark.parametrize("instant", [None, "", "Seven", "nan", "inf"])
def test_a_timestamp_without_its_instant_is_a_fault_and_no_zero_date(instant: str | None) -> None:
    reader = RowReader(build_table(build_column("a", "timestamp")))
    row = reader.read_row({"z": "0", "c0": "2026-11-30 12:00:00", "t0": instant})
    assert row.body is None and row.fault
    assert reader.zero_dates == 0


def test_a_json_column_of_mariadb_is_json() -> None:
    assert convert("longtext", '{"a":1}', has_json=True) == {"a": 1}
    assert convert("longtext", '{"a":1}') == '{"a":1}'


@given(st.binary(max_size=64))
def test_bytes_come_back_from_base64(value: bytes) -> None:
    assert base64.b64decode(convert("longblob", value.hex().upper())) == value


@given(st.sampled_from(["int", "date", "datetime", "timestamp", "json", "double", "blob", "bit"]), st.text(max_size=30))
def test_any_text_is_a_value_or_a_fault(data_type: str, text: str) -> None:
    row = read(data_type, text, text)
    assert (row.body is None) == bool(row.fault)
    if row.body is not None:
        orjson.dumps(row.body)


@pytest.mark.parametrize(
    ("column", "key", "more", "record_id"),
    [
        (build_column(data_type="int"), "7", {}, "7"),
        (build_column(data_type="bigint"), "-9223372036854775808", {}, "-9223372036854775808"),
        (build_column(data_type="bigint"), "18446744073709551615", {}, "18446744073709551615"),
        (build_column(data_type="decimal"), "1.50", {}, "1.50"),
        (build_column(data_type="bit"), "5", {}, "5"),
        (build_column(data_type="year"), "2026", {}, "2026"),
        (build_column(data_type="date"), "2026-11-30", {}, "2026-11-30"),
        (build_column(data_type="datetime"), "2026-11-30 12:00:00", {}, "2026-11-30~2012~3A00~3A00"),
        (build_column(data_type="timestamp"), "1796036400.123", {"t0": "1796036400.123"}, "1796036400.123"),
        (build_column(data_type="varchar"), "C3A42C2062", {}, "~C3~A4~2C~20b"),
        (build_column(data_type="varchar"), "", {}, "~"),
        (build_column(data_type="varchar"), "2E2E", {}, "~2E~2E"),
        (build_column(data_type="time"), "2D31323A30303A3030", {}, "-12~3A00~3A00"),
        (build_column(data_type="varbinary"), "00FF", {}, "00FF"),
        (build_column(data_type="varbinary"), "", {}, "~"),
        (build_column(data_type="enum"), "2", {"c0": "in work"}, "in~20work"),
        (build_column(data_type="set"), "3", {"c0": "a,b"}, "a~2Cb"),
    ],
)
def test_the_id_of_a_row_is_its_key_as_a_person_writes_it(
    column: Column, key: str, more: dict[str, str], record_id: str
) -> None:
    row = read_key([key], column, **more)
    assert row.id == record_id
    assert row.position == KeyPosition((key,))


def test_the_id_of_a_composite_key_has_its_columns_in_their_order() -> None:
    row = read_key(
        ["7", "C3A4", "2026-11-30"], build_column("a"), build_column("b", "varchar"), build_column("c", "date")
    )
    assert row.id == "7,~C3~A4,2026-11-30"
    assert row.position == KeyPosition(("7", "C3A4", "2026-11-30"))


@pytest.mark.parametrize(
    ("data_type", "key"),
    [
        ("int", "Seven"),
        ("int", ""),
        ("int", "1e5"),
        ("decimal", "NaN"),
        ("decimal", "1E+5"),
        ("timestamp", "inf"),
        ("varchar", "4"),
        ("varchar", "zz"),
        ("varchar", "FF"),
        ("binary", "zz"),
        ("date", "Seven"),
        ("datetime", ""),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_row_whose_key_cannot_be_read_is_malformed_wherever_it_is_in_the_key(
    data_type: str, key: str, position: int
) -> None:
    columns, keys = [build_column(name) for name in "abc"], ["7", "7", "7"]
    columns[position], keys[position] = build_column("x", data_type), key
    with pytest.raises(MalformedRowError) as raised:
        read_key(keys, *columns)
    assert "Seven" not in str(raised.value)


@pytest.mark.parametrize("missing", ["k0", "c0", "c1"])
def test_a_row_that_lacks_a_column_is_malformed(missing: str) -> None:
    reader = RowReader(build_table(build_column("id"), build_column("a"), key=["id"]))
    texts = {"z": "0", "k0": "7", "c0": "7", "c1": "1"}
    del texts[missing]
    with pytest.raises(MalformedRowError):
        reader.read_row(texts)


@given(st.integers(1, 3), st.data())
def test_a_key_that_is_read_can_be_written_into_a_statement(size: int, data: Any) -> None:
    kinds = ["bigint", "decimal", "varchar", "date", "datetime", "timestamp", "binary"]
    columns = [build_column(f"c{number}", data.draw(st.sampled_from(kinds))) for number in range(size)]
    texts = [data.draw(st.text(alphabet="-0123456789.eAF :", max_size=10)) for _ in columns]
    try:
        row = read_key(texts, *columns)
    except MalformedRowError:
        return
    select_rows(build_table(*columns, key=[column.name for column in columns]), after=row.position, limit=1)


def test_a_key_that_is_too_long_is_a_fault_with_an_id_of_its_own_that_names_no_row() -> None:
    ids = set()
    for number in range(300):
        row = read_key([("a" * 1000 + str(number)).encode().hex()], build_column("a", "varchar"))
        assert row.body is None and "more than 1000 characters" in row.fault
        assert row.position is not None
        assert len(row.id) < 200
        ids.add(row.id)
        # It would be looked for, not found, and taken for deleted.
        with pytest.raises(ValueError, match=r"."):
            split_id(row.id)
    assert len(ids) == 300


def test_equal_rows_without_a_key_are_told_apart_by_their_number() -> None:
    reader = RowReader(build_table(build_column("a"), build_column("b", "varchar")))
    ids = [
        reader.read_row({"z": "0", "c0": a, "c1": b}).id for a, b in (("1", "x"), ("1", "x"), ("2", "x"), ("1", "x"))
    ]
    assert len(set(ids)) == 4
    first = ids[0].removesuffix("-1")
    assert [ids[1], ids[3]] == [f"{first}-2", f"{first}-3"] and ids[2].endswith("-1")
    assert all(re.fullmatch(r"[0-9a-f]{32}-\d+", one) for one in ids)


def test_rows_without_a_key_have_the_same_ids_in_any_order() -> None:
    rows = [{"z": "0", "c0": str(number % 3)} for number in range(9)]
    table = build_table(build_column("a"))
    one, other = RowReader(table), RowReader(table)
    assert {one.read_row(row).id for row in rows} == {other.read_row(row).id for row in reversed(rows)}


def test_null_and_the_empty_text_are_different_rows() -> None:
    reader = RowReader(build_table(build_column("a", "varchar")))
    ids = [reader.read_row({"z": "0", "c0": text}).id for text in (None, "", "NULL")]
    assert len(set(ids)) == 3 and all(one.endswith("-1") for one in ids)


SIGNED, UNSIGNED = build_column("a", "bigint"), build_column("a", "bigint", "bigint(20) unsigned")
LONG, ULONG = build_column("b", "bigint"), build_column("b", "bigint", "bigint unsigned")
INT, UINT = build_column("b", "int"), build_column("b", "int", "int unsigned")
SMALL_TEXTS = st.text(alphabet="aÄz\0", max_size=10).map(lambda text: text.encode().hex().upper())
BYTES = st.binary(max_size=10).map(lambda value: value.hex().upper())
INTEGERS = (st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)).map(str)
NATURALS = (st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.integers(2**63 - 3, 2**63 + 3)).map(str)
SHORT_INTEGERS = (st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)).map(str)
SHORT_NATURALS = (st.integers(0, 2**32 - 1) | st.integers(0, 3)).map(str)
DECIMALS = st.decimals(-(10**30), 10**30, places=2).map("{:f}".format)
DATES = st.dates().map(str)
TIMES = st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds"))
KINDS: dict[str, tuple[tuple[Column, ...], tuple[st.SearchStrategy[str], ...]]] = {
    "signed": ((SIGNED,), (INTEGERS,)),
    "unsigned": ((UNSIGNED,), (NATURALS,)),
    "bits": ((build_column("a", "bit", "bit(64)"),), (NATURALS,)),
    "choices": ((build_column("a", "set"),), (NATURALS,)),
    "decimal": ((build_column("a", "decimal"),), (DECIMALS,)),
    "timestamp": ((build_column("a", "timestamp"),), (SHORT_NATURALS,)),
    "text": ((build_column("a", "varchar"),), (SMALL_TEXTS,)),
    "bytes": ((build_column("a", "varbinary"),), (BYTES,)),
    "date": ((build_column("a", "date"),), (DATES,)),
    "datetime": ((build_column("a", "datetime"),), (TIMES,)),
    "two integers": ((build_column("a", "int"), INT), (SHORT_INTEGERS, SHORT_INTEGERS)),
    "two unsigned integers": ((build_column("a", "int", "int unsigned"), UINT), (SHORT_NATURALS, SHORT_NATURALS)),
    "two long integers": ((SIGNED, LONG), (INTEGERS, INTEGERS)),
    "two unsigned long integers": ((UNSIGNED, ULONG), (NATURALS, NATURALS)),
    "an integer and a text": ((INT, build_column("a", "varchar")), (SHORT_INTEGERS, SMALL_TEXTS)),
    "a text and an integer": ((build_column("a", "varchar"), INT), (SMALL_TEXTS, SHORT_INTEGERS)),
    "a decimal and an integer": ((build_column("a", "decimal"), INT), (DECIMALS, SHORT_INTEGERS)),
    "a date and an integer": ((build_column("a", "date"), INT), (DATES, SHORT_INTEGERS)),
}


def parse_keys(columns: Sequence[Column], texts: Sequence[str]) -> list[Any]:
    return [column.parse_key(text) for column, text in zip(columns, texts, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_sort_keys_rise_with_the_keys(kind: str, data: Any) -> None:
    columns, keys = KINDS[kind]
    values = [data.draw(st.tuples(*keys)), data.draw(st.tuples(*keys))]
    low, high = sorted(values, key=lambda texts: parse_keys(columns, texts))
    numbers = [compute_sort_key(columns, low), compute_sort_key(columns, high)]
    assert numbers[0] <= numbers[1]


@given(st.lists(st.tuples(INTEGERS, NATURALS, SHORT_INTEGERS), min_size=2, max_size=2))
def test_keys_of_integers_are_told_apart_by_their_sort_key(keys: list[tuple[str, str, str]]) -> None:
    columns = (SIGNED, ULONG, INT)
    one, other = (compute_sort_key(columns, key) for key in keys)
    first, second = (tuple(map(int, key)) for key in keys)
    assert (one < other) == (first < second) and (one == other) == (first == second)


@given(INTEGERS | NATURALS)
def test_the_sort_key_of_one_integer_is_that_integer(text: str) -> None:
    assert compute_sort_key([UNSIGNED], [text]) == int(text)


@given(st.lists(st.decimals(-(10**20), 10**20, places=3), min_size=2, max_size=2))
def test_numbers_are_compared_as_numbers(values: list[Decimal]) -> None:
    column = build_column("a", "decimal")
    texts = [f"{value:f}" for value in values]
    assert sorted(texts, key=lambda text: parse_keys([column], [text])) == [f"{value:f}" for value in sorted(values)]


@given(st.lists(st.text(max_size=6), min_size=1, max_size=3))
def test_the_id_of_texts_leads_back_to_them(values: list[str]) -> None:
    columns = [build_column(f"c{number}", "varchar") for number in range(len(values))]
    row = read_key([value.encode().hex() for value in values], *columns)
    assert row.id == join_id(values)
    assert split_id(row.id) == tuple(values)
