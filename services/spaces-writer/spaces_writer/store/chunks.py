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
    """Store one chunk of a chunked record. A stored chunk with the same cursor is replaced."""
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
    """Return all stored chunks of one reading by cursor. `record` is a chunk of that reading."""
    rows = await tx.execute(_LOAD, _build_key(connection, record))
    chunks = [Record.model_validate_json(row.chunk) for row in rows]
    return {chunk.chunk.cursor: chunk for chunk in chunks if chunk.chunk is not None}


async def delete(tx: AsyncConnection, connection: str, record: Record) -> None:
    """Delete the chunks of the reading to which `record` belongs, and all chunks of the record older than a day."""
    await tx.execute(_DELETE, _build_key(connection, record))


def _build_key(connection: str, record: Record) -> dict[str, str]:
    assert record.chunk is not None
    return {
        "connection": connection,
        "resource": record.resource,
        "id": record.id,
        "reading_id": record.chunk.reading_id,
    }
