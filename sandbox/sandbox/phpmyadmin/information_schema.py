"""The tables of `information_schema`, answered from the definitions of the tables."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from sandbox.phpmyadmin.definitions import ColumnDefinition, IndexDefinition, Kind, TableDefinition

DATABASE = "information_schema"
_TEXTS_WITHOUT_COLLATION = ("json", "uuid", "inet4", "inet6")
_COLUMNS = {
    "tables": (
        *("table_schema", "table_name", "table_type", "engine", "table_rows", "update_time", "create_options"),
        "table_collation",
    ),
    "columns": (
        *("table_schema", "table_name", "column_name", "ordinal_position", "data_type", "column_type", "is_nullable"),
        *("collation_name", "column_key", "extra"),
    ),
    "statistics": (
        *("table_schema", "table_name", "non_unique", "index_name", "seq_in_index", "column_name", "sub_part"),
        *("nullable", "index_type"),
    ),
    "check_constraints": ("constraint_schema", "table_name", "constraint_name", "check_clause"),
    "schemata": ("schema_name", "default_collation_name"),
}
TABLES: Mapping[str, TableDefinition] = {
    name: TableDefinition(
        DATABASE, name, tuple(ColumnDefinition(column, "varchar(512)", nullable=True) for column in columns)
    )
    for name, columns in _COLUMNS.items()
}
"""The tables, by name in lower case."""


def install_information_schema(
    connection: sqlite3.Connection, tables: Iterable[TableDefinition], update_times: Mapping[str, str | None]
) -> None:
    """Fill temporary tables of a connection. `update_times` are those of the tables, by the names that SQLite has."""
    for name, columns in _COLUMNS.items():
        listed = ", ".join(f"`{column}` COLLATE NOCASE" for column in columns)
        connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS `{DATABASE}.{name}` ({listed})")
        connection.execute(f"DELETE FROM temp.`{DATABASE}.{name}`")
    defined = list(tables)
    for table in defined:
        _insert(connection, "tables", [_describe_table(table, update_times.get(table.stored_name))])
        _insert(connection, "columns", [_describe_column(table, n, c) for n, c in enumerate(table.columns, 1)])
        _insert(connection, "statistics", [row for index in table.indexes for row in _describe_index(table, index)])
        checks = [
            (table.database, table.name, c.name, f"json_valid(`{c.name}`)") for c in table.columns if c.holds_json
        ]
        _insert(connection, "check_constraints", checks)
    _insert(connection, "schemata", [(name, "utf8mb4_general_ci") for name in sorted({t.database for t in defined})])


def _insert(connection: sqlite3.Connection, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    marks = ", ".join("?" * len(_COLUMNS[name]))
    connection.executemany(f"INSERT INTO temp.`{DATABASE}.{name}` VALUES ({marks})", rows)


def _describe_table(table: TableDefinition, update_time: str | None) -> tuple[object, ...]:
    return (
        *(table.database, table.name, "BASE TABLE", table.engine, 0, update_time, table.options),
        "utf8mb4_general_ci",
    )


def _describe_column(table: TableDefinition, position: int, column: ColumnDefinition) -> tuple[object, ...]:
    has_collation = column.kind in (Kind.TEXT, Kind.CHOICE) and column.data_type not in _TEXTS_WITHOUT_COLLATION
    in_primary = any(index.name == "PRIMARY" and column.name in index.columns for index in table.indexes)
    return (
        *(table.database, table.name, column.name, position, column.data_type, column.type),
        *("YES" if column.nullable else "NO", column.collation if has_collation else None),
        *("PRI" if in_primary else "", "on update current_timestamp()" if column.changes_by_itself else ""),
    )


def _describe_index(table: TableDefinition, index: IndexDefinition) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for position, name in enumerate(index.columns, 1):
        column = table.find_column(name)
        assert column is not None
        nullable = "YES" if column.nullable else ""
        rows.append(
            (table.database, table.name, int(not index.is_unique), index.name, position, name, None, nullable, "BTREE")
        )
    return rows
