"""The same tables behind two phpMyAdmins, the simulated one and a real one, and what the rows of a table must become.

What a real table must become is computed from what a driver reads, and not by the code that is tested.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx
import pymysql

from platforms.phpmyadmin.logins import PhpMyAdminLogin
from real_phpmyadmin import MariaDb, PhpMyAdmin

DATABASE = "shop"
PASSWORD = 'a pass"word & <more>'
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
_BINARIES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SHAPES = frozenset({"point", "linestring", "polygon", "geometry"})
_LARGEST_NUMBER = 2**53
_OWN_STATEMENTS = ("(SELECT 0 AS z", "SELECT COUNT(*) AS c0", "CHECKSUM", "SHOW GRANTS")

Row = dict[str, Any]


@dataclass(frozen=True)
class WorldColumn:
    """A column. `type` is the whole type as MySQL writes it. `definition` is what follows it in a real CREATE TABLE."""

    name: str
    type: str
    nullable: bool = True
    holds_json: bool = False
    changes_by_itself: bool = False
    collation: str = "utf8mb4_general_ci"
    definition: str = ""

    @property
    def data_type(self) -> str:
        """The type without its length."""
        return re.split(r"[ (]", self.type)[0]

    @property
    def choices(self) -> list[str]:
        """The values of an ENUM or a SET, in their order."""
        return [found.replace("''", "'") for found in re.findall(r"'((?:[^']|'')*)'", self.type)]


@dataclass(frozen=True)
class WorldTable:
    """A table, and the rows that it begins with.

    Values are numbers or text as people write it: of binary columns `0x` and digits, of JSON what it holds.
    """

    name: str
    columns: tuple[WorldColumn, ...]
    key: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    engine: str = "InnoDB"
    options: str = ""

    def find(self, name: str) -> WorldColumn:
        """Return the column of this name."""
        return next(column for column in self.columns if column.name == name)


class TableWorld(Protocol):
    """A phpMyAdmin with a database `shop`, whose tables tests create and edit by other ways."""

    url: str

    @property
    def login(self) -> PhpMyAdminLogin:
        """The login that reads."""
        ...

    def create(self, table: WorldTable) -> None:
        """Create a table with its rows, in place of one of the same name."""
        ...

    def insert(self, table: WorldTable, *rows: Row) -> None:
        """Insert rows."""
        ...

    def update(self, table: WorldTable, where: Row, changes: Row) -> None:
        """Change the first row with the values `where`."""
        ...

    def delete(self, table: WorldTable, where: Row) -> None:
        """Delete the first row with the values `where`."""
        ...

    def add_column(self, table: WorldTable, column: WorldColumn) -> WorldTable:
        """Add a column, which may be NULL, and return the table as it is then."""
        ...

    def read_truth(self, table: WorldTable) -> list[Row]:
        """Return the bodies that the rows must have, in the order of the key; in any order without a key."""
        ...

    def clear_log(self) -> None:
        """Forget the statements so far."""
        ...

    def list_statements(self) -> list[str]:
        """Return the statements of the product, in order."""
        ...

    def change_password(self) -> None:
        """Change the password of the login."""
        ...

    def end_sessions(self) -> None:
        """End all sessions."""
        ...

    def forget_update_times(self) -> None:
        """Let the server forget when tables were changed, as it does when it starts."""
        ...

    def set_away(self, *, is_away: bool) -> None:
        """Let the database accept no connection, or accept them again."""
        ...


class SimulatedWorld:
    """The sandbox's phpMyAdmin. The process is the caller's."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.url = f"{str(http.base_url).rstrip('/')}/phpmyadmin"
        self._password = str(self.control("GET", "")["password"])

    @property
    def login(self) -> PhpMyAdminLogin:
        """The login that reads."""
        return PhpMyAdminLogin(self.url, "merchant", self._password, "1", DATABASE)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of the control API."""
        response = self._http.request(method, f"/control/phpmyadmin{path}", json=body)
        assert response.status_code < 300, response.text
        return response.json()

    @contextmanager
    def fail(self, **faults: Any) -> Iterator[None]:
        """Switch faults on while the context lasts."""
        self.control("PUT", "/faults", faults)
        try:
            yield
        finally:
            self.control("PUT", "/faults", {})

    def create(self, table: WorldTable) -> None:
        """Create a table with its rows."""
        body = {
            "columns": [_describe(column) for column in table.columns],
            "indexes": [{"name": "PRIMARY", "columns": table.key}] if table.key else [],
            "rows": table.rows,
            "engine": table.engine,
            "options": table.options,
        }
        self.control("PUT", _path(table), body)

    def insert(self, table: WorldTable, *rows: Row) -> None:
        """Insert rows."""
        self.control("POST", f"{_path(table)}/rows", {"rows": rows})

    def update(self, table: WorldTable, where: Row, changes: Row) -> None:
        """Change a row."""
        self.control("PATCH", f"{_path(table)}/rows", {"where": where, "set": changes})

    def delete(self, table: WorldTable, where: Row) -> None:
        """Delete a row."""
        self.control("DELETE", f"{_path(table)}/rows", {"where": where})

    def add_column(self, table: WorldTable, column: WorldColumn) -> WorldTable:
        """Add a column."""
        self.control("POST", f"{_path(table)}/columns", _describe(column))
        return replace(table, columns=(*table.columns, column))

    def read_truth(self, table: WorldTable) -> list[Row]:
        """Return the rows of the document that the sandbox expects."""
        rows: list[Row] = self.control("GET", f"{_path(table)}/document")["data"]
        return rows

    def clear_log(self) -> None:
        """Reset the statistics."""
        self.control("DELETE", "/statistics")

    def list_statements(self) -> list[str]:
        """Return the statements that the sandbox has logged."""
        statements: list[str] = self.control("GET", "/statistics")["statements"]
        return statements

    def change_password(self) -> None:
        """Change the password."""
        self._password = self.control("POST", "/password")["password"]

    def end_sessions(self) -> None:
        """End all sessions."""
        self.control("DELETE", "/sessions")

    def forget_update_times(self) -> None:
        """Do nothing: the sandbox knows no time of a table that was not edited since it was created."""

    def set_away(self, *, is_away: bool) -> None:
        """Let the database be away."""
        self.control("PUT", "/faults", {"database_away": is_away})

    def reset(self) -> None:
        """Switch off all that tests have switched on."""
        self.control("PUT", "/faults", {})
        self.control("PUT", "/setup", {})


class RealWorld:
    """A real phpMyAdmin in front of a MariaDB, with a user who may only read."""

    def __init__(self, server: PhpMyAdmin, mariadb: MariaDb) -> None:
        self.url = server.url
        self.server = server
        self.mariadb = mariadb
        self.offset = timedelta(0)
        """The offset of the server's time zone, if a test has set it."""
        self._login = PhpMyAdminLogin(self.url, "reading", PASSWORD, "1", DATABASE)

    @property
    def login(self) -> PhpMyAdminLogin:
        """The login that reads."""
        return self._login

    def adopt_login(self, other: "RealWorld") -> None:
        """Take over the login of another world of the same database."""
        self._login = replace(other.login, url=self.url)

    def prepare(self) -> None:
        """Make the database and the user."""
        self.mariadb.execute(f"CREATE OR REPLACE DATABASE {DATABASE}")
        self._create_user()

    def keep_commits(self) -> None:
        """Let what is committed outlive a crash. MariaDB is set up here to write it to disk only once a second."""
        self.mariadb.execute("FLUSH ENGINE LOGS")

    @contextmanager
    def in_zone(self, offset: timedelta) -> Iterator[None]:
        """Give the server another time zone while the context lasts."""
        minutes = offset // timedelta(minutes=1)
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        self.mariadb.execute(f"SET GLOBAL time_zone = '{sign}{hours:02}:{rest:02}'")
        self.offset = offset
        try:
            yield
        finally:
            self.mariadb.execute("SET GLOBAL time_zone = 'SYSTEM'")
            self.offset = timedelta(0)

    def create(self, table: WorldTable) -> None:
        """Create a table with its rows."""
        parts = [self._define(column) for column in table.columns]
        if table.key:
            parts.append(f"PRIMARY KEY ({', '.join(map(_quote, table.key))})")
        name, options = _name(table), table.options.upper()
        self._execute(f"CREATE OR REPLACE TABLE {name} ({', '.join(parts)}) ENGINE={table.engine} {options}")
        self.insert(table, *table.rows)

    def insert(self, table: WorldTable, *rows: Row) -> None:
        """Insert rows."""
        self._execute(*(self._build_insert(table, row) for row in rows))

    def update(self, table: WorldTable, where: Row, changes: Row) -> None:
        """Change a row."""
        pairs = (f"{_quote(name)} = {_write(table.find(name), value)}" for name, value in changes.items())
        self._execute(f"UPDATE {_name(table)} SET {', '.join(pairs)} WHERE {_match(table, where)} LIMIT 1")

    def delete(self, table: WorldTable, where: Row) -> None:
        """Delete a row."""
        self._execute(f"DELETE FROM {_name(table)} WHERE {_match(table, where)} LIMIT 1")

    def add_column(self, table: WorldTable, column: WorldColumn) -> WorldTable:
        """Add a column."""
        self._execute(f"ALTER TABLE {_name(table)} ADD {self._define(column)}")
        return replace(table, columns=(*table.columns, column))

    def read_truth(self, table: WorldTable) -> list[Row]:
        """Return what must become of the rows that a driver reads, without a conversion of its own, in UTC."""
        selected = ", ".join(
            f"ST_AsText({_quote(column.name)})" if column.data_type in _SHAPES else _quote(column.name)
            for column in table.columns
        )
        found = self._execute(f"SELECT {selected} FROM {_name(table)}", conv={})
        rows = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in found]
        rows.sort(key=lambda row: [_order(table.find(name), row[name]) for name in table.key])
        return [{column.name: self._convert(column, row[column.name]) for column in table.columns} for row in rows]

    def clear_log(self) -> None:
        """Empty the general log."""
        self.mariadb.clear_log()

    def list_statements(self) -> list[str]:
        """Return the statements in the general log that are not phpMyAdmin's own."""
        listed = self.mariadb.list_statements(self._login.username)
        return [statement for statement in listed if statement.startswith(_OWN_STATEMENTS)]

    def change_password(self) -> None:
        """Change the password."""
        self._login = replace(self._login, password=f"{self._login.password}!")
        self._create_user()

    def end_sessions(self) -> None:
        """Delete the files of all sessions."""
        self.server.end_sessions()

    def forget_update_times(self) -> None:
        """Restart the server."""
        self.mariadb.stop()
        self.mariadb.start()

    def set_away(self, *, is_away: bool) -> None:
        """Stop the database, or start it."""
        if is_away:
            self.mariadb.stop()
        else:
            self.mariadb.start()

    def _create_user(self) -> None:
        self.mariadb.create_user(self._login.username, self._login.password, f"SELECT ON {DATABASE}.*")

    def _execute(self, *statements: str, **options: Any) -> list[tuple[Any, ...]]:
        begin = "SET sql_mode = '', time_zone = '+00:00'"
        return self.mariadb.execute(*statements, init_command=begin, **options)

    def _define(self, column: WorldColumn) -> str:
        name = _quote(column.name)
        parts = [name, column.type]
        if column.collation != "utf8mb4_general_ci":
            parts += [f"CHARACTER SET {column.collation.partition('_')[0]} COLLATE {column.collation}"]
        if not column.definition.startswith("AS"):
            parts.append("NULL" if column.nullable else "NOT NULL")
        if column.changes_by_itself:
            parts.append("DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")
        elif column.data_type == "timestamp":
            parts.append("DEFAULT NULL" if column.nullable else "DEFAULT '2000-01-01 00:00:00'")
        if column.holds_json:
            parts.append(f"CHECK (json_valid({name}))")
        return " ".join((*parts, column.definition))

    def _build_insert(self, table: WorldTable, row: Row) -> str:
        names = ", ".join(map(_quote, row))
        values = ", ".join(_write(table.find(name), value) for name, value in row.items())
        return f"INSERT INTO {_name(table)} ({names}) VALUES ({values})"

    def _convert(self, column: WorldColumn, read: Any) -> Any:
        """Return the value that must stand in the document for one that the driver has read."""
        if read is None:
            return None
        kind = column.data_type
        if column.holds_json:
            return json.loads(read)
        if kind in _INTEGERS or kind == "bit":
            number = int.from_bytes(read) if kind == "bit" else int(read)
            return number if -_LARGEST_NUMBER <= number <= _LARGEST_NUMBER else str(number)
        if kind in ("float", "double"):
            return float(read)
        if kind in _BINARIES:
            return base64.b64encode(read).decode()
        if kind in ("date", "datetime", "timestamp"):
            return self._convert_date(kind, read)
        return read

    def _convert_date(self, kind: str, read: str) -> str | None:
        if not all(int(part) for part in read[:10].split("-")):
            return None
        if kind != "timestamp":
            return read.replace(" ", "T")
        local = datetime.fromisoformat(read) + self.offset
        digits = len(read.partition(".")[2])
        minutes = self.offset // timedelta(minutes=1)
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        fraction = f".{local:%f}"[: digits + 1] if digits else ""
        return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{hours:02}:{rest:02}"


