"""Executes statements as a database server does for a user who may only read."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zlib import crc32

from sandbox.phpmyadmin.definitions import TableDefinition
from sandbox.phpmyadmin.errors import (
    DatabaseError,
    build_denied_error,
    build_missing_table_error,
    build_syntax_error,
)
from sandbox.phpmyadmin.functions import UTC_OFFSET, Value
from sandbox.phpmyadmin.information_schema import DATABASE, TABLES, install_information_schema
from sandbox.phpmyadmin.sql_tokens import SqlToken, TokenKind, split_tokens
from sandbox.phpmyadmin.store import ServerStore
from sandbox.phpmyadmin.translation import Translator

_DENIED = frozenset({
    "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER", "TRUNCATE", "RENAME", "LOCK", "LOAD",
})  # fmt: skip
_MISSING_COLUMN = re.compile(r"no such column: (.+)")


@dataclass
class Rights:
    """What the user may do. `refused` are tables (`database.table`) that the user may not read."""

    username: str
    privileges: Sequence[str] = ("SELECT",)
    refused: frozenset[str] = frozenset()


@dataclass
class ResultSet:
    """The answer to a statement: the names of its columns, and its rows, which are read as they are asked for."""

    names: list[str]
    _rows: Iterator[Sequence[Value]]
    _connection: sqlite3.Connection | None = None

    def fetch_rows(self, count: int) -> list[Sequence[Value]]:
        """Return the next rows, at most `count`. Raises sqlite3.OperationalError when it has been stopped."""
        return [row for _, row in zip(range(count), self._rows, strict=False)]

    def stop(self) -> None:
        """Stop a statement that runs in another thread."""
        if self._connection is not None:
            with suppress(sqlite3.ProgrammingError):
                self._connection.interrupt()

    def close(self) -> None:
        """Close the connection to the database."""
        if self._connection is not None:
            self._connection.close()


@dataclass
class DatabaseServer:
    """A database server. `changes` are the times at which tables were changed last, as long as the process runs."""

    store: ServerStore
    changes: dict[str, datetime] = field(default_factory=dict)

    def record_change(self, table: TableDefinition) -> None:
        """Remember that a table has been changed now."""
        self.changes[table.stored_name] = datetime.now(UTC)

    def execute(self, statement: str, database: str, rights: Rights) -> ResultSet:
        """Execute one statement. `database` is that of tables without one. Raises DatabaseError when it is refused."""
        tokens = split_tokens(statement)
        first = tokens[0]
        if first.is_word("SELECT") or first.is_symbol("("):
            return self._select(statement, database, rights)
        if first.is_word("CHECKSUM"):
            return self._compute_checksums(tokens, database)
        if first.is_word("SHOW"):
            return self._show(statement, tokens, database, rights)
        if first.kind is TokenKind.WORD and first.value in _DENIED:
            name = next((token.value for token in reversed(tokens) if token.kind is TokenKind.NAME), "")
            raise build_denied_error(first.value, rights.username, database, name)
        raise build_syntax_error(statement)

    def _select(self, statement: str, database: str, rights: Rights) -> ResultSet:
        translator = Translator(statement, database, lambda own, name: self._find_table(own, name, rights))
        translated = translator.translate()
        connection = self.store.connect()
        try:
            if any(table.database == DATABASE for table in translator.tables):
                install_information_schema(connection, self.store.tables.values(), self._list_update_times())
            cursor = connection.execute(translated)
        except sqlite3.Error as error:
            connection.close()
            raise _translate_error(error, statement) from None
        return ResultSet([column[0] for column in cursor.description], cursor, connection)

    def _find_table(self, database: str, name: str, rights: Rights) -> TableDefinition:
        if database.lower() == DATABASE and name.lower() in TABLES:
            return TABLES[name.lower()]
        if f"{database}.{name}" in rights.refused:
            raise build_denied_error("SELECT", rights.username, database, name)
        try:
            return self.store.find_table(database, name)
        except KeyError:
            raise build_missing_table_error(database, name) from None

    def _list_update_times(self) -> dict[str, str | None]:
        return {
            name: (changed.replace(tzinfo=None) + UTC_OFFSET).strftime("%Y-%m-%d %H:%M:%S")
            for name, changed in self.changes.items()
        }

    def _compute_checksums(self, tokens: Sequence[SqlToken], database: str) -> ResultSet:
        names, has_quick = _read_table_names(tokens[2:], database), any(token.is_word("QUICK") for token in tokens)
        rows = [(f"{own}.{name}", self._compute_checksum(own, name, is_quick=has_quick)) for own, name in names]
        return ResultSet(["Table", "Checksum"], iter(rows))

    def _compute_checksum(self, database: str, name: str, *, is_quick: bool) -> int | None:
        """Return a checksum; NULL for a missing table, and for one of which the server keeps none at hand."""
        table = self.store.tables.get(f"{database}.{name}")
        if table is None or (is_quick and "checksum=1" not in table.options):
            return None
        return sum(crc32(repr(row).encode()) for row in self.store.list_rows(table)) % 2**32

    def _show(self, statement: str, tokens: Sequence[SqlToken], database: str, rights: Rights) -> ResultSet:
        databases = sorted({table.database for table in self.store.tables.values()})
        if tokens[1].is_word("GRANTS"):
            return _show_grants(databases, rights)
        if tokens[1].is_word("DATABASES"):
            return ResultSet(["Database"], iter([(name,) for name in (DATABASE, *databases)]))
        if tokens[1].is_word("TABLES"):
            names = sorted(table.name for table in self.store.tables.values() if table.database == database)
            return ResultSet([f"Tables_in_{database}"], iter([(name,) for name in names]))
        raise build_syntax_error(statement)


def _show_grants(databases: Sequence[str], rights: Rights) -> ResultSet:
    user = f"`{rights.username}`@`%`"
    hashed = "*" + "0" * 40
    grants = [f"GRANT USAGE ON *.* TO {user} IDENTIFIED BY PASSWORD '{hashed}'"]
    grants += [f"GRANT {', '.join(rights.privileges)} ON `{name}`.* TO {user}" for name in databases]
    return ResultSet([f"Grants for {rights.username}@%"], iter([(grant,) for grant in grants]))


def _read_table_names(tokens: Sequence[SqlToken], database: str) -> list[tuple[str, str]]:
    names: list[tuple[str, str]] = []
    parts: list[str] = []
    for token in tokens:
        if token.kind in (TokenKind.NAME, TokenKind.WORD) and not token.is_word("QUICK", "EXTENDED"):
            parts.append(token.value)
        elif parts and not token.is_symbol("."):
            names.append((parts[0], parts[1]) if len(parts) == 2 else (database, parts[0]))
            parts = []
    return names


def _translate_error(error: sqlite3.Error, statement: str) -> DatabaseError:
    missing = _MISSING_COLUMN.search(str(error))
    if missing is None:
        return build_syntax_error(statement)
    return DatabaseError(1054, f"Unknown column '{missing[1].rpartition('.')[2]}' in 'SELECT'")
