"""What a database tells of itself: keys that tell rows apart, times that prove something, JSON, and rights."""

from typing import Any

import pytest
from hypothesis import given

from platforms.phpmyadmin.columns import Column, ColumnOrder, TableDescription, UniqueKey, choose_key
from platforms.phpmyadmin.descriptions import can_write, find_json_columns, list_change_columns, parse_description
from platforms.phpmyadmin.errors import CutAnswerError
from platforms.phpmyadmin.tests.tables import NAMES, build_column, build_table
from platforms.phpmyadmin.values import TextRow

MARIADB, MYSQL_5, MYSQL_8 = "10.11.6-MariaDB-0+deb12u1", "5.7.44-log", "8.0.36"


def build_row(kind: str, *values: str | None) -> TextRow:
    padded = (*values, *[None] * (7 - len(values)))
    return {"z": "0", "c0": kind, **{f"c{number}": value for number, value in enumerate(padded, 1)}}


class Description:
    """Builds the rows that describe the table `orders`."""

    def __init__(self, version: str = MARIADB) -> None:
        self.version = version
        self.table: tuple[str | None, ...] = ("orders", "BASE TABLE", "InnoDB", "", None)
        self.columns: list[tuple[str, str, str]] = []
        self.keys: list[tuple[str, str | None, str, str | None, str]] = []

    def add_column(self, name: str, data_type: str = "int", nullable: str = "NO") -> "Description":
        """Add a column."""
        self.columns.append((name, data_type, nullable))
        return self

    def add_key(self, index: str, *names: str | None, prefix: str | None = None, nullable: str = "") -> "Description":
        """Add a unique index."""
        self.keys += [(index, name, str(place), prefix, nullable) for place, name in enumerate(names, 1)]
        return self

    def parse(self, exclude: tuple[str, ...] = ()) -> TableDescription:
        """Parse the rows, of which the parts come in another order than that of their positions."""
        rows = [
            build_row("server", self.version, "1796036400.123"),
            build_row("table", *self.table),
            *(build_row("key", "orders", *key) for key in reversed(self.keys)),
            *reversed(
                [
                    build_row("column", "orders", name, str(place), kind, f"{kind}(11) UNSIGNED", nullable, None)
                    for place, (name, kind, nullable) in enumerate(self.columns, 1)
                ]
            ),
        ]
        return parse_description("shop", rows, exclude).tables["orders"]


def describe(*columns: str, version: str = MARIADB) -> Description:
    description = Description(version)
    for column in columns:
        name, _, data_type = column.partition(" ")
        description.add_column(name, data_type or "int")
    return description


def list_key(table: TableDescription) -> list[str] | None:
    return [column.name for column in table.key.columns] if table.key else None


def test_a_table_has_its_columns_in_their_order() -> None:
    description = describe("b varchar", "a")
    description.add_column("c", "DATETIME", "YES")
    table = description.parse()
    assert (table.database, table.name, table.engine) == ("shop", "orders", "InnoDB")
    assert [column.name for column in table.columns] == ["b", "a", "c"]
    assert table.columns[1] == Column("a", "int", "int(11) unsigned", is_nullable=False)
    assert table.columns[2].data_type == "datetime" and table.columns[2].is_nullable
    assert table.read_at == pytest.approx(1796036400.123)


def test_many_columns_are_ordered_by_number() -> None:
    names = [f"a{number}" for number in range(1, 13)]
    assert [column.name for column in describe(*names).parse().columns] == names


