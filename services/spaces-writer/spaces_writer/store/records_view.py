"""Reads the stored records of a connection, from which its document is built."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database
from platform_sdk.documents import StoredRecord

PORTION_BYTES = 4 * 1024 * 1024
PORTION_RECORDS = 500
ROWS_PER_FETCH = 2_000
"""How many rows of an index are fetched at once from a cursor of the database."""

_LOAD_SEQUENCE = text("SELECT sequence FROM connections WHERE connection = :connection")
_LIST_RESOURCES = text("""
SELECT DISTINCT resource FROM records WHERE connection = :connection AND content_hash IS NOT NULL
""")
_LIST_IDS = text("""
SELECT id, body_bytes, read_at, volatile_fields FROM records
WHERE connection = :connection AND resource = :resource AND content_hash IS NOT NULL ORDER BY sort_key, id
""")
_LIST_IDS_BY_TITLE = text("""
SELECT id, body_bytes, read_at, volatile_fields FROM records
WHERE connection = :connection AND resource = :resource AND content_hash IS NOT NULL
ORDER BY (CAST(lookup_fields AS jsonb) ->> 'title') COLLATE "C", sort_key
""")
_READ_BODIES = text("""
SELECT wanted.id, b.body FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS wanted (id, place)
CROSS JOIN LATERAL (
    SELECT body FROM bodies
    WHERE connection = :connection AND resource = :resource AND bodies.id = wanted.id OFFSET 0) AS b
ORDER BY wanted.place
""")
_READ_CHILDREN = text("""
-- All parents in one scan: just after a first full read there are no statistics of these rows, and a plan by another
-- index would read all records anew for each parent.
SELECT r.id, r.read_at, b.body FROM (
    SELECT id, read_at FROM records WHERE connection = :connection AND parent = ANY(CAST(:ids AS text[]))
        AND resource = :resource AND content_hash IS NOT NULL OFFSET 0) AS r
CROSS JOIN LATERAL (
    SELECT body FROM bodies
    WHERE connection = :connection AND resource = :resource AND bodies.id = r.id OFFSET 0) AS b
""")
_READ_LOOKUP_FIELDS = text("""
SELECT id, lookup_fields FROM records
WHERE connection = :connection AND resource = :resource AND content_hash IS NOT NULL
""")
_COUNT = text("""
SELECT count(*) FROM records WHERE connection = :connection AND content_hash IS NOT NULL AND parent IS NULL
""")


class IndexRow(NamedTuple):
    """What is known of a record without its body: the size of the body in bytes, and when it was read (ms)."""

    id: str
    body_bytes: int
    read_at: int
    volatile_fields: str


class Portions:
    """Divides records into portions whose bodies are read at once."""

    def __init__(self) -> None:
        self.open: list[IndexRow] = []
        """The portion that is not full yet."""
        self._bytes = 0

    def add(self, row: IndexRow) -> list[IndexRow] | None:
        """Add a record. Return the portion before it if that is full."""
        is_full = self._bytes + row.body_bytes > PORTION_BYTES or len(self.open) >= PORTION_RECORDS
        full = self.open if is_full and self.open else None
        if full is not None:
            self.open, self._bytes = [], 0
        self.open.append(row)
        self._bytes += row.body_bytes
        return full


class DatabaseRecordsView:
    """Reads the stored records of one connection, without the deleted ones, as they were at one moment.

    Implements `RecordsView` in a REPEATABLE READ transaction.
    """

    def __init__(self, tx: AsyncConnection, connection: str, sequence: int) -> None:
        self._tx = tx
        self._connection = connection
        self._index: dict[str, tuple[int, int, str]] = {}
        self.sequence = sequence
        """The connection's sequence number at the moment that this view shows."""

    async def list_resources(self) -> Sequence[str]:
        """Return the resources that have records, sorted by name."""
        return sorted((await self._tx.execute(_LIST_RESOURCES, {"connection": self._connection})).scalars())

    async def list_ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        """Return the ids of the resource's records in the order of the document: by sort key, or by title."""
        statement = _LIST_IDS_BY_TITLE if by_title else _LIST_IDS
        rows = (await self._tx.execute(statement, self._build_scope(resource))).all()
        self._index.update((row.id, (row.body_bytes, row.read_at, row.volatile_fields)) for row in rows)
        return [row.id for row in rows]

    async def read_records(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield the records in the order of `ids`, in batches of about 4 MiB. `list_ids` must have returned the ids."""
        portions = Portions()
        for record_id in ids:
            if (full := portions.add(IndexRow(record_id, *self._index[record_id]))) is not None:
                yield await self._read_portion(resource, full)
        if portions.open:
            yield await self._read_portion(resource, portions.open)

    async def read_all(self, resource: str) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield all records of the resource, ordered by sort key and id, in batches of about 4 MiB.

        Their index comes from a cursor of the database, so that only a part of it is in memory.
        """
        portions = Portions()
        cursor = await self._tx.stream(_LIST_IDS, self._build_scope(resource))
        async for rows in cursor.partitions(ROWS_PER_FETCH):
            for row in rows:
                if (full := portions.add(IndexRow(*row))) is not None:
                    yield await self._read_portion(resource, full)
        if portions.open:
            yield await self._read_portion(resource, portions.open)

    async def read_children(self, resource: str, parents: Sequence[str]) -> Sequence[StoredRecord]:
        """Return all records of `resource` whose parent is one of `parents`."""
        rows = await self._tx.execute(_READ_CHILDREN, {**self._build_scope(resource), "ids": list(parents)})
        return [StoredRecord(row.id, row.body, row.read_at) for row in rows]

    async def read_lookup_fields(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        """Return a dict from the id of each record of `resource` to its lookup fields.

        Lookup fields are the few fields of a record that other records show, such as a product's title.
        """
        rows = await self._tx.execute(_READ_LOOKUP_FIELDS, self._build_scope(resource))
        return {row.id: orjson.loads(row.lookup_fields) for row in rows}

    async def count_top_level_records(self) -> int:
        """Return the number of records that have no parent. Child records are not counted."""
        return int((await self._tx.execute(_COUNT, {"connection": self._connection})).scalar_one())

    def _build_scope(self, resource: str) -> dict[str, object]:
        return {"connection": self._connection, "resource": resource}

    async def _read_portion(self, resource: str, portion: Sequence[IndexRow]) -> list[StoredRecord]:
        by_id = {row.id: row for row in portion}
        rows = await self._tx.execute(_READ_BODIES, {**self._build_scope(resource), "ids": list(by_id)})
        return [StoredRecord(row.id, row.body, by_id[row.id].read_at, by_id[row.id].volatile_fields) for row in rows]


@asynccontextmanager
async def open_records_view(database: Database, connection: str) -> AsyncIterator[DatabaseRecordsView]:
    """Open a view of the connection's stored records as they are at this moment.

    Raises `UnavailableError` if the database is unavailable.
    """
    async with database.transaction(isolation="REPEATABLE READ") as tx:
        sequence = int((await tx.execute(_LOAD_SEQUENCE, {"connection": connection})).scalar_one())
        yield DatabaseRecordsView(tx, connection, sequence)
