"""Snapshot rows: what was composed and uploaded last, under a lock that ingestion never touches; and the one view
of a connection's records that a layout reads."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database
from spaces_writer.layouts import Stored
from spaces_writer.pacing import Pace

CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_RECORDS = 500


@dataclass(frozen=True)
class Snapshot:
    """A snapshot row with what its connection says now."""

    connection: str
    object_key: str
    merchant: UUID | None
    epoch: int
    change: int
    """The connection's change number when the lock was taken."""
    composed_change: int
    sha256: str | None
    bytes: int
    records: int
    checks: int
    """How often a look at the stored object has been asked for."""
    check_object: bool
    """Whether one of them is due."""
    failures: int
    source: UUID | None
    pace: Pace


_SHOWN = """c.complete AND c.state <> 'redacted' AND NOT EXISTS (
    SELECT 1 FROM erasures e WHERE e.connection = c.connection AND e.erased_at IS NULL)"""
"""A redaction's object is out before a connection made anew puts its own under the same key."""

_DUE = text(f"""
SELECT c.connection, s.tokens, s.refilled_at, s.duration
FROM connections c LEFT JOIN snapshots s USING (connection)
WHERE {_SHOWN}
  AND (s.connection IS NULL OR c.change > s.composed_change OR c.checks > s.checked)
  AND coalesce(s.not_before, 0) <= :now
ORDER BY c.connection
""")
_MAKE = text(f"""
INSERT INTO snapshots (connection) SELECT connection FROM connections c WHERE connection = :connection AND {_SHOWN}
ON CONFLICT DO NOTHING
""")
_LOCK = text("SELECT * FROM snapshots WHERE connection = :connection FOR UPDATE SKIP LOCKED")
_CONNECTION = text(f"""
SELECT object_key, merchant, epoch, change, checks, last_source FROM connections c
WHERE connection = :connection AND {_SHOWN}
""")
_MAKE_TO_HOLD = text("INSERT INTO snapshots (connection) VALUES (:connection) ON CONFLICT DO NOTHING")
_HOLD = text("SELECT sha256 FROM snapshots WHERE connection = :connection FOR UPDATE")
_DROP = text("DELETE FROM snapshots WHERE connection = :connection")
_STORE = text("""
UPDATE snapshots SET composed_change = :change, sha256 = :sha256, bytes = :bytes, records = :records,
    checked = :checked, failures = 0, not_before = 0,
    tokens = :tokens, refilled_at = :refilled_at, duration = :duration
WHERE connection = :connection
""")
_FAIL = text("""
UPDATE snapshots SET failures = failures + 1, not_before = :not_before,
    tokens = :tokens, refilled_at = :refilled_at, duration = :duration WHERE connection = :connection
""")
_IDS = text("""
SELECT id, bytes, read_at, volatile FROM records
WHERE connection = :connection AND resource = :resource AND hash IS NOT NULL ORDER BY rank, id
""")
_IDS_BY_TITLE = text("""
SELECT id, bytes, read_at, volatile FROM records
WHERE connection = :connection AND resource = :resource AND hash IS NOT NULL
ORDER BY (CAST(facts AS jsonb) ->> 'title') COLLATE "C", rank
""")
_BODIES = text("""
SELECT wanted.id, b.body FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS wanted (id, place)
CROSS JOIN LATERAL (
    SELECT body FROM bodies
    WHERE connection = :connection AND resource = :resource AND bodies.id = wanted.id OFFSET 0) AS b
ORDER BY wanted.place
""")
_CHILDREN = text("""
-- All parents in one scan: just after a first walk there are no statistics of these rows, and a plan by another index
-- would read all records anew for each parent.
SELECT r.id, r.read_at, b.body FROM (
    SELECT id, read_at FROM records WHERE connection = :connection AND parent = ANY(CAST(:ids AS text[]))
        AND resource = :resource AND hash IS NOT NULL OFFSET 0) AS r
CROSS JOIN LATERAL (
    SELECT body FROM bodies
    WHERE connection = :connection AND resource = :resource AND bodies.id = r.id OFFSET 0) AS b
""")
_FACTS = text("""
SELECT id, facts FROM records WHERE connection = :connection AND resource = :resource AND hash IS NOT NULL
""")

_COUNT = text("""
SELECT count(*) FROM records WHERE connection = :connection AND hash IS NOT NULL AND parent IS NULL
""")


async def due(tx: AsyncConnection, now: float) -> list[str]:
    """Connections whose snapshot is dirty or to be checked and whose pace allows a compose at `now` (epoch seconds)."""
    rows = await tx.execute(_DUE, {"now": now})
    return [row.connection for row in rows if row.tokens is None or Pace(*row[1:]).wait(now) <= 0]


