"""The stored state of all shops: recipes, changed records, grants, subscriptions and pending webhooks.

It is in one SQLite file. Generated records are not stored, because the recipe of a shop generates them again. The table
`records` has only records that differ from the recipe: changed ones with all fields, and deleted ones with a null body.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from sandbox.deliveries import Delivery
from sandbox.shopify.model import Profile, Record
from sandbox.shopify.webhooks import Subscription

_SCHEMA = """
create table if not exists shops (
    domain text primary key, recipe blob not null, profile blob, grants blob, subscriptions blob, faults blob
);
create table if not exists records (
    domain text, kind text, number integer, body blob, primary key (domain, kind, number)
) without rowid;
create table if not exists deliveries (id text primary key, domain text, due real, attempts integer, meta blob,
body blob);
"""
_METADATA = ("subscription", "topic", "uri", "event", "triggered_at", "api_version")
_OPTIONS = orjson.OPT_NON_STR_KEYS


class ShopStore:
    """Keeps the state of all shops in `sandbox.sqlite` in `folder`.

    Every method is one transaction, and any thread may call it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(folder / "sandbox.sqlite", check_same_thread=False, isolation_level=None)
        # In WAL mode a killed process loses nothing, even without syncs. A power cut may; that is fine for a sandbox.
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)

    def close(self) -> None:
        """Close the SQLite file."""
        self._db.close()

    def add_shop(self, domain: str, recipe: dict[str, Any]) -> None:
        """Store a new shop."""
        with self._lock:
            self._db.execute("insert into shops (domain, recipe) values (?, ?)", (domain, orjson.dumps(recipe)))

    def load_shops(self) -> list[dict[str, Any]]:
        """Load the row of every shop, each as a dictionary.

        It has the domain, and the recipe, profile, grants, subscriptions and faults as parsed JSON; None if nothing is
        stored.
        """
        names = ("recipe", "profile", "grants", "subscriptions", "faults")
        with self._lock:
            rows = self._db.execute(f"select domain, {', '.join(names)} from shops order by domain").fetchall()
        return [
            {
                "domain": row[0],
                **{name: orjson.loads(body) if body else None for name, body in zip(names, row[1:], strict=True)},
            }
            for row in rows
        ]

    def write_column(self, domain: str, name: str, value: Any) -> None:
        """Store `value` as JSON in one column of the row of a shop. `name` is grants, subscriptions or faults."""
        with self._lock:
            self._db.execute(f"update shops set {name} = ? where domain = ?", (orjson.dumps(value), domain))

    def load_records(self, domain: str) -> Iterator[tuple[str, int, dict[str, Any] | None]]:
        """Yield the kind, number and parsed JSON of each record of a shop that is not as its recipe generates it.

        The JSON of a deleted record is None.
        """
        with self._lock:
            rows = self._db.execute("select kind, number, body from records where domain = ?", (domain,)).fetchall()
        for kind, number, body in rows:
            yield kind, number, orjson.loads(body) if body is not None else None

    def save_changes(
        self, profile: Profile, changes: dict[tuple[str, int], Record | None], deliveries: Iterable[Delivery]
    ) -> None:
        """Write the profile of a shop, the records that an edit changed and its pending webhooks in one transaction.

        `changes` maps the kind and number of each record to the record, or to None if it is deleted.
        """
        records = [
            (profile.domain, kind, number, orjson.dumps(record, option=_OPTIONS) if record is not None else None)
            for (kind, number), record in changes.items()
        ]
        rows = [_build_row(delivery) for delivery in deliveries if delivery.status == "pending"]
        with self._lock:
            self._db.execute("begin")
            self._db.execute("update shops set profile = ? where domain = ?", (orjson.dumps(profile), profile.domain))
            self._db.executemany("insert or replace into records values (?, ?, ?, ?)", records)
            self._db.executemany("insert or ignore into deliveries values (?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("commit")

    def update_or_delete_delivery(self, delivery: Delivery) -> None:
        """Write the result of an attempt to deliver a webhook.

        A delivery that is still pending is kept with its next due time. One that is delivered or failed is deleted.
        """
        with self._lock:
            if delivery.status == "pending":
                values = (delivery.due, delivery.attempts, delivery.id)
                self._db.execute("update deliveries set due = ?, attempts = ? where id = ?", values)
            else:
                self._db.execute("delete from deliveries where id = ?", (delivery.id,))

    def load_pending_deliveries(self) -> list[Delivery]:
        """Load all deliveries that are still pending, ordered by due time."""
        with self._lock:
            rows = self._db.execute(
                "select id, domain, due, attempts, meta, body from deliveries order by due"
            ).fetchall()
        return [
            Delivery(id=row[0], shop=row[1], due=row[2], attempts=row[3], body=row[5], **orjson.loads(row[4]))
            for row in rows
        ]


def _build_row(delivery: Delivery) -> tuple[Any, ...]:
    meta = orjson.dumps({name: getattr(delivery, name) for name in _METADATA})
    return delivery.id, delivery.shop, delivery.due, delivery.attempts, meta, delivery.body


def dump_subscriptions(subscriptions: Iterable[Subscription]) -> list[dict[str, Any]]:
    """Return webhook subscriptions as the JSON objects in which they are stored."""
    return [asdict(subscription) for subscription in subscriptions]