@pytest.mark.parametrize(
    ("description", "key"),
    [
        (describe("a", "b").add_key("PRIMARY", "b", "a"), ["b", "a"]),
        (describe("a", "b").add_key("PRIMARY", "a", "b").add_key("u", "a"), ["a", "b"]),
        (describe("a", "b").add_key("u", "b"), ["b"]),
        (describe("a", "b", "c").add_key("u1", "a", "b").add_key("u2", "c"), ["c"]),
        (describe("a", "b").add_key("u2", "a").add_key("u1", "b"), ["b"]),
        (describe("a", "b"), None),
        (describe("a", "b").add_key("u", "a", "b", nullable="YES"), None),
        (describe("a varchar").add_key("PRIMARY", "a", prefix="10"), None),
        (describe("a", "b").add_key("u", "a", None), None),
        (describe("a", "b").add_key("u", "a", None).add_key("v", "b"), ["b"]),
        (describe("a float").add_key("PRIMARY", "a"), None),
        (describe("a double", "b").add_key("PRIMARY", "a", "b").add_key("u", "b"), ["b"]),
        (describe("a text").add_key("PRIMARY", "a"), None),
        (describe("a blob").add_key("PRIMARY", "a"), None),
        (describe("a json").add_key("PRIMARY", "a"), None),
        (describe("a").add_key("PRIMARY", "a", "gone"), None),
        (describe("a").add_key("PRIMARY", "gone").add_key("u", "a"), ["a"]),
    ],
)
def test_rows_are_told_apart_by_an_index_that_never_fails_to(description: Description, key: list[str] | None) -> None:
    assert list_key(description.parse()) == key


def test_a_long_key_has_its_columns_by_number() -> None:
    names = [f"a{number}" for number in range(12)]
    assert list_key(describe(*names).add_key("PRIMARY", *names).parse()) == names


def test_one_column_of_an_index_that_may_be_null_makes_it_useless() -> None:
    description = describe("a", "b")
    description.keys = [("u", "a", "1", None, ""), ("u", "b", "2", None, "YES")]
    assert list_key(description.parse()) is None


KEY_TYPES = [
    *(
        "int",
        "bigint",
        "decimal",
        "bit",
        "year",
        "enum",
        "set",
        "date",
        "datetime",
        "timestamp",
        "char",
        "varchar",
        "time",
    ),
    *("uuid", "inet6", "binary", "varbinary"),
]


@pytest.mark.parametrize("data_type", KEY_TYPES)
def test_a_key_may_have_this_type(data_type: str) -> None:
    assert list_key(describe(f"a {data_type}").add_key("PRIMARY", "a").parse()) == ["a"]


def test_excluded_columns_are_left_out_but_those_of_the_key() -> None:
    table = describe("a", "b", "c").add_key("PRIMARY", "a").parse(("a", "c", "gone"))
    assert [column.name for column in table.columns] == ["a", "b"]
    assert list_key(table) == ["a"]


def test_only_the_key_that_is_used_keeps_its_columns() -> None:
    table = describe("a", "b").add_key("PRIMARY", "a").add_key("u", "b").parse(("b",))
    assert [column.name for column in table.columns] == ["a"]


@pytest.mark.parametrize(
    ("version", "options", "updated_at"),
    [
        (MARIADB, "", 1796030000.0),
        ("5.5.5-10.6.12-MariaDB", "row_format=DYNAMIC", 1796030000.0),
        (MYSQL_5, "", 1796030000.0),
        (MYSQL_8, "", None),
        ("9.1.0", "", None),
        ("8.0.11-TiDB-v7.5.0", "", None),
        ("10.0.1-something", "", None),
        (MARIADB, "partitioned", None),
        (MYSQL_5, "PARTITIONED", None),
    ],
)
def test_a_time_of_the_last_change_counts_where_the_server_looks_it_up(
    version: str, options: str, updated_at: float | None
) -> None:
    description = describe("a", version=version)
    description.table = ("orders", "BASE TABLE", "InnoDB", options, "1796030000")
    assert description.parse().updated_at == updated_at


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY", "CSV", None])
def test_the_time_of_a_file_is_none_of_a_change(engine: str | None) -> None:
    description = describe("a")
    description.table = ("orders", "BASE TABLE", engine, "", "1796030000")
    assert description.parse().updated_at is None


def test_a_server_that_has_forgotten_the_last_change_knows_none() -> None:
    assert describe("a").parse().updated_at is None


