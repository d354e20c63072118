"""Every statement that is sent to a database. All of them only read: `SELECT`, `SHOW GRANTS` and `CHECKSUM TABLE`.

A statement that returns rows has the number 0 in their first column, and one more row at its end with the number 1: the
database has come to its end. The end of an answer does not prove that. phpMyAdmin reads rows one by one and takes the
loss of its connection to the database for the end of them; the answer is then shorter and whole all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from platforms.phpmyadmin.columns import Column, ColumnOrder, TableDescription
from platforms.phpmyadmin.quoting import (
    Statement,
    quote_column,
    quote_name,
    write_bytes,
    write_date,
    write_number,
    write_text,
)

END = "z"
"""The name of the first column: 0 in rows, 1 in the row after the last one."""
DESCRIPTION_COLUMNS = 8
"""The number of further columns of `describe_tables`."""
MAX_DESCRIBED = 50_000
"""The most columns of a database that are described, so that the answer has a limit."""
_GRANTS = Statement("SHOW GRANTS")
_DIGITS_OF_SECONDS = 10


@dataclass(frozen=True)
class KeyPosition:
    """The key of a row: one text for each column of the table's key, as `Column.build_key_text` gives it."""

    values: tuple[str, ...]


def show_grants() -> Statement:
    """Build the statement that shows what the user may do."""
    return _GRANTS


def list_databases() -> Statement:
    """Build the statement that lists the databases that the user may see, by name in `c0`."""
    listed = _select((("c0", _convert("schema_name")),), "FROM information_schema.schemata")
    return _end((listed,), 1)


def describe_tables(database: str, table: str | None = None) -> Statement:
    """Build the statement that describes a database's tables, or one of them: the server, tables, columns, unique keys.

    The second column of its rows, `c0`, says what the row describes:

    - `server`: version, the time now (Unix time, s);
    - `table`: name, type (`BASE TABLE`, `VIEW`), engine, options, time of the last change (Unix time, s);
    - `column`: table, name, position, data type, whole type, `YES` or `NO` for whether it may be NULL, collation;
    - `key`: table, index, column, position in the index, the length of a prefix, `YES` where it may be NULL.
    """
    where = f"table_schema = {write_text(database)}" + (f" AND table_name = {write_text(table)}" if table else "")
    parts = (
        _describe("server", ("VERSION()", "UNIX_TIMESTAMP(NOW(3))")),
        _describe(
            "table",
            ("table_name", "table_type", "engine", "create_options", "UNIX_TIMESTAMP(update_time)"),
            f"FROM information_schema.tables WHERE {where}",
        ),
        _describe(
            "column",
            (
                *("table_name", "column_name", "ordinal_position", "data_type", "column_type", "is_nullable"),
                "collation_name",
            ),
            f"FROM information_schema.columns WHERE {where} LIMIT {MAX_DESCRIBED}",
        ),
        _describe(
            "key",
            ("table_name", "index_name", "column_name", "seq_in_index", "sub_part", "nullable"),
            f"FROM information_schema.statistics WHERE {where} AND non_unique = 0 LIMIT {MAX_DESCRIBED}",
        ),
    )
    return _end(parts, DESCRIPTION_COLUMNS)


def list_json_checks(database: str, table: str) -> Statement:
    """Build the statement that lists the checks of a table of MariaDB, which has no type for JSON but checks it.

    A row has the condition of a check in `c0`.
    """
    where = f"constraint_schema = {write_text(database)} AND table_name = {write_text(table)}"
    check = _select((("c0", _convert("check_clause")),), f"FROM information_schema.check_constraints WHERE {where}")
    return _end((check,), 1)


def measure_table(table: TableDescription) -> Statement:
    """Build the statement that counts the rows, and sums up hashes of them: equal sums prove equal rows.

    Its only row has the count in `c0`, two sums in `c1` and `c2`, and the number of rows that were hashed in `c3`,
    which is lower where a row is too large for the server to hash.
    """
    sums = (
        f"SUM(CAST(CONV(SUBSTRING(m, {start}, 15), 16, 10) AS UNSIGNED))"
        for start in (1, 17)  # 60 bits each: a sum of numbers of 64 bits would lose its last digits in older servers
    )
    values = ", ',', ".join(f"QUOTE({expression})" for expression in _list_hashed(table))
    hashes = f"SELECT MD5(CONCAT({values})) AS m FROM {_name(table)} AS `r`"
    select = ", ".join(f"{value} AS c{number}" for number, value in enumerate(("COUNT(*)", *sums, "COUNT(m)")))
    return Statement(f"SELECT {select} FROM ({hashes}) AS h")


def count_rows(table: TableDescription) -> Statement:
    """Build the statement that counts the rows, in `c0`."""
    return Statement(f"SELECT COUNT(*) AS c0 FROM {_name(table)} AS `r`")


def measure_changes(table: TableDescription, changed: Column) -> Statement:
    """Build the statement that counts the rows (`c0`) and finds the latest value of the column `changed` (`c1`)."""
    latest = f"MAX({quote_column(changed.name)})"
    return Statement(f"SELECT COUNT(*) AS c0, {_convert(latest)} AS c1 FROM {_name(table)} AS `r`")


def read_checksum(table: TableDescription) -> Statement:
    """Build the statement that gives the checksum that the server keeps of a table; NULL where it keeps none."""
    return Statement(f"CHECKSUM TABLE {_name(table)} QUICK")


