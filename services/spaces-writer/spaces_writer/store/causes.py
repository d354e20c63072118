"""What made snapshots dirty: the spans of their changes, so that a change's trace holds its PUT. Rows are there only
where traces are exported."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging import tracing

MOST = 33
"""A parent, and as many links as a span names."""

_NOTE = text("""
INSERT INTO causes (connection, change, traceparent) VALUES (:connection, :change, :traceparent) ON CONFLICT DO NOTHING
""")
_OF = text("""
SELECT traceparent FROM causes WHERE connection = :connection AND change <= :change ORDER BY change LIMIT :most
""")
_DROP = text("DELETE FROM causes WHERE connection = :connection AND change <= :change")


async def note(tx: AsyncConnection, connection: str, change: int) -> None:
    """The present span has made change number `change`."""
    if (traceparent := tracing.get_traceparent()) is not None:
        await tx.execute(_NOTE, {"connection": connection, "change": change, "traceparent": traceparent})


async def of(tx: AsyncConnection, connection: str, change: int) -> Sequence[str]:
    """What made the changes up to `change` that are in no stored snapshot yet, the first one first."""
    if tracing.get_tracer() is None:
        return ()
    rows = await tx.execute(_OF, {"connection": connection, "change": change, "most": MOST})
    return list(rows.scalars())


async def drop(tx: AsyncConnection, connection: str, change: int) -> None:
    """The changes up to `change` are in the stored snapshot."""
    if tracing.get_tracer() is not None:
        await tx.execute(_DROP, {"connection": connection, "change": change})
