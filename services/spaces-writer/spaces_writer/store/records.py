"""The record index, the bodies beside it, and the pieces of records that came in parts. Sets, not rows.

Rows of given ids are looked up by `LATERAL (… OFFSET 0)`: the fence keeps every look-up on the whole primary key. Left
to its statistics, which know nothing yet of a shop that has just been connected, the planner reads all of the shop for
each id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Record
from spaces_writer.versions import Version
from spaces_writer.volatile import Volatile

_INDEXED = text("""
SELECT wanted.id, r.updated_at, r.read_at, r.hash, r.volatile, r.volatile_at
FROM unnest(CAST(:ids AS text[])) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT updated_at, read_at, hash, volatile, volatile_at FROM records
    WHERE connection = :connection AND resource = :resource AND records.id = wanted.id OFFSET 0) AS r
""")
_INDEX = text("""
INSERT INTO records (connection, resource, id, updated_at, read_at, hash, bytes, rank, parent, facts,
                     volatile, volatile_at)
SELECT :connection, :resource, * FROM unnest(
    CAST(:ids AS text[]), CAST(:updated AS timestamptz[]), CAST(:read AS bigint[]), CAST(:hashes AS bytea[]),
    CAST(:sizes AS int[]), CAST(:ranks AS numeric[]), CAST(:parents AS text[]), CAST(:facts AS text[]),
    CAST(:volatiles AS text[]), CAST(:taken AS bigint[]))
ON CONFLICT (connection, resource, id) DO UPDATE SET
    updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at, hash = EXCLUDED.hash, bytes = EXCLUDED.bytes,
    rank = EXCLUDED.rank, parent = EXCLUDED.parent, facts = EXCLUDED.facts,
    volatile = EXCLUDED.volatile, volatile_at = EXCLUDED.volatile_at
""")
_BODIES = text("""
INSERT INTO bodies (connection, resource, id, body)
SELECT :connection, :resource, * FROM unnest(CAST(:ids AS text[]), CAST(:bodies AS bytea[]))
ON CONFLICT (connection, resource, id) DO UPDATE SET body = EXCLUDED.body
""")
_DROP_BODIES = text("""
DELETE FROM bodies WHERE connection = :connection AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_DROP_CHILDREN = text("""
DELETE FROM records WHERE connection = :connection AND parent = ANY(CAST(:ids AS text[])) RETURNING resource, id
""")
_ORPHANS = text("""
DELETE FROM records WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[]))
    AND read_at < :before AND parent IS NOT NULL AND parent NOT IN (
        SELECT id FROM records WHERE connection = :connection AND resource = ANY(CAST(:parents AS text[]))
            AND hash IS NOT NULL)
RETURNING resource, id
""")
_NOMINATED = text("""
SELECT resource, id FROM records
WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[])) AND hash IS NOT NULL AND read_at < :before
ORDER BY resource, rank
""")
_KNOWN = text("""
SELECT count(*) FROM records
WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[])) AND hash IS NOT NULL
""")
_PUT_PIECE = text("""
INSERT INTO parts (connection, resource, id, chain, start_cursor, piece)
VALUES (:connection, :resource, :id, :chain, :start, :piece)
ON CONFLICT (connection, resource, id, chain, start_cursor) DO UPDATE SET piece = EXCLUDED.piece
""")
_PIECES = text("""
SELECT piece FROM parts WHERE connection = :connection AND resource = :resource AND id = :id AND chain = :chain
""")
_DROP_PIECES = text("""
DELETE FROM parts WHERE connection = :connection AND resource = :resource AND id = :id
    AND (chain = :chain OR at < now() - interval '1 day')
""")


@dataclass(frozen=True)
class Written:
    """A record that is to be written: with its canonical body and hash, both None for a tombstone."""

    record: Record
    body: bytes | None
    hash: bytes | None
    volatile: Volatile


@dataclass(frozen=True)
class Indexed:
    """What the index says of a record."""

    version: Version
    volatile: Volatile


async def indexed(tx: AsyncConnection, connection: str, resource: str, ids: Sequence[str]) -> Mapping[str, Indexed]:
    """The index's word on those of `ids` that were ever seen."""
    rows = await tx.execute(_INDEXED, {"connection": connection, "resource": resource, "ids": list(ids)})
    return {
        row.id: Indexed(Version(row.updated_at, row.read_at, row.hash), Volatile(row.volatile, row.volatile_at))
        for row in rows
    }


