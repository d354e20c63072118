"""Tables of every kind for tests: all types, keys of many types, odd names, and texts that are easily confused."""

from typing import Any

from hypothesis import strategies as st

from table_worlds import Row, WorldColumn, WorldTable

ODD_NAMES = ("c`6", "a b", "back\\slash", "z", "c0", "鈴木", "select", "it's", 'say "x"', "x,y;-- #")
TEXTS = (
    None,
    "",
    "NULL",
    "\\N",
    "'",
    '"',
    "\\",
    "a\\'b\"c",
    "two\nlines\r\n\tand a tab",
    "😀 ñ 鈴木",
    " blanks ",
    "0x41",
    "a,b",
    "</code><code>#1146 - x</code>",
    '"z":"1"',
)
"""Texts that a careless reader takes for something else."""

EVERY_TYPE = (
    WorldColumn("id", "int(11)", nullable=False),
    WorldColumn("tiny", "tinyint(4)"),
    WorldColumn("flag", "tinyint(1)"),
    WorldColumn("small", "smallint(5) unsigned"),
    WorldColumn("medium", "mediumint(9)"),
    WorldColumn("big", "bigint(20)"),
    WorldColumn("biggest", "bigint(20) unsigned"),
    WorldColumn("price", "decimal(30,10)"),
    WorldColumn("ratio", "double"),
    WorldColumn("single", "float"),
    WorldColumn("bits", "bit(9)"),
    WorldColumn("fixed", "char(8)"),
    WorldColumn("name", "varchar(200)"),
    WorldColumn("western", "varchar(50)", collation="latin1_swedish_ci"),
    WorldColumn("long", "text"),
    WorldColumn("longest", "longtext"),
    WorldColumn("bytes4", "binary(4)"),
    WorldColumn("bytes", "varbinary(20)"),
    WorldColumn("blob", "blob"),
    WorldColumn("day", "date"),
    WorldColumn("local", "datetime(3)"),
    WorldColumn("second", "datetime"),
    WorldColumn("instant", "timestamp"),
    WorldColumn("clock", "time"),
    WorldColumn("in_year", "year(4)"),
    WorldColumn("kind", "enum('a','b''c','é')"),
    WorldColumn("marks", "set('x','y','z')"),
    WorldColumn("js", "longtext", holds_json=True, collation="utf8mb4_bin"),
    WorldColumn("place", "point"),
    WorldColumn("network", "inet6"),
    WorldColumn("unique_id", "uuid"),
)
FULL_ROW: Row = {
    "id": 1, "tiny": -128, "flag": 1, "small": 65535, "medium": -8388608, "big": -(2**63), "biggest": 2**64 - 1,
    "price": "12345678901234567890.0123456789", "ratio": 1e300, "single": 0.1, "bits": 261, "fixed": "abc",
    "name": "O'Brien \\ \"x\"\n🎁", "western": "naïve Zoë", "long": "\\N", "longest": "NULL", "bytes4": "0x0001",
    "bytes": "0x00ff41", "blob": "0x27225c0a00", "day": "2026-02-28", "local": "2026-02-28 23:59:59.120",
    "second": "9999-12-31 23:59:59", "instant": "2026-02-28 23:59:59", "clock": "-12:30:00", "in_year": 2026,
    "kind": "b'c", "marks": "x,z", "js": {"a/b": [None, "é", 1.5, "\\N"], "": {}}, "place": "POINT(1 2)",
    "network": "2001:db8::1", "unique_id": "123e4567-e89b-12d3-a456-426655440000",
}  # fmt: skip
EMPTY_ROW: Row = {
    "id": 2, "tiny": 0, "flag": 0, "small": 0, "medium": 0, "big": 0, "biggest": 0, "price": "0", "ratio": 0.0,
    "single": 0.0, "bits": 0, "fixed": "", "name": "", "western": "", "long": "", "longest": "", "bytes4": "0x",
    "bytes": "0x", "blob": "0x", "day": "0000-00-00", "local": "0000-00-00 00:00:00", "second": "2026-00-00 00:00:00",
    "instant": None, "clock": "00:00:00", "in_year": 1901, "kind": "a", "marks": "", "js": [], "place": "POINT(0 0)",
    "network": "::", "unique_id": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip
NULL_ROW: Row = {"id": -3}
LARGE_ROW: Row = {"id": 2**31 - 1, "big": 2**53, "biggest": 2**53 + 1, "price": "-0.5", "ratio": -2.5, "single": 1.1}
EVERY_VALUE = WorldTable("types", EVERY_TYPE, ("id",), (FULL_ROW, EMPTY_ROW, NULL_ROW, LARGE_ROW))
ODD = WorldTable(
    "odd `table` \\ 'x' 鈴木",
    (WorldColumn("id", "int(11)", nullable=False), *(WorldColumn(name, "varchar(50)") for name in ODD_NAMES)),
    ("id",),
    tuple(
        {"id": number, **{name: TEXTS[(number + place) % len(TEXTS)] for place, name in enumerate(ODD_NAMES)}}
        for number in range(len(TEXTS))
    ),
)
KEYLESS = WorldTable(
    "audit",
    (WorldColumn("at", "datetime(3)"), WorldColumn("what", "varchar(40)")),
    rows=tuple({"at": f"2026-01-01 00:00:{number % 7:02}.500", "what": TEXTS[number % 3]} for number in range(40)),
)
"""It has many equal rows."""

_KEYS: dict[str, tuple[list[str], list[list[Any]]]] = {
    "numbers of 2^63": (["bigint(20) unsigned"], [[2**63 + number * 3] for number in range(-10, 10)]),
    "negative numbers": (["bigint(20)"], [[-(2**63) + 1], *([number] for number in range(-9, 9)), [2**63 - 1]]),
    "two numbers": (["int(11)", "smallint(5)"], [[number // 4 - 3, number % 4] for number in range(24)]),
    "three parts": (
        ["int(11)", "varchar(9)", "date"],
        [[n // 9, f"k{n // 3 % 3}", f"2026-01-0{n % 3 + 1}"] for n in range(27)],
    ),
    "decimals": (["decimal(12,2)"], [[f"{number * 3 - 30}.{number:02d}"] for number in range(20)]),
    "texts": (
        ["varchar(20)"],
        [
            [text]
            for text in ("b", "A", "aa", "é!", "Z z", "", "'", "\\", "🎁", "a1", "a10", "a2", "ß?", "~", ",", "a,b")
        ],
    ),
    "long texts": (["varchar(40)"], [[f"the same beginning {number:04d}"] for number in range(20)]),
    "western texts": (["varchar(20)"], [[text] for text in ("b", "é!", "ü", "Z z", "ñ", "a1", "a10", "a2", "ß?")]),
    "choices": (["enum('z','m','a')", "int(11)"], [[choice, n] for n in range(6) for choice in "zma"]),
    "days": (["date"], [["0000-00-00"], *([f"2026-{month:02d}-15"] for month in range(1, 13))]),
    "local times": (["datetime(3)"], [[f"2026-01-01 00:00:{number:02d}.{number * 30:03d}"] for number in range(20)]),
    "instants": (["timestamp"], [[f"2026-01-01 00:{number:02d}:00"] for number in range(20)]),
    "bytes": (["varbinary(8)"], [[f"0x{number * 11 % 256:02x}00"] for number in range(20)]),
    "padded bytes": (["binary(4)"], [[f"0x{number * 11 % 256:02x}000000"] for number in range(20)]),
    "marks": (["set('x','y','z')", "bit(4)"], [[m, n] for m in ("", "x", "y", "x,y", "z") for n in range(3)]),
    "times of day": (["time"], [[f"{hour:02d}:30:00"] for hour in range(20)]),
}


def build_keyed(name: str) -> WorldTable:
    """Build a table with a key of a kind."""
    types, keys = _KEYS[name]
    collation = "latin1_swedish_ci" if name == "western texts" else "utf8mb4_general_ci"
    parts = [
        WorldColumn(f"part {number}", type_, nullable=False, collation=collation if "char" in type_ else _DEFAULT)
        for number, type_ in enumerate(types)
    ]
    names = tuple(part.name for part in parts)
    rows = tuple({**dict(zip(names, key, strict=True)), "value": n} for n, key in enumerate(keys))
    return WorldTable(f"key {name}", (*parts, WorldColumn("value", "int(11)")), names, rows)


_DEFAULT = "utf8mb4_general_ci"
KEYS = tuple(_KEYS)
"""The kinds of keys."""


def build_orders(count: int, **more: Any) -> WorldTable:
    """Build a table with a number for each row, a name, a note and the time of its change."""
    columns = (
        WorldColumn("id", "int(11)", nullable=False),
        WorldColumn("name", "varchar(50)"),
        WorldColumn("note", "text"),
        WorldColumn("changed", "datetime"),
    )
    rows = tuple(build_order(number) for number in range(1, count + 1))
    return WorldTable(**{"name": "orders", "columns": columns, "key": ("id",), "rows": rows, **more})


def build_order(number: int, changed: str = "2026-01-01 00:00:00") -> Row:
    """Build a row of such a table."""
    note = TEXTS[number % len(TEXTS)]
    return {"id": number, "name": f"row {number}", "note": note, "changed": changed}


_ANY_TEXT = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"], max_codepoint=0x2FF), max_size=6
)
_BYTES = st.binary(max_size=4).map(lambda value: f"0x{value.hex()}")
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "tiny": st.integers(-128, 127),
    "big": st.integers(-(2**63), 2**63 - 1),
    "biggest": st.integers(0, 2**64 - 1),
    "price": st.decimals(-1000, 1000, places=10).map("{:f}".format),
    "ratio": st.sampled_from([0.0, 0.1, 0.1 + 2**-56, 1e300, -1e-300]),
    "single": st.sampled_from([0.0, 0.1, 0.25, 3.5]),
    "bits": st.integers(0, 511),
    "name": _ANY_TEXT,
    "long": _ANY_TEXT,
    "longest": _ANY_TEXT,
    "bytes4": _BYTES,
    "bytes": _BYTES,
    "blob": _BYTES,
    "day": st.sampled_from(["0000-00-00", "2026-00-00", "2026-01-01", "2026-01-02"]),
    "local": st.sampled_from(["0000-00-00 00:00:00", "2026-01-01 00:00:00.001", "2026-01-01 00:00:00.002"]),
    "instant": st.sampled_from(["2026-03-01 00:00:00", "2026-03-01 00:00:01"]),
    "clock": st.sampled_from(["-00:00:01", "00:00:01", "100:00:00"]),
    "kind": st.sampled_from(["a", "b'c", "é"]),
    "marks": st.sampled_from(["", "x", "x,y", "z"]),
    "js": st.sampled_from([[], {}, [None], ["\\N"], [1], ["1"]]),
    "place": st.sampled_from(["POINT(1 2)", "POINT(2 1)"]),
}
CHANGES = st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()})
"""Values for columns of `EVERY_VALUE`."""
