"""The table of requests that are to be published at a later time. It is the only delay queue of the system."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncRequested
from messaging import tracing

_INSERT = text("""
INSERT INTO delayed_requests (connection, epoch, not_before, request, traceparent)
VALUES (:connection, :epoch, :not_before, :request, :traceparent)
""")
_POP_DUE = text("""
DELETE FROM delayed_requests WHERE id IN (
    SELECT id FROM delayed_requests d WHERE not_before <= now()
      AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.connection = d.connection AND c.blocked IS NOT NULL)
    ORDER BY not_before LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING request, traceparent
""")
_DELETE = text("""
DELETE FROM delayed_requests WHERE connection = :connection AND (epoch < :epoch OR CAST(:all AS boolean))
""")


async def insert(tx: AsyncConnection, request: SyncRequested, not_before: datetime) -> None:
    """Store `request`, which is to be published not before the time `not_before`.

    The traceparent of the current span is stored too, so that the published message continues the trace.
    """
    await tx.execute(
        _INSERT,
        {
            "connection": request.connection,
            "epoch": request.epoch,
            "not_before": not_before,
            "request": request.model_dump_json(),
            "traceparent": tracing.get_traceparent(),
        },
    )


async def pop_due(tx: AsyncConnection, limit: int) -> Sequence[tuple[SyncRequested, str | None]]:
    """Delete at most `limit` requests that are due, and return them as (request, traceparent).

    `traceparent` is the span that delayed the request, or None. Requests of blocked connections stay. The caller
    must enqueue the requests in the same transaction.
    """
    rows = await tx.execute(_POP_DUE, {"limit": limit})
    return [(SyncRequested.model_validate_json(row.request), row.traceparent) for row in rows]


async def delete(tx: AsyncConnection, connection: str, *, below_epoch: int, all_epochs: bool) -> None:
    """Delete the connection's requests of epochs below `below_epoch`, or all of them with `all_epochs`.

    The epoch is a number that the gateway raises when a connection ends.
    """
    await tx.execute(_DELETE, {"connection": connection, "epoch": below_epoch, "all": all_epochs})