@contextmanager
def run_sandbox(folder: Path, log: Path) -> Iterator[httpx.Client]:
    """Run the sandbox as a process, with its state in a folder. Yields a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    names = {"SANDBOX_PORT": str(port), "SANDBOX_STATE": str(folder)}
    environment = {**os.environ, **names, "SHOPIFY_API_KEY": "key", "SHOPIFY_API_SECRET": "secret"}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "sandbox.app"], env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _wait_until_it_serves(http, process, log)
            yield http
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_serves(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            http.get("/health")
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox does not serve")


def _describe(column: WorldColumn) -> dict[str, Any]:
    """Return a column as the sandbox's control API has it."""
    return {
        "name": column.name,
        "type": column.type,
        "nullable": column.nullable,
        "holds_json": column.holds_json,
        "changes_by_itself": column.changes_by_itself,
        "collation": column.collation,
    }


def _path(table: WorldTable) -> str:
    return f"/tables/1/{DATABASE}/{quote(table.name, safe='')}"


def _name(table: WorldTable) -> str:
    return f"{DATABASE}.{_quote(table.name)}"


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _write(column: WorldColumn, value: Any) -> str:
    """Return a value as a literal of SQL."""
    if value is None:
        return "NULL"
    if column.data_type in _BINARIES:
        return f"x'{value[2:]}'"
    if column.data_type in _SHAPES:
        return f"ST_GeomFromText('{value}')"
    if isinstance(value, int | float):
        return repr(value)
    return str(pymysql.converters.escape_item(value if isinstance(value, str) else json.dumps(value), "utf8mb4"))


def _match(table: WorldTable, where: Row) -> str:
    """Return the condition that a row has these values, to the byte."""
    parts = []
    for name, value in where.items():
        column = table.find(name)
        is_text = column.data_type in ("char", "varchar", "text")
        own = f"CAST({_quote(name)} AS BINARY)" if is_text else _quote(name)
        literal = _write(column, value)
        parts.append(f"{own} <=> {f'CAST({literal} AS BINARY)' if is_text else literal}")
    return " AND ".join(parts) or "TRUE"


def _order(column: WorldColumn, read: Any) -> Any:
    """Return what the rows of a table are ordered by."""
    kind = column.data_type
    if kind == "bit":
        return int.from_bytes(read)
    if kind in _INTEGERS or kind == "decimal":
        return Decimal(read)
    if kind == "enum":
        return column.choices.index(read) + 1
    if kind == "set":
        return sum(2**number for number, choice in enumerate(column.choices) if choice in read.split(","))
    return read if isinstance(read, bytes) else str(read).encode()
