"""Requests that wait for their time: the only delay queue of the system."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncRequested
from messaging import tracing

_PUT = text("""
INSERT INTO delayed (connection, epoch, not_before, request, traceparent)
VALUES (:connection, :epoch, :not_before, :request, :traceparent)
""")
_TAKE = text("""
DELETE FROM delayed WHERE id IN (
    SELECT id FROM delayed WHERE not_before <= now() ORDER BY not_before LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING request, traceparent
""")
_DROP = text("DELETE FROM delayed WHERE connection = :connection AND (epoch < :epoch OR CAST(:all AS boolean))")


async def put(tx: AsyncConnection, request: SyncRequested, not_before: datetime) -> None:
    """Keep `request` until `not_before`, with the present span, whose trace goes on then."""
    await tx.execute(
        _PUT,
        {
            "connection": request.connection,
            "epoch": request.epoch,
            "not_before": not_before,
            "request": request.model_dump_json(),
            "traceparent": tracing.get_traceparent(),
        },
    )


async def take(tx: AsyncConnection, limit: int) -> Sequence[tuple[SyncRequested, str | None]]:
    """Requests whose time has come, each with the span that had it wait; they are the caller's to say, in the same
    transaction."""
    rows = await tx.execute(_TAKE, {"limit": limit})
    return [(SyncRequested.model_validate_json(row.request), row.traceparent) for row in rows]


async def drop(tx: AsyncConnection, connection: str, *, below_epoch: int, everything: bool) -> None:
    """Forget what an ended grant, or with `everything` an ended connection, has waiting."""
    await tx.execute(_DROP, {"connection": connection, "epoch": below_epoch, "all": everything})