@pytest.mark.parametrize(
    ("engine", "options", "has_checksum"),
    [
        ("MyISAM", "checksum=1", True),
        ("Aria", "CHECKSUM=1 transactional=0", True),
        ("MyISAM", "", False),
        ("InnoDB", "checksum=1", False),
        (None, None, False),
    ],
)
def test_a_checksum_is_asked_for_where_the_server_keeps_one(
    engine: str | None, options: str | None, has_checksum: bool
) -> None:
    description = describe("a")
    description.table = ("orders", "BASE TABLE", engine, options, None)
    assert description.parse().has_live_checksum is has_checksum


def test_a_view_has_no_engine_and_no_key() -> None:
    description = describe("a")
    description.table = ("orders", "VIEW", None, None, None)
    table = description.parse()
    assert (table.engine, table.key, table.updated_at) == ("", None, None)


@pytest.mark.parametrize(
    ("version", "column", "may_check"),
    [(MARIADB, "a longtext", True), (MARIADB, "a text", False), (MYSQL_8, "a longtext", False)],
)
def test_checks_for_json_are_looked_for_where_there_may_be_some(version: str, column: str, may_check: bool) -> None:
    name, _, kind = column.partition(" ")
    rows = [
        build_row("server", version, "1"),
        build_row("table", "orders", "BASE TABLE"),
        build_row("column", "orders", name, "1", kind, kind, "NO", None),
    ]
    assert parse_description("shop", rows).may_check_json == {"orders": may_check}


def test_a_json_column_of_mysql_holds_json() -> None:
    assert describe("a json", version=MYSQL_8).parse().columns[0].has_json


def test_tables_of_a_database_do_not_mix() -> None:
    rows = [build_row("server", MYSQL_8, "1")]
    for table in ("a", "b"):
        rows += [
            build_row("table", table, "BASE TABLE"),
            build_row("column", table, f"{table}1", "1", "int", "int", "NO", None),
            build_row("key", table, "PRIMARY", f"{table}1", "1", None, ""),
        ]
    tables = parse_description("shop", rows).tables
    assert {name: list_key(table) for name, table in tables.items()} == {"a": ["a1"], "b": ["b1"]}


def test_a_database_without_tables_has_none() -> None:
    assert parse_description("shop", [build_row("server", MYSQL_8, "1")]).tables == {}


@pytest.mark.parametrize("rows", [[], [build_row("table", "orders")], [{"z": "0"}]])
def test_an_answer_that_describes_no_server_is_none(rows: list[TextRow]) -> None:
    with pytest.raises(CutAnswerError):
        parse_description("shop", rows)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("json_valid(`js`)", {"js"}),
        ("JSON_VALID(`js`)", {"js"}),
        ("`a` > 0 and json_valid(`b`) and json_valid(`c`)", {"b", "c"}),
        ("json_valid(`a``b`)", {"a`b"}),
        ("json_length(`js`) > 1", set()),
        (None, set()),
        ("", set()),
    ],
)
def test_checks_of_mariadb_name_the_columns_that_hold_json(condition: str | None, names: set[str]) -> None:
    assert find_json_columns([condition, None]) == names


@given(NAMES)
def test_a_check_names_any_column(name: str) -> None:
    assert find_json_columns([f"json_valid(`{name.replace('`', '``')}`)"]) == {name}


def test_columns_that_may_say_when_a_row_was_changed_are_offered_by_name_and_type() -> None:
    table = build_table(
        build_column("id"),
        build_column("updated_at", "datetime"),
        build_column("LastModified", "timestamp"),
        build_column("date_upd", "datetime"),
        build_column("mtime", "bigint"),
        build_column("created_at", "datetime"),
        build_column("updated_by", "varchar"),
        build_column("modified_on", "date"),
        build_column("changed", "tinyint"),
        build_column("changed_share", "decimal"),
    )
    assert list_change_columns(table) == ("updated_at", "LastModified", "date_upd", "mtime")


