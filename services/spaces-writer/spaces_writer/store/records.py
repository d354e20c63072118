"""The record index, the bodies beside it, and the pieces of records that came in parts. Sets, not rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Record
from spaces_writer.versions import Version

_VERSIONS = text("""
SELECT id, updated_at, read_at, hash FROM records
WHERE connection = :connection AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_INDEX = text("""
INSERT INTO records (connection, resource, id, updated_at, read_at, hash, rank, parent, facts)
SELECT :connection, :resource, * FROM unnest(
    CAST(:ids AS text[]), CAST(:updated AS timestamptz[]), CAST(:read AS bigint[]), CAST(:hashes AS bytea[]),
    CAST(:ranks AS numeric[]), CAST(:parents AS text[]), CAST(:facts AS text[]))
ON CONFLICT (connection, resource, id) DO UPDATE SET
    updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at, hash = EXCLUDED.hash, rank = EXCLUDED.rank,
    parent = EXCLUDED.parent, facts = EXCLUDED.facts
""")
_BODIES = text("""
INSERT INTO bodies (connection, resource, id, body)
SELECT :connection, :resource, * FROM unnest(CAST(:ids AS text[]), CAST(:bodies AS bytea[]))
ON CONFLICT (connection, resource, id) DO UPDATE SET body = EXCLUDED.body
""")
_MOVE = text("""
UPDATE records SET updated_at = moved.updated_at, read_at = moved.read_at
FROM unnest(CAST(:ids AS text[]), CAST(:updated AS timestamptz[]), CAST(:read AS bigint[]))
     AS moved (id, updated_at, read_at)
WHERE records.connection = :connection AND records.resource = :resource AND records.id = moved.id
""")
_DROP_BODIES = text("""
DELETE FROM bodies WHERE connection = :connection AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_DROP_CHILD_BODIES = text("""
DELETE FROM bodies USING records
WHERE records.connection = :connection AND records.parent = ANY(CAST(:ids AS text[]))
  AND bodies.connection = records.connection AND bodies.resource = records.resource AND bodies.id = records.id
""")
_DROP_CHILDREN = text("DELETE FROM records WHERE connection = :connection AND parent = ANY(CAST(:ids AS text[]))")
_LEFT_BEHIND = text("""
WITH gone AS (
    DELETE FROM records WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[]))
        AND read_at < :before RETURNING connection, resource, id)
DELETE FROM bodies USING gone
WHERE bodies.connection = gone.connection AND bodies.resource = gone.resource AND bodies.id = gone.id
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


async def versions(tx: AsyncConnection, connection: str, resource: str, ids: Sequence[str]) -> Mapping[str, Version]:
    """The stored versions of those of `ids` that were ever seen."""
    rows = await tx.execute(_VERSIONS, {"connection": connection, "resource": resource, "ids": list(ids)})
    return {row.id: Version(row.updated_at, row.read_at, row.hash) for row in rows}


async def write(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
    """Write index rows and bodies of changed records."""
    await _write_index(tx, connection, resource, written)
    bodies = [(w.record.id, w.body) for w in written]
    scope = {"connection": connection, "resource": resource}
    await tx.execute(_BODIES, {**scope, "ids": [i for i, _ in bodies], "bodies": [b for _, b in bodies]})


async def bury(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
    """Make tombstones: index rows without a hash; bodies, and all that belonged to these records, are dropped."""
    ids = [w.record.id for w in written]
    await tx.execute(_DROP_CHILD_BODIES, {"connection": connection, "ids": ids})
    await tx.execute(_DROP_CHILDREN, {"connection": connection, "ids": ids})
    await tx.execute(_DROP_BODIES, {"connection": connection, "resource": resource, "ids": ids})
    await _write_index(tx, connection, resource, written)


async def _write_index(tx: AsyncConnection, connection: str, resource: str, written: Sequence[Written]) -> None:
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
            "ranks": [r.rank for r in records],
            "parents": [r.parent for r in records],
            "facts": [orjson.dumps(r.facts).decode() for r in records],
        },
    )


async def move(tx: AsyncConnection, connection: str, resource: str, records: Sequence[Record]) -> None:
    """Only the versions of unchanged records move, in one statement; no body is touched."""
    await tx.execute(
        _MOVE,
        {
            "connection": connection,
            "resource": resource,
            "ids": [r.id for r in records],
            "updated": [r.updated_at for r in records],
            "read": [r.read_at for r in records],
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


async def drop_left_behind(tx: AsyncConnection, connection: str, resources: Sequence[str], before: int) -> None:
    """Drop dependent records that no living record of a good walk brought along; no document shows them."""
    await tx.execute(_LEFT_BEHIND, {"connection": connection, "resources": list(resources), "before": before})


async def put_piece(tx: AsyncConnection, connection: str, piece: Record) -> None:
    """Keep one piece of a record that comes in parts."""
    assert piece.part is not None
    await tx.execute(
        _PUT_PIECE,
        {
            "connection": connection,
            "resource": piece.resource,
            "id": piece.id,
            "chain": piece.part.chain,
            "start": piece.part.start or "",
            "piece": piece.model_dump_json().encode(),
        },
    )


async def pieces(tx: AsyncConnection, connection: str, piece: Record) -> Mapping[str | None, Record]:
    """All pieces so far of the chain that `piece` belongs to, by start cursor."""
    rows = await tx.execute(_PIECES, _chain_of(connection, piece))
    read = [Record.model_validate_json(row.piece) for row in rows]
    return {p.part.start: p for p in read if p.part is not None}


async def drop_pieces(tx: AsyncConnection, connection: str, piece: Record) -> None:
    """Drop a chain that was joined, and what older readings of the record left over."""
    await tx.execute(_DROP_PIECES, _chain_of(connection, piece))


def _chain_of(connection: str, piece: Record) -> dict[str, str]:
    assert piece.part is not None
    return {"connection": connection, "resource": piece.resource, "id": piece.id, "chain": piece.part.chain}
