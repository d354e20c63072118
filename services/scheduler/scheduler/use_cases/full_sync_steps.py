"""Requests the steps of a full sync."""

from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.outbox import enqueue
from scheduler import event_builders
from scheduler.store import full_syncs
from scheduler.store.full_syncs import FullSync


async def request_next_step(tx: AsyncConnection, full_sync: FullSync, cursor: str | None, *, attempts: int) -> None:
    """Request the next step of a full sync. The step begins at `cursor`; None begins at the first record.

    `attempts` is the number of attempts at this cursor, including this one.
    """
    step = full_sync.step + 1
    await full_syncs.start_step(tx, full_sync, step, cursor, attempts=attempts)
    await enqueue(tx, [event_builders.build_step(full_sync, step, cursor)])


async def request_next_incomplete_range(tx: AsyncConnection, full_sync: FullSync | None) -> None:
    """Request that the incomplete id ranges of a full sync are read again, one range after the other.

    Does nothing while the full sync still reads other records, or when `full_sync` is None.
    """
    if full_sync is None or not full_sync.read_completed or not full_sync.retry_cursors:
        return
    cursors = await full_syncs.list_unused_cursors(tx, full_sync, full_sync.retry_cursors)
    if cursors:
        await request_next_step(tx, full_sync, cursors[0], attempts=full_sync.attempts)
