"""The end of syncs."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncResult
from scheduler.metrics import Happened
from scheduler.store import syncs
from scheduler.store.syncs import Finished

log = structlog.get_logger()


async def end(
    tx: AsyncConnection,
    happened: Happened,
    connection: str,
    epoch: int,
    sync_ids: Sequence[UUID],
    state: str,
    verdict: SyncResult | None,
    reason: str | None = None,
) -> list[Finished]:
    """End syncs, by a verdict or for a reason, and say so; returns those that were open. Requests that a verdict names
    and that were not heard of yet are entered as ended."""
    ensured = verdict is not None and state != "cancelled"
    ended = await syncs.finish(tx, connection, epoch, sync_ids, state, verdict, reason, ensure=ensured)
    if not ended:
        return ended
    happened.end(connection, (sync.mode for sync in ended), state)
    tell = log.info if state == "success" else log.warning
    tell(
        "sync finished" if state == "success" else f"sync {state}",
        connection=connection,
        sync_id=str(ended[0].sync_id),
        syncs=len(ended),
        cause=sorted({sync.cause for sync in ended}),
        mode=ended[0].mode,
        reason=reason or (verdict.reason if verdict else None),
    )
    return ended