async def write(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
    """Write index rows and bodies of changed records."""
    await write_index(tx, connection, resource, written)
    bodies = [(w.record.id, w.body) for w in written]
    scope = {"connection": connection, "resource": resource}
    await tx.execute(_BODIES, {**scope, "ids": [i for i, _ in bodies], "bodies": [b for _, b in bodies]})


async def bury(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
    """Make tombstones: index rows without a hash; bodies, and all that belonged to these records, are dropped."""
    ids = [w.record.id for w in written]
    children = (await tx.execute(_DROP_CHILDREN, {"connection": connection, "ids": ids})).all()
    await _drop_bodies(tx, connection, [*((row.resource, row.id) for row in children), *((resource, i) for i in ids)])
    await write_index(tx, connection, resource, written)


async def write_index(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
    """Write index rows alone, in one statement: of records whose version moved while their body did not."""
    records = [w.record for w in written]
    await tx.execute(
        _INDEX,
        {
            "connection": connection,
            "resource": resource,
            "ids": [r.id for r in records],
            "updated": [r.updated_at for r in records],
            "read": [r.read_at for r in records],
            "hashes": [w.hash for w in written],
            "sizes": [len(w.body or b"") for w in written],
            "ranks": [r.sort_key for r in records],
            "parents": [r.parent for r in records],
            "facts": [orjson.dumps(r.lookup_fields).decode() for r in records],
            "volatiles": [w.volatile.shown for w in written],
            "taken": [w.volatile.taken_at for w in written],
        },
    )


async def nominated(
    tx: AsyncConnection, connection: str, resources: Sequence[str], before: int
) -> list[tuple[str, str]]:
    """(resource, id) of living records that a good walk, begun at `before` (ms), has not come across."""
    scope = {"connection": connection, "resources": list(resources), "before": before}
    return [(row.resource, row.id) for row in await tx.execute(_NOMINATED, scope)]


async def known(tx: AsyncConnection, connection: str, resources: Sequence[str]) -> int:
    """How many living records of `resources` there are."""
    scope = {"connection": connection, "resources": list(resources)}
    return int((await tx.execute(_KNOWN, scope)).scalar_one())


async def drop_orphans(
    tx: AsyncConnection, connection: str, resources: Sequence[str], parents: Sequence[str], before: int
) -> None:
    """Drop records that belonged to one that is gone, and came after it; no document shows them."""
    scope = {"connection": connection, "resources": list(resources), "parents": list(parents), "before": before}
    dropped = (await tx.execute(_ORPHANS, scope)).all()
    await _drop_bodies(tx, connection, [(row.resource, row.id) for row in dropped])


async def _drop_bodies(tx: AsyncConnection, connection: str, dropped: Sequence[tuple[str, str]]) -> None:
    for resource in sorted({r for r, _ in dropped}):
        ids = [i for r, i in dropped if r == resource]
        await tx.execute(_DROP_BODIES, {"connection": connection, "resource": resource, "ids": ids})


async def put_piece(tx: AsyncConnection, connection: str, piece: Record) -> None:
    """Keep one piece of a record that comes in parts."""
    assert piece.chunk is not None
    await tx.execute(
        _PUT_PIECE,
        {
            "connection": connection,
            "resource": piece.resource,
            "id": piece.id,
            "chain": piece.chunk.reading_id,
            "start": piece.chunk.cursor or "",
            "piece": piece.model_dump_json().encode(),
        },
    )


async def pieces(tx: AsyncConnection, connection: str, piece: Record) -> Mapping[str | None, Record]:
    """All pieces so far of the chain that `piece` belongs to, by start cursor."""
    rows = await tx.execute(_PIECES, _chain_of(connection, piece))
    read = [Record.model_validate_json(row.piece) for row in rows]
    return {p.chunk.cursor: p for p in read if p.chunk is not None}


async def drop_pieces(tx: AsyncConnection, connection: str, piece: Record) -> None:
    """Drop a chain that was joined, and what older readings of the record left over."""
    await tx.execute(_DROP_PIECES, _chain_of(connection, piece))


def _chain_of(connection: str, piece: Record) -> dict[str, str]:
    assert piece.chunk is not None
    return {"connection": connection, "resource": piece.resource, "id": piece.id, "chain": piece.chunk.reading_id}
