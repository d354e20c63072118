"""The stored state of the simulated Odoo server: one SQLite file with the records of all its databases."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from sandbox.odoo.fields import Row

_SCHEMA = """
create table if not exists records (
    database text, model text, id integer, body blob, primary key (database, model, id)
) without rowid;
create table if not exists settings (name text primary key, body blob) without rowid;
"""


class OdooStore:
    """Keeps records and settings in `odoo.sqlite` in `folder`. Any thread may call its methods."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(folder / "odoo.sqlite", check_same_thread=False, isolation_level=None)
        # In WAL mode a killed process loses nothing, even without syncs. A power cut may; that is fine for a sandbox.
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)

    def close(self) -> None:
        """Close the SQLite file."""
        self._db.close()

    def load_setting(self, name: str) -> Any:
        """Load a setting; None if it was never written."""
        with self._lock:
            row = self._db.execute("select body from settings where name = ?", (name,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def write_setting(self, name: str, value: Any) -> None:
        """Store a setting as JSON."""
        with self._lock:
            self._db.execute("insert or replace into settings values (?, ?)", (name, orjson.dumps(value)))

    def load_records(self, database: str) -> Iterator[tuple[str, int, Row]]:
        """Yield model, id and row of every record of a database."""
        with self._lock:
            rows = self._db.execute("select model, id, body from records where database = ?", (database,)).fetchall()
        for model, number, body in rows:
            yield model, number, orjson.loads(body)

    def write_records(self, database: str, changes: Iterable[tuple[str, int, Row | None]]) -> None:
        """Store the changes of one transaction: model, id and row, or None for a record that was deleted."""
        kept, deleted = [], []
        for model, number, row in changes:
            if row is None:
                deleted.append((database, model, number))
            else:
                kept.append((database, model, number, orjson.dumps(row)))
        with self._lock:
            self._db.execute("begin")
            self._db.executemany("insert or replace into records values (?, ?, ?, ?)", kept)
            self._db.executemany("delete from records where database = ? and model = ? and id = ?", deleted)
            self._db.execute("commit")

    def delete_database(self, database: str) -> None:
        """Delete all records of a database."""
        with self._lock:
            self._db.execute("delete from records where database = ?", (database,))
