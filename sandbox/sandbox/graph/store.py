"""What outlives the process of the sandbox's Facebook, in the same SQLite file as the shops: people, pages, tokens,
settings, pending webhooks.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from sandbox.deliveries import Delivery
from sandbox.graph.model import Page, Person, Token

_SCHEMA = """
create table if not exists graph_people (id text primary key, body blob);
create table if not exists graph_pages (id text primary key, body blob);
create table if not exists graph_tokens (id text primary key, body blob);
create table if not exists graph_settings (id text primary key, body blob);
create table if not exists graph_deliveries (id text primary key, due real, attempts integer, body blob, meta blob);
"""
_META = ("shop", "subscription", "topic", "uri", "event", "triggered_at", "api_version", "pages")


class GraphStore:
    """Tables of their own in the file `sandbox.sqlite` in a folder. Every method is one transaction."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "sandbox.sqlite", isolation_level=None)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def people(self) -> list[Person]:
        """Everybody, in the order in which they were made."""
        return [Person(**orjson.loads(body)) for _, body in self._rows("graph_people")]

    def pages(self) -> list[Page]:
        """All pages, in the order in which they were made."""
        return [Page(**orjson.loads(body)) for _, body in self._rows("graph_pages")]

    def tokens(self) -> list[Token]:
        """All tokens, dead ones too."""
        return [Token(**orjson.loads(body)) for _, body in self._rows("graph_tokens")]

    def settings(self) -> dict[str, Any]:
        """What was set by name, as parsed JSON."""
        return {name: orjson.loads(body) for name, body in self._rows("graph_settings")}

    def set(self, name: str, value: Any) -> None:
        """Keep one setting."""
        plain = value.model_dump() if isinstance(value, BaseModel) else value
        self._put("graph_settings", [(name, orjson.dumps(plain))])

    def save(
        self, *, people: Iterable[Person] = (), pages: Iterable[Page] = (), tokens: Iterable[Token] = (),
        deliveries: Iterable[Delivery] = (),
    ) -> None:  # fmt: skip
        """Write what an edit changed and the webhooks that it fires, all or nothing."""
        rows = [_row(delivery) for delivery in deliveries if delivery.status == "pending"]
        with self._db:
            self._db.execute("begin")
            self._put("graph_people", [(person.id, orjson.dumps(asdict(person))) for person in people])
            self._put("graph_pages", [(page.id, orjson.dumps(asdict(page))) for page in pages])
            self._put("graph_tokens", [(token.text, orjson.dumps(asdict(token))) for token in tokens])
            self._db.executemany("insert or ignore into graph_deliveries values (?, ?, ?, ?, ?)", rows)

    def settle(self, delivery: Delivery) -> None:
        """Write how an attempt went: a pending delivery is kept with its due time, any other forgotten."""
        if delivery.status == "pending":
            values = (delivery.due, delivery.attempts, delivery.id)
            self._db.execute("update graph_deliveries set due = ?, attempts = ? where id = ?", values)
        else:
            self._db.execute("delete from graph_deliveries where id = ?", (delivery.id,))

    def pending(self) -> list[Delivery]:
        """All deliveries that are still to be made."""
        rows = self._db.execute("select id, due, attempts, body, meta from graph_deliveries order by due").fetchall()
        return [
            Delivery(id=row[0], due=row[1], attempts=row[2], body=row[3], **orjson.loads(row[4])) for row in rows
        ]

    def _rows(self, table: str) -> list[tuple[str, bytes]]:
        return self._db.execute(f"select id, body from {table} order by rowid").fetchall()

    def _put(self, table: str, rows: list[tuple[str, bytes]]) -> None:
        # An update keeps the row where it was in the order of making; a replacement would not.
        statement = f"insert into {table} values (?, ?) on conflict (id) do update set body = excluded.body"
        self._db.executemany(statement, rows)


def _row(delivery: Delivery) -> tuple[Any, ...]:
    meta = orjson.dumps({name: getattr(delivery, name) for name in _META})
    return delivery.id, delivery.due, delivery.attempts, delivery.body, meta
