"""The table of spans that changed a snapshot's data. They are kept until the upload, which then joins their trace.

The table has rows only if traces are exported.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging import tracing

MAX_LINKS = 33
"""Maximum number of spans that one build continues: its parent span and 32 linked spans."""

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
    """Store the current span as the cause of the change with this sequence number. Do nothing without a span."""
    if (traceparent := tracing.get_traceparent()) is not None:
        await tx.execute(_SAVE, {"connection": connection, "sequence": sequence, "traceparent": traceparent})


async def list_traceparents(tx: AsyncConnection, connection: str, up_to_sequence: int) -> Sequence[str]:
    """Return the traceparents of the changes up to `up_to_sequence` that are not uploaded yet, oldest first."""
    if tracing.get_tracer() is None:
        return ()
    rows = await tx.execute(_LIST, {"connection": connection, "sequence": up_to_sequence, "limit": MAX_LINKS})
    return list(rows.scalars())


async def delete(tx: AsyncConnection, connection: str, up_to_sequence: int) -> None:
    """Delete the spans of the changes up to `up_to_sequence`, because the uploaded snapshot contains these changes."""
    if tracing.get_tracer() is not None:
        await tx.execute(_DELETE, {"connection": connection, "sequence": up_to_sequence})
