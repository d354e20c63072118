"""The stored state of the simulated Facebook: users, Facebook Pages, tokens, settings and pending webhook deliveries.

It is in the same SQLite file as the state of the simulated Shopify, in separate tables.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from sandbox.deliveries import Delivery
from sandbox.facebook.model import Page, Person, Token

_SCHEMA = """
create table if not exists graph_people (id text primary key, body blob);
create table if not exists graph_pages (id text primary key, body blob);
create table if not exists graph_tokens (id text primary key, body blob);
create table if not exists graph_settings (id text primary key, body blob);
create table if not exists graph_deliveries (id text primary key, due real, attempts integer, body blob, meta blob);
"""
_META_FIELDS = ("shop", "subscription", "topic", "uri", "event", "triggered_at", "api_version", "pages")


class FacebookStore:
    """Keeps the state of the simulated Facebook in `sandbox.sqlite` in `folder`. Every method is one transaction."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "sandbox.sqlite", isolation_level=None)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)

    def close(self) -> None:
        """Close the SQLite file."""
        self._db.close()

    def load_people(self) -> list[Person]:
        """Load all users, in the order of their creation."""
        return [Person(**orjson.loads(body)) for _, body in self._load_rows("graph_people")]

    def load_pages(self) -> list[Page]:
        """Load all Facebook Pages, in the order of their creation."""
        return [Page(**orjson.loads(body)) for _, body in self._load_rows("graph_pages")]

    def load_tokens(self) -> list[Token]:
        """Load all tokens, including those that are expired or revoked."""
        return [Token(**orjson.loads(body)) for _, body in self._load_rows("graph_tokens")]

    def load_settings(self) -> dict[str, Any]:
        """Load all stored settings (of the app, faults, rate limits, subscription, codes) by name, as parsed JSON."""
        return {name: orjson.loads(body) for name, body in self._load_rows("graph_settings")}

    def save_setting(self, name: str, value: Any) -> None:
        """Write the setting `name`, such as `faults`. The value replaces the stored one."""
        plain = value.model_dump() if isinstance(value, BaseModel) else value
        self._upsert("graph_settings", [(name, orjson.dumps(plain))])

    def save(
        self, *, people: Iterable[Person] = (), pages: Iterable[Page] = (), tokens: Iterable[Token] = (),
        deliveries: Iterable[Delivery] = (),
    ) -> None:  # fmt: skip
        """Write new and changed users, Facebook Pages and tokens, and new webhook deliveries, in one transaction.

        Deliveries that are not pending are left out.
        """
        rows = [_build_delivery_row(delivery) for delivery in deliveries if delivery.status == "pending"]
        with self._db:
            self._db.execute("begin")
            self._upsert("graph_people", [(person.id, orjson.dumps(asdict(person))) for person in people])
            self._upsert("graph_pages", [(page.id, orjson.dumps(asdict(page))) for page in pages])
            self._upsert("graph_tokens", [(token.text, orjson.dumps(asdict(token))) for token in tokens])
            self._db.executemany("insert or ignore into graph_deliveries values (?, ?, ?, ?, ?)", rows)

    def update_or_delete_delivery(self, delivery: Delivery) -> None:
        """Store the outcome of an attempt to send a webhook delivery.

        A delivery that is still pending is kept with its next due time. One that is delivered or failed is deleted.
        """
        if delivery.status == "pending":
            values = (delivery.due, delivery.attempts, delivery.id)
            self._db.execute("update graph_deliveries set due = ?, attempts = ? where id = ?", values)
        else:
            self._db.execute("delete from graph_deliveries where id = ?", (delivery.id,))

    def load_pending_deliveries(self) -> list[Delivery]:
        """Load all webhook deliveries that are still pending, ordered by due time."""
        rows = self._db.execute("select id, due, attempts, body, meta from graph_deliveries order by due").fetchall()
        return [Delivery(id=row[0], due=row[1], attempts=row[2], body=row[3], **orjson.loads(row[4])) for row in rows]

    def _load_rows(self, table: str) -> list[tuple[str, bytes]]:
        return self._db.execute(f"select id, body from {table} order by rowid").fetchall()

    def _upsert(self, table: str, rows: list[tuple[str, bytes]]) -> None:
        # An update keeps the rowid, and with it the order of creation. `insert or replace` would assign a new one.
        statement = f"insert into {table} values (?, ?) on conflict (id) do update set body = excluded.body"
        self._db.executemany(statement, rows)


def _build_delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    meta = orjson.dumps({name: getattr(delivery, name) for name in _META_FIELDS})
    return delivery.id, delivery.due, delivery.attempts, delivery.body, meta
