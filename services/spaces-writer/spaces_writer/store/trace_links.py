"""The spans whose changes a snapshot does not contain yet, so that the trace of a change includes its upload.

There are rows only where traces are exported.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging import tracing

MAX_LINKS = 33
"""The parent of a span, and as many further links as a span has."""

_SAVE = text("""
INSERT INTO trace_links (connection, sequence, traceparent) VALUES (:connection, :sequence, :traceparent)
ON CONFLICT DO NOTHING
""")
_LIST = text("""
SELECT traceparent FROM trace_links WHERE connection = :connection AND sequence <= :sequence
ORDER BY sequence LIMIT :limit
""")
_DELETE = text("DELETE FROM trace_links WHERE connection = :connection AND sequence <= :sequence")


async def save_current_span(tx: AsyncConnection, connection: str, sequence: int) -> None:
    """Link the current span to the change with this sequence number."""
    if (traceparent := tracing.get_traceparent()) is not None:
        await tx.execute(_SAVE, {"connection": connection, "sequence": sequence, "traceparent": traceparent})


async def list_traceparents(tx: AsyncConnection, connection: str, sequence: int) -> Sequence[str]:
    """Return the spans of the changes up to `sequence` that no uploaded snapshot contains yet, in order."""
    if tracing.get_tracer() is None:
        return ()
    rows = await tx.execute(_LIST, {"connection": connection, "sequence": sequence, "limit": MAX_LINKS})
    return list(rows.scalars())


async def delete(tx: AsyncConnection, connection: str, sequence: int) -> None:
    """Delete the links of the changes up to `sequence`, which the uploaded snapshot contains."""
    if tracing.get_tracer() is not None:
        await tx.execute(_DELETE, {"connection": connection, "sequence": sequence})