READING = [
    "GRANT USAGE ON *.* TO `m`@`%`",
    "GRANT USAGE ON *.* TO `m`@`%` IDENTIFIED BY PASSWORD '*0000'",
    "GRANT SELECT ON `shop`.* TO `m`@`%`",
    "GRANT SELECT, SHOW VIEW ON `shop`.* TO 'm'@'localhost' WITH GRANT OPTION",
    "GRANT SELECT (`a`, `b`) ON `shop`.`orders` TO `m`@`%`",
    "GRANT SELECT, SHOW DATABASES, PROCESS ON *.* TO `m`@`%` REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5",
    "GRANT PROXY ON 'a'@'%' TO 'm'@'%'",
    "GRANT `reader`@`%` TO `m`@`%`",
    "GRANT `reader` TO `m`@`%`",
    "SET DEFAULT ROLE `reader` FOR `m`@`%`",
    "GRANT SELECT ON `insert`.`update` TO `delete`@`%`",
    "GRANT SELECT ON `drop on`.* TO `m`@`%`",
    "GRANT REPLICATION CLIENT, LOCK TABLES ON *.* TO `m`@`%`",
]
WRITING = [
    "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
    "GRANT ALL PRIVILEGES ON `db`.* TO `m`@`%`",
    "GRANT SELECT, INSERT, UPDATE ON `shop`.* TO `m`@`%`",
    "GRANT SELECT, UPDATE (`a`) ON `shop`.`orders` TO `m`@`%`",
    "GRANT INSERT (`a`, `b`) ON `shop`.`orders` TO `m`@`%`",
    "GRANT DELETE HISTORY ON `shop`.* TO `m`@`%`",
    "GRANT CREATE TEMPORARY TABLES ON `shop`.* TO `m`@`%`",
    "GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `m`@`%`",
    "GRANT FILE ON *.* TO `m`@`%`",
    "GRANT SUPER ON *.* TO `m`@`%`",
    "grant select, drop on `shop`.* to `m`@`%`",
]


@pytest.mark.parametrize("grant", READING)
def test_a_right_to_read_is_none_to_write(grant: str) -> None:
    assert not can_write([grant])


@pytest.mark.parametrize("grant", WRITING)
def test_a_right_to_write_is_seen_among_others(grant: str) -> None:
    assert can_write([*READING, grant])


def test_a_user_without_rights_may_not_write() -> None:
    assert not can_write([])


@pytest.mark.parametrize(
    ("data_type", "order"),
    [
        *(
            ("int", ColumnOrder.NUMBER),
            ("enum", ColumnOrder.NUMBER),
            ("timestamp", ColumnOrder.NUMBER),
            ("date", ColumnOrder.DATE),
        ),
        *(("varchar", ColumnOrder.TEXT), ("time", ColumnOrder.TEXT), ("binary", ColumnOrder.BYTES), ("float", None)),
        ("point", None),
    ],
)
def test_types_are_ordered_as(data_type: str, order: ColumnOrder | None) -> None:
    assert build_column("a", data_type).key_order is order


@pytest.mark.parametrize(
    "change",
    [
        {"columns": (build_column("a"), build_column("b"))},
        {"columns": (build_column("a", "int", "int unsigned"),)},
        {"columns": (build_column("a", has_json=True),)},
        {"key": None},
    ],
)
def test_what_decides_how_rows_are_read_changes_the_digest(change: dict[str, Any]) -> None:
    column = build_column("a")
    given_table: dict[str, Any] = {"columns": (column,), "key": UniqueKey("PRIMARY", (column,))}
    digests = {
        TableDescription("shop", "orders", **given_table).digest,
        TableDescription("shop", "orders", **{**given_table, **change}).digest,
    }
    assert len(digests) == 2
    assert TableDescription("shop", "orders", **given_table, read_at=5.0, updated_at=7.0).digest in digests


def test_no_index_is_chosen_where_there_is_none() -> None:
    assert choose_key([]) is None
