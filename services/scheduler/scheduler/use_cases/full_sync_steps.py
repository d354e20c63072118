"""Requests the steps of a full sync."""

from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.outbox import enqueue
from scheduler import event_builders
from scheduler.store import full_syncs
from scheduler.store.full_syncs import FullSync


async def request_next_step(tx: AsyncConnection, full_sync: FullSync, cursor: str | None, *, attempts: int) -> None:
    """Request the next step (bounded part) of a full sync. It begins at `cursor`; None means at the first record.

    The first step decides whether the full sync may continue the one before it.

    `attempts` is the number of attempts at this cursor, including this one.
    """
    if full_sync.state == "queued":
        full_sync = await full_syncs.choose_previous(tx, full_sync)
    step = full_sync.step + 1
    await full_syncs.start_step(tx, full_sync, step, cursor, attempts=attempts)
    await enqueue(tx, [event_builders.build_step(full_sync, step, cursor)])


async def request_next_incomplete_range(tx: AsyncConnection, full_sync: FullSync | None) -> None:
    """Request that the next incomplete id range of a full sync is read again. The others follow one after the other.

    An id range is the records of one resource between two ids. Does nothing while the full sync still reads other
    records, or when `full_sync` is None.
    """
    if full_sync is None or not full_sync.read_completed or not full_sync.retry_cursors:
        return
    cursors = await full_syncs.list_unused_cursors(tx, full_sync, full_sync.retry_cursors)
    if cursors:
        await request_next_step(tx, full_sync, cursors[0], attempts=full_sync.attempts)
