"""The state of the simulated phpMyAdmin: setup, faults, sessions, statistics, and the database servers behind it."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sandbox.phpmyadmin import sample_shop
from sandbox.phpmyadmin.database import DatabaseServer, ResultSet, Rights
from sandbox.phpmyadmin.definitions import ColumnDefinition, TableDefinition
from sandbox.phpmyadmin.errors import ConnectionRefusedByDatabaseError
from sandbox.phpmyadmin.faults import Faults, Setup
from sandbox.phpmyadmin.functions import format_now
from sandbox.phpmyadmin.statistics import Statistics
from sandbox.phpmyadmin.store import ServerStore
from sandbox.phpmyadmin.web_sessions import DatabaseLogin, WebSessions

USERNAME = "merchant"
_MARIADB, _MYSQL = "10.11.14-MariaDB-0+deb12u2", "8.0.40"
_ACCESS_DENIED, _AWAY = 1045, 2002


class PhpMyAdminState:
    """All state. `password` is the one that the database accepts; an empty one is generated at the first start.

    Its methods are called in the thread of the event loop, but for `execute`.
    """

    def __init__(self, folder: Path, password: str) -> None:
        self._folder = folder
        self._path = folder / "phpmyadmin.json"
        stored: dict[str, Any] = orjson.loads(self._path.read_bytes()) if self._path.exists() else {}
        self._given_password = password
        self.password = password or stored.get("password") or secrets.token_urlsafe(9)
        self.setup = Setup(**stored.get("setup", {}))
        self.faults = Faults(**stored.get("faults", {}))
        self.sessions = WebSessions()
        self.statistics = Statistics()
        self._servers: dict[str, DatabaseServer] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._save()

    def get_server(self, server: str) -> DatabaseServer:
        """Return a database server. Raises KeyError for one that there is not."""
        if server not in self.list_servers():
            raise KeyError(server)
        if server not in self._servers:
            path = self._folder / f"phpmyadmin-{server}.sqlite"
            self._servers[server] = DatabaseServer(ServerStore(path, _MARIADB if server == "1" else _MYSQL))
            if not self._servers[server].store.tables:
                self._create_sample(server)
        return self._servers[server]

    def list_servers(self) -> list[str]:
        """Return the numbers of the database servers."""
        return [str(number) for number in range(1, self.setup.servers + 1)]

    def set_setup(self, setup: Setup) -> None:
        """Replace the setup."""
        self.setup = setup
        self._save()

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults. Faults that are left out are switched off."""
        self.faults = faults
        self._save()

    def set_password(self, password: str) -> None:
        """Replace the password of the database's user."""
        self.password = password
        self._save()

    def reset(self) -> None:
        """Bring everything but the password back to the beginning: setup, faults, sessions, statistics and rows."""
        self.setup, self.faults, self.statistics = Setup(), Faults(), Statistics()
        self.sessions.end_all()
        for server, database in self._servers.items():
            for table in list(database.store.tables.values()):
                database.store.drop_table(table)
            database.changes.clear()
            self._create_sample(server)
        self._save()

    def check_login(self, credentials: DatabaseLogin) -> None:
        """Raise ConnectionRefusedByDatabaseError unless the database accepts a connection with these credentials."""
        if self.faults.database_away:
            raise ConnectionRefusedByDatabaseError(_AWAY, "Connection refused")
        if self.faults.refused_with is not None:
            raise ConnectionRefusedByDatabaseError(self.faults.refused_with, "The server refuses the connection")
        if (credentials.username, credentials.password) != (USERNAME, self.password):
            raise ConnectionRefusedByDatabaseError(
                _ACCESS_DENIED, f"Access denied for user '{credentials.username}'@'localhost' (using password: YES)"
            )

    def execute(self, server: str, statement: str, database: str) -> ResultSet:
        """Execute a statement at a server. Raises DatabaseError when it is refused."""
        rights = Rights(USERNAME, self.setup.privileges, frozenset(self.faults.refused_tables))
        return self.get_server(server).execute(statement, database, rights)

    def create_table(self, server: str, table: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        """Create a table with rows, in place of one of the same name. It has not been changed since then."""
        database = self.get_server(server)
        database.store.create_table(table, rows)
        database.changes.pop(table.stored_name, None)

    def insert_rows(self, server: str, table: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows. Raises KeyError for a column that is missing, and ValueError for a value that cannot be."""
        database = self.get_server(server)
        database.store.insert_rows(table, [add_change_times(table, row) for row in rows])
        database.record_change(table)

    def update_row(self, server: str, table: TableDefinition, rowid: int, changes: Mapping[str, Any]) -> None:
        """Change a row. Times that change by themselves are set to now. Raises what `insert_rows` raises."""
        database = self.get_server(server)
        database.store.update_row(table, rowid, add_change_times(table, changes))
        database.record_change(table)

    def delete_row(self, server: str, table: TableDefinition, rowid: int) -> None:
        """Delete a row. Raises KeyError for one that is missing."""
        database = self.get_server(server)
        database.store.delete_row(table, rowid)
        database.record_change(table)

    def fill_table(self, server: str, table: TableDefinition, count: int) -> None:
        """Replace all rows of a table by `count` generated ones."""
        database = self.get_server(server)
        database.store.fill_table(table, sample_shop.build_fills(table), count)
        database.record_change(table)

    def add_further_column(self) -> None:
        """Add a column to the table that the fault `alter_table` names."""
        server, database, name = self.faults.alter_table.split("/")
        store = self.get_server(server).store
        table = store.find_table(database, name)
        column = ColumnDefinition(f"further_{len(table.columns)}", "varchar(40)", nullable=True)
        store.add_column(table, column)

    def close(self) -> None:
        """Close the files of the database servers."""
        for database in self._servers.values():
            database.store.close()

    def _create_sample(self, server: str) -> None:
        store = self._servers[server].store
        for table, rows in sample_shop.generate_tables(int(server)):
            store.create_table(table, rows)

    def _save(self) -> None:
        body: dict[str, Any] = {"setup": self.setup.model_dump(), "faults": self.faults.model_dump()}
        if not self._given_password or self.password != self._given_password:
            body["password"] = self.password
        self._path.write_bytes(orjson.dumps(body))


def add_change_times(table: TableDefinition, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a row with the time now for columns that change by themselves."""
    stamps = {c.name: format_now(c.digits) for c in table.columns if c.changes_by_itself and c.name not in changes}
    return {**stamps, **changes}
