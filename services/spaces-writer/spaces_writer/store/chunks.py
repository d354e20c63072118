"""The table of chunks: the parts of records that are too large for one message.

The chunks of a record are kept until all chunks of one reading have arrived.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Record

_SAVE = text("""
INSERT INTO chunks (connection, resource, id, reading_id, chunk_cursor, chunk)
VALUES (:connection, :resource, :id, :reading_id, :chunk_cursor, :chunk)
ON CONFLICT (connection, resource, id, reading_id, chunk_cursor) DO UPDATE SET chunk = EXCLUDED.chunk
""")
_LOAD = text("""
SELECT chunk FROM chunks
WHERE connection = :connection AND resource = :resource AND id = :id AND reading_id = :reading_id
""")
_DELETE = text("""
DELETE FROM chunks WHERE connection = :connection AND resource = :resource AND id = :id
    AND (reading_id = :reading_id OR stored_at < now() - interval '1 day')
""")


async def save(tx: AsyncConnection, connection: str, record: Record) -> None:
    """Store `record`, which is one chunk of a record that is too large for one message.

    A stored chunk of the same reading and with the same cursor (position in the record) is replaced.
    """
    assert record.chunk is not None
    await tx.execute(
        _SAVE,
        {
            **_build_key(connection, record),
            "chunk_cursor": record.chunk.cursor or "",
            "chunk": record.model_dump_json().encode(),
        },
    )


async def load(tx: AsyncConnection, connection: str, record: Record) -> Mapping[str | None, Record]:
    """Return all chunks stored so far of one reading of one record. The keys are the chunks' cursors.

    `record` is any chunk of that reading. A chunk's cursor is its position in the record, and None for the first chunk.
    """
    rows = await tx.execute(_LOAD, _build_key(connection, record))
    chunks = [Record.model_validate_json(row.chunk) for row in rows]
    return {chunk.chunk.cursor: chunk for chunk in chunks if chunk.chunk is not None}


async def delete(tx: AsyncConnection, connection: str, record: Record) -> None:
    """Delete the chunks of the reading to which the chunk `record` belongs.

    Chunks of other readings of the same record are deleted if they are older than a day.
    """
    await tx.execute(_DELETE, _build_key(connection, record))


def _build_key(connection: str, record: Record) -> dict[str, str]:
    assert record.chunk is not None
    return {
        "connection": connection,
        "resource": record.resource,
        "id": record.id,
        "reading_id": record.chunk.reading_id,
    }