async def lock(tx: AsyncConnection, connection: str) -> Snapshot | None:
    """The snapshot's row, held until the transaction ends; None when another process holds it or nothing is due."""
    await tx.execute(_MAKE, {"connection": connection})
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    if row is None:
        return None
    about = (await tx.execute(_CONNECTION, {"connection": connection})).one_or_none()
    if about is None or about.object_key is None:
        return None
    return Snapshot(
        connection=connection,
        object_key=about.object_key,
        merchant=about.merchant,
        epoch=about.epoch,
        change=about.change,
        composed_change=row.composed_change,
        sha256=row.sha256,
        bytes=row.bytes,
        records=row.records,
        checks=about.checks,
        check_object=about.checks > row.checked,
        failures=row.failures,
        source=about.last_source,
        pace=Pace(row.tokens, row.refilled_at, row.duration),
    )


async def hold(tx: AsyncConnection, connection: str) -> bool:
    """Hold the snapshot's row, made for it where there is none, once whoever has it is done. Whether its document was
    ever put."""
    while True:
        await tx.execute(_MAKE_TO_HOLD, {"connection": connection})
        row = (await tx.execute(_HOLD, {"connection": connection})).one_or_none()
        if row is not None:
            return row.sha256 is not None


async def drop(tx: AsyncConnection, connection: str) -> None:
    """Forget what was composed."""
    await tx.execute(_DROP, {"connection": connection})


async def store(
    tx: AsyncConnection, snapshot: Snapshot, *, change: int, sha256: str, size: int, records: int, pace: Pace
) -> None:
    """Write back what was composed: the change number that the bytes hold."""
    await tx.execute(
        _STORE,
        {
            "connection": snapshot.connection,
            "checked": snapshot.checks,
            "change": change,
            "sha256": sha256,
            "bytes": size,
            "records": records,
            **_pace(pace),
        },
    )


async def fail(tx: AsyncConnection, snapshot: Snapshot, pace: Pace) -> None:
    """The bucket was away: the snapshot stays dirty and is tried again, less often with each failure."""
    later = time.time() + min(30.0, 0.5 * 2 ** min(snapshot.failures, 6))
    await tx.execute(_FAIL, {"connection": snapshot.connection, "not_before": later, **_pace(pace)})


def _pace(pace: Pace) -> dict[str, float]:
    return {"tokens": pace.tokens, "refilled_at": pace.refilled_at, "duration": pace.duration}


class RecordsView:
    """The living records of one connection as of one moment: everything is read in one REPEATABLE READ transaction."""

    def __init__(self, tx: AsyncConnection, connection: str, change: int) -> None:
        self._tx = tx
        self._connection = connection
        self._seen: dict[str, tuple[int, int, str]] = {}
        self.change = change
        """The change number that this view holds."""

    async def ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        """Ids in the document's order."""
        statement = _IDS_BY_TITLE if by_title else _IDS
        rows = (await self._tx.execute(statement, self._scope(resource))).all()
        self._seen.update((row.id, (row.bytes, row.read_at, row.volatile)) for row in rows)
        return [row.id for row in rows]

    async def stored(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[Stored]]:
        """Bodies of ids that `ids` has given, in their order, in chunks of about 4 MiB."""
        for chunk in self._chunks(ids):
            rows = await self._tx.execute(_BODIES, {**self._scope(resource), "ids": chunk})
            yield [Stored(row.id, row.body, *self._seen[row.id][1:]) for row in rows]

    async def children(self, resource: str, parents: Sequence[str]) -> Sequence[Stored]:
        """All records of `resource` that belong to one of `parents`."""
        rows = await self._tx.execute(_CHILDREN, {**self._scope(resource), "ids": list(parents)})
        return [Stored(row.id, row.body, row.read_at) for row in rows]

    async def facts(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        """The facts of all records of `resource` by id."""
        rows = await self._tx.execute(_FACTS, self._scope(resource))
        return {row.id: orjson.loads(row.facts) for row in rows}

    async def count(self) -> int:
        """How many living records the view shows; those that came along with another are part of it."""
        return int((await self._tx.execute(_COUNT, {"connection": self._connection})).scalar_one())

    def _scope(self, resource: str) -> dict[str, object]:
        return {"connection": self._connection, "resource": resource}

    def _chunks(self, ids: Sequence[str]) -> list[list[str]]:
        chunks: list[list[str]] = []
        room = 0
        for gid in ids:
            size = self._seen[gid][0]
            if room < size or not chunks or len(chunks[-1]) >= CHUNK_RECORDS:
                chunks.append([])
                room = CHUNK_BYTES
            chunks[-1].append(gid)
            room -= size
        return chunks


_CHANGE = text("SELECT change FROM connections WHERE connection = :connection")


@asynccontextmanager
async def view(database: Database, connection: str) -> AsyncIterator[RecordsView]:
    """A view of the connection's records, with the change number that it holds."""
    async with database.transaction(isolation="REPEATABLE READ") as tx:
        change = int((await tx.execute(_CHANGE, {"connection": connection})).scalar_one())
        yield RecordsView(tx, connection, change)
