"""Reads what a database tells of itself: its tables with their columns and keys, and what the user may do there."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from platforms.phpmyadmin.columns import Column, ColumnOrder, TableDescription, UniqueKey, choose_key
from platforms.phpmyadmin.errors import CutAnswerError
from platforms.phpmyadmin.values import TextRow

_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)", re.IGNORECASE)
_CHANGE_NAMES = re.compile(r"(updated|modified|changed|last_?edit|lastmod|date_upd|mtime|update_time)", re.IGNORECASE)
_CHANGE_TYPES = frozenset({"datetime", "timestamp"})
_WRITING = re.compile(
    r"\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|INDEX|EXECUTE|EVENT|TRIGGER|FILE|SUPER|GRANT OPTION)\b"
)
_CACHING_VERSION = 8
"""MySQL from this version on answers for a day with the time of the last change that it has looked up once."""


@dataclass(frozen=True)
class DatabaseDescription:
    """The tables of a database by name, and the version of its server."""

    version: str
    tables: Mapping[str, TableDescription]
    may_check_json: Mapping[str, bool] = field(default_factory=dict)
    """Whether a table may have columns that hold JSON without having its type, by the table's name."""


def parse_description(database: str, rows: Iterable[TextRow], exclude: Sequence[str] = ()) -> DatabaseDescription:
    """Return what the rows of `statements.describe_tables` describe, without the columns in `exclude`; keys stay."""
    by_kind: dict[str, list[TextRow]] = {"server": [], "table": [], "column": [], "key": []}
    for row in rows:
        by_kind.setdefault(row.get("c0") or "", []).append(row)
    if not by_kind["server"]:
        raise CutAnswerError("the answer describes no server")
    server = by_kind["server"][0]
    version = server["c1"] or ""
    columns, keys = _group_columns(by_kind["column"]), _group_keys(by_kind["key"])
    is_mariadb = "mariadb" in version.lower()
    tables, may_check_json = {}, {}
    for row in by_kind["table"]:
        name = row["c1"] or ""
        own = columns.get(name, {})
        usable = {index: parts for index, parts in keys.get(name, {}).items() if parts and _are_known(parts, own)}
        key = choose_key([_build_key(index, parts, own) for index, parts in usable.items()])
        key_names = {column.name for column in key.columns} if key else set()
        options = (row["c4"] or "").lower()
        tables[name] = TableDescription(
            database=database,
            name=name,
            columns=tuple(column for column in own.values() if column.name not in exclude or column.name in key_names),
            key=key,
            engine=row["c3"] or "",
            has_live_checksum=(row["c3"] or "").lower() in ("myisam", "aria") and "checksum=1" in options,
            updated_at=_read_change_time(row, version, is_mariadb=is_mariadb),
            read_at=float(server["c2"] or 0),
        )
        may_check_json[name] = is_mariadb and any(column.data_type == "longtext" for column in own.values())
    return DatabaseDescription(version, tables, may_check_json)


def find_json_columns(conditions: Iterable[str | None]) -> frozenset[str]:
    """Return the names of the columns that checks with these conditions hold to be JSON."""
    return frozenset(
        name.replace("``", "`") for condition in conditions for name in _JSON_CHECK.findall(condition or "")
    )


def list_change_columns(table: TableDescription) -> tuple[str, ...]:
    """Return the columns that may say when a row was last changed, by their names and types. Nothing proves it."""
    return tuple(
        column.name
        for column in table.columns
        if _CHANGE_NAMES.search(column.name) and (column.data_type in _CHANGE_TYPES or _is_number(column))
    )


def can_write(grants: Iterable[str]) -> bool:
    """Return whether rights, as the database writes them, allow more than reading."""
    return any(_WRITING.search(grant.partition(" ON ")[0].upper()) for grant in grants)


def _is_number(column: Column) -> bool:
    return column.key_order is ColumnOrder.NUMBER and column.data_type in ("int", "bigint")


def _read_change_time(row: TextRow, version: str, *, is_mariadb: bool) -> float | None:
    """Return the time of a table's last change; None where the server's answer proves nothing.

    Of tables that are no InnoDB, or partitioned, that is the time of a file, which may be written later.
    """
    is_cached = not is_mariadb and _read_major_version(version) >= _CACHING_VERSION
    is_of_file = (row["c3"] or "").lower() != "innodb" or "partitioned" in (row["c4"] or "").lower()
    return None if row["c5"] is None or is_cached or is_of_file else float(row["c5"])


def _read_major_version(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isdecimal() else 0


def _group_columns(rows: Iterable[TextRow]) -> dict[str, dict[str, Column]]:
    tables: dict[str, list[tuple[int, Column]]] = {}
    for row in rows:
        data_type = (row["c4"] or "").lower()
        column = Column(
            name=row["c2"] or "",
            data_type={"integer": "int", "numeric": "decimal"}.get(data_type, data_type),
            column_type=(row["c5"] or "").lower(),
            is_nullable=row["c6"] == "YES",
            has_json=data_type == "json",
        )
        tables.setdefault(row["c1"] or "", []).append((int(row["c3"] or 0), column))
    return {
        table: {column.name: column for _, column in sorted(columns, key=lambda item: item[0])}
        for table, columns in tables.items()
    }


def _group_keys(rows: Iterable[TextRow]) -> dict[str, dict[str, list[tuple[int, str]]]]:
    """Return the columns of unique indexes, with their positions, by table and index.

    An index with an expression, a prefix of a column or a column that may be NULL has no columns here: it does not tell
    all rows apart.
    """
    tables: dict[str, dict[str, list[tuple[int, str]]]] = {}
    unusable: set[tuple[str, str]] = set()
    for row in rows:
        table, index, column = row["c1"] or "", row["c2"] or "", row["c3"]
        if column is None or row["c5"] is not None or row["c6"] == "YES":
            unusable.add((table, index))
        tables.setdefault(table, {}).setdefault(index, []).append((int(row["c4"] or 0), column or ""))
    for table, index in unusable:
        tables[table][index] = []
    return tables


def _are_known(parts: Sequence[tuple[int, str]], columns: Mapping[str, Column]) -> bool:
    """Return whether the user may read all columns of an index. A user may have rights to some columns only."""
    return all(name in columns for _, name in parts)


def _build_key(index: str, parts: Sequence[tuple[int, str]], columns: Mapping[str, Column]) -> UniqueKey:
    return UniqueKey(index, tuple(columns[name] for _, name in sorted(parts)))
