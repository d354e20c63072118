"""The rows and the definitions of the simulated databases: one SQLite file for each database server."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from sandbox.phpmyadmin.definitions import ColumnDefinition, Kind, TableDefinition, parse_table
from sandbox.phpmyadmin.functions import Value, install_functions
from sandbox.phpmyadmin.translation import quote_name
from sandbox.phpmyadmin.values import encode_value

_STORAGE = {
    Kind.INTEGER: "INTEGER",
    Kind.BIT: "INTEGER",
    Kind.FLOAT: "REAL",
    Kind.DECIMAL: "TEXT COLLATE my_number",
    Kind.BINARY: "BLOB",
}
Row = dict[str, Value]
"""A row as SQLite keeps it. `rowid` is its number in SQLite, by which a row without a key is edited."""


class ServerStore:
    """One database server. Every edit is one transaction; readers see the state at their beginning."""

    def __init__(self, path: Path, version: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.version = version
        self._db = self.connect()
        self._lock = threading.Lock()
        self._db.executescript("PRAGMA journal_mode=wal; PRAGMA synchronous=off;")
        self._db.execute("CREATE TABLE IF NOT EXISTS definitions (name TEXT PRIMARY KEY, body BLOB)")
        self.tables = {table.stored_name: table for table in self._load_definitions()}

    def connect(self) -> sqlite3.Connection:
        """Open a connection with MySQL's functions. It may be used in any thread, by one at a time."""
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        install_functions(connection, self.version)
        return connection

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def find_table(self, database: str, name: str) -> TableDefinition:
        """Return a table. Raises KeyError for one that there is not."""
        return self.tables[f"{database}.{name}"]

    def create_table(self, table: TableDefinition, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        """Create a table with rows, in place of one of the same name."""
        encoded = [_encode_row(table, row) for row in rows]
        with self._write() as db:
            db.execute(f"DROP TABLE IF EXISTS {_name(table)}")
            _create(db, table)
            self._insert(db, table, encoded)
            db.execute("REPLACE INTO definitions VALUES (?, ?)", (table.stored_name, orjson.dumps(table.dump())))
        self.tables[table.stored_name] = table

    def drop_table(self, table: TableDefinition) -> None:
        """Drop a table."""
        with self._write() as db:
            db.execute(f"DROP TABLE {_name(table)}")
            db.execute("DELETE FROM definitions WHERE name = ?", (table.stored_name,))
        del self.tables[table.stored_name]

    def add_column(self, table: TableDefinition, column: ColumnDefinition) -> TableDefinition:
        """Add a column that may be NULL, and return the table as it is then."""
        if not column.nullable or table.find_column(column.name):
            raise ValueError("a further column has a name of its own, and may be NULL")
        altered = parse_table({**table.dump(), "columns": [*table.dump()["columns"], asdict(column)]})
        with self._write() as db:
            db.execute(f"ALTER TABLE {_name(table)} ADD COLUMN {_declare(column)}")
            db.execute("REPLACE INTO definitions VALUES (?, ?)", (table.stored_name, orjson.dumps(altered.dump())))
        self.tables[table.stored_name] = altered
        return altered

    def insert_rows(self, table: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows. Columns that they leave out are NULL. Raises ValueError for a value that cannot be."""
        encoded = [_encode_row(table, row) for row in rows]
        with self._write() as db:
            self._insert(db, table, encoded)

    def update_row(self, table: TableDefinition, rowid: int, changes: Mapping[str, Any]) -> None:
        """Change values of a row. Raises KeyError for a missing row or column, ValueError for a wrong value."""
        values = {name: encode_value(_get_column(table, name), value) for name, value in changes.items()}
        assignments = ", ".join(f"{quote_name(name)} = ?" for name in values)
        with self._write() as db:
            done = db.execute(f"UPDATE {_name(table)} SET {assignments} WHERE rowid = ?", (*values.values(), rowid))
        if done.rowcount == 0:
            raise KeyError(rowid)

    def delete_row(self, table: TableDefinition, rowid: int) -> None:
        """Delete a row. Raises KeyError for one that is missing."""
        with self._write() as db:
            done = db.execute(f"DELETE FROM {_name(table)} WHERE rowid = ?", (rowid,))
        if done.rowcount == 0:
            raise KeyError(rowid)

    def count_rows(self, table: TableDefinition) -> int:
        """Return the number of rows."""
        return int(self._db.execute(f"SELECT COUNT(*) FROM {_name(table)}").fetchone()[0])

    def find_largest(self, table: TableDefinition, column: ColumnDefinition) -> int:
        """Return the largest number in a column; 0 in an empty table."""
        found = self._db.execute(f"SELECT MAX({quote_name(column.name)}) FROM {_name(table)}").fetchone()[0]
        return int(found or 0)

    def list_rows(self, table: TableDefinition, *, limit: int = -1, offset: int = 0) -> list[Row]:
        """Return rows in the order of the key, each with its `rowid`."""
        return list(self.iterate_rows(table, limit=limit, offset=offset))

    def iterate_rows(self, table: TableDefinition, *, limit: int = -1, offset: int = 0) -> Iterator[Row]:
        """Yield rows in the order of the key, each with its `rowid`, as they are read."""
        order = ", ".join(map(quote_name, table.key.columns)) if table.key else "rowid"
        names = ["rowid", *(column.name for column in table.columns)]
        statement = f"SELECT rowid, * FROM {_name(table)} ORDER BY {order} LIMIT ? OFFSET ?"
        with closing(self._db.execute(statement, (limit, offset))) as cursor:
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def find_row(self, table: TableDefinition, rowid: int) -> Row:
        """Return a row by its number. Raises KeyError for one that is missing."""
        row = self._db.execute(f"SELECT rowid, * FROM {_name(table)} WHERE rowid = ?", (rowid,)).fetchone()
        if row is None:
            raise KeyError(rowid)
        return dict(zip(["rowid", *(column.name for column in table.columns)], row, strict=True))

    def find_rowid(self, table: TableDefinition, values: Mapping[str, Any]) -> int:
        """Return the number of the first row with these values. Raises KeyError where there is none."""
        encoded = [encode_value(_get_column(table, name), value) for name, value in values.items()]
        conditions = " AND ".join(f"{quote_name(name)} IS ?" for name in values) or "TRUE"
        row = self._db.execute(f"SELECT rowid FROM {_name(table)} WHERE {conditions} LIMIT 1", encoded).fetchone()
        if row is None:
            raise KeyError(dict(values))
        return int(row[0])

    def fill_table(self, table: TableDefinition, expressions: Mapping[str, str], count: int) -> None:
        """Replace all rows by `count` others. `expressions` of SQLite give the values of row `n`, by column."""
        names, values = ", ".join(map(quote_name, expressions)), ", ".join(expressions.values())
        with self._write() as db:
            db.execute(f"DELETE FROM {_name(table)}")
            db.execute(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
                f" INSERT INTO {_name(table)} ({names}) SELECT {values} FROM numbers",
                (count,),
            )

    def _load_definitions(self) -> list[TableDefinition]:
        rows = self._db.execute("SELECT body FROM definitions ORDER BY rowid").fetchall()
        return [parse_table(orjson.loads(body)) for (body,) in rows]

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException as error:
                self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError):
                    raise ValueError("there is a row with this key already") from None
                raise
            self._db.execute("COMMIT")

    def _insert(self, db: sqlite3.Connection, table: TableDefinition, rows: Sequence[Sequence[Value]]) -> None:
        marks = ", ".join("?" * len(table.columns))
        names = ", ".join(quote_name(column.name) for column in table.columns)
        db.executemany(f"INSERT INTO {_name(table)} ({names}) VALUES ({marks})", rows)


def _name(table: TableDefinition) -> str:
    return quote_name(table.stored_name)


def _get_column(table: TableDefinition, name: str) -> ColumnDefinition:
    column = table.find_column(name)
    if column is None:
        raise KeyError(name)
    return column


def _encode_row(table: TableDefinition, row: Mapping[str, Any]) -> list[Value]:
    unknown = set(row) - {column.name for column in table.columns}
    if unknown:
        raise KeyError(min(unknown))
    return [encode_value(column, row.get(column.name)) for column in table.columns]


def _create(db: sqlite3.Connection, table: TableDefinition) -> None:
    key, columns = table.key, [_declare(column) for column in table.columns]
    first = table.find_column(key.columns[0]) if key and len(key.columns) == 1 else None
    has_rowid_key = first is not None and first.kind is Kind.INTEGER and not first.needs_big_numbers
    if has_rowid_key and first is not None and not first.nullable:
        # The number of the row itself, so that ranges of it are found without an index.
        columns.append(f"PRIMARY KEY ({quote_name(first.name)})")
    db.execute(f"CREATE TABLE {_name(table)} ({', '.join(columns)})")
    for number, index in enumerate(table.indexes):
        if index is not key or not has_rowid_key:
            kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
            listed = ", ".join(map(quote_name, index.columns))
            db.execute(f"CREATE {kind} {quote_name(f'{table.stored_name}.{number}')} ON {_name(table)} ({listed})")


def _declare(column: ColumnDefinition) -> str:
    storage = _STORAGE.get(column.kind, "TEXT" if column.collation.endswith("_bin") else "TEXT COLLATE NOCASE")
    storage = "TEXT COLLATE my_number" if column.needs_big_numbers else storage
    return f"{quote_name(column.name)} {storage}"