def select_rows(
    table: TableDescription,
    *,
    after: KeyPosition | None = None,
    limit: int | None = None,
    changed_since: str | None = None,
) -> Statement:
    """Build the statement that reads rows in the order of the key: at most `limit`, behind the row `after`.

    The columns are `k0`, … with the key and `c0`, … with the values of the table's columns as text; a column with a
    zone has its instant (Unix time, s) in `t0`, … as well, with the number of the column. Without a key all rows are
    read in any order. `changed_since` is a condition that `build_changed_condition` has built.
    """
    conditions = [condition for condition in (changed_since, _build_after(table, after)) if condition]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    key = table.key.columns if table.key else ()
    order = f" ORDER BY {', '.join(column.build_key() for column in key)}" if key else ""
    count = f" LIMIT {limit:d}" if limit is not None else ""
    return _end_rows(table, f"FROM {_name(table)} AS `r`{where}{order}{count}")


def select_rows_by_key(table: TableDescription, keys: Sequence[Sequence[str]]) -> Statement:
    """Build the statement that reads the rows with these keys. The columns are those of `select_rows`.

    A key is the values in the id of a row: names of an enumeration, text and bytes (in hexadecimal) as they are.
    """
    assert table.key is not None
    columns = table.key.columns
    rows = (
        "(" + " AND ".join(_match(column, value) for column, value in zip(columns, key, strict=True)) + ")"
        for key in keys
    )
    return _end_rows(table, f"FROM {_name(table)} AS `r` WHERE {' OR '.join(rows)}")


def build_changed_condition(changed: Column, since: str, overlap_seconds: int) -> str:
    """Return the condition that a row was changed at `since`, or later, or a few seconds before.

    Transactions commit later than the times that they write. A number is a time in seconds, or, by its digits, in
    milliseconds or microseconds; or it is a version.
    """
    name = quote_column(changed.name)
    if changed.key_order is ColumnOrder.NUMBER and changed.data_type != "timestamp":
        thousands = max(0, len(since) - _DIGITS_OF_SECONDS) // 3
        return f"{name} >= {write_number(since)} - {overlap_seconds * 1000**thousands:d}"
    return f"{name} >= DATE_SUB({write_date(since)}, INTERVAL {overlap_seconds:d} SECOND)"


def write_key(column: Column, value: str) -> str:
    """Return a text of `Column.build_key_text` as a literal. Raises ValueError for one without the form of its type."""
    match column.key_order:
        case ColumnOrder.NUMBER:
            return write_number(value)
        case ColumnOrder.DATE:
            return write_date(value)
        case _:
            return write_bytes(bytes.fromhex(value))


def _describe(kind: str, expressions: Sequence[str], source: str = "") -> str:
    padded = (*expressions, *["NULL"] * (DESCRIPTION_COLUMNS - 1 - len(expressions)))
    values = [("c0", f"'{kind}'"), *((f"c{number}", _convert(value)) for number, value in enumerate(padded, 1))]
    return _select(values, source)


def _select(values: Sequence[tuple[str, str]], source: str) -> str:
    listed = ", ".join(f"{value} AS {name}" for name, value in values)
    return f"(SELECT 0 AS {END}, {listed}{' ' if source else ''}{source})"


def _convert(expression: str) -> str:
    """Return the expression as text of one collation: those of a union must not differ."""
    return "NULL" if expression == "NULL" else f"CONVERT({expression} USING utf8mb4)"


def _end(parts: Sequence[str], columns: int) -> Statement:
    """Return the parts, one after the other, with the last row."""
    last = f"(SELECT 1, {', '.join(['NULL'] * columns)})"
    return Statement(" UNION ALL ".join((*parts, last)))


def _end_rows(table: TableDescription, source: str) -> Statement:
    key = table.key.columns if table.key else ()
    values = [(f"k{number}", column.build_key_text()) for number, column in enumerate(key)]
    for number, column in enumerate(table.columns):
        values.append((f"c{number}", column.build_text()))
        if column.data_type == "timestamp":
            values.append((f"t{number}", f"UNIX_TIMESTAMP({quote_column(column.name)})"))
    return _end((_select(values, source),), len(values))


def _build_after(table: TableDescription, after: KeyPosition | None) -> str:
    """Return the condition that a row comes behind `after`.

    The columns are compared one by one. A comparison of whole rows, `(a, b) > (1, 2)`, reads the table from its
    beginning each time.
    """
    if after is None:
        return ""
    assert table.key is not None
    first, *rest = [
        (column.build_key(), write_key(column, value))
        for column, value in zip(table.key.columns, after.values, strict=True)
    ]
    condition = ""
    for key, value in reversed(rest):
        condition = f"({key} > {value} OR ({key} = {value} AND {condition}))" if condition else f"{key} > {value}"
    key, value = first
    if not condition:
        return f"{key} > {value}"
    return f"{key} >= {value} AND ({key} > {value} OR {condition})"


def _match(column: Column, value: str) -> str:
    """Return the condition that a column has the value that is part of the id of a row."""
    name = quote_column(column.name)
    if column.data_type == "timestamp":
        return f"{column.build_key()} = {write_number(value)}"
    if column.key_order is ColumnOrder.NUMBER and column.data_type not in ("enum", "set"):
        return f"{name} = {write_number(value)}"
    if column.key_order is ColumnOrder.DATE:
        return f"{name} = {write_date(value)}"
    if column.key_order is ColumnOrder.BYTES:
        return f"{name} = {write_bytes(bytes.fromhex(value))}"
    return f"{name} = {write_text(value)}"


def _list_hashed(table: TableDescription) -> list[str]:
    """Return the expressions whose values are hashed: all that is read, and of a time with a zone its instant, too."""
    hashed = []
    for column in table.columns:
        hashed.append(column.build_text())
        if column.data_type == "timestamp":
            hashed.append(f"UNIX_TIMESTAMP({quote_column(column.name)})")
    return hashed


def _name(table: TableDescription) -> str:
    return f"{quote_name(table.database)}.{quote_name(table.name)}"
