"""Owes a full sync for changes that other syncs could not read, and blocks connections of closed accounts."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.schedule import compute_owed_time, compute_probe_time
from scheduler.store import connections, delayed_requests, owed_syncs
from scheduler.store.connections import LedgerConnection

log = structlog.get_logger()


async def coalesce_into_owed_sync(
    tx: AsyncConnection, row: LedgerConnection, sync_ids: Sequence[UUID], reason: str | None
) -> None:
    """Coalesce the incremental syncs `sync_ids`, which have failed for `reason`, into a full sync that has not begun.

    Where there is none, one is opened, even if `sync_ids` is empty, because a full sync has failed. It begins the
    later, the more of them the connection had within a day, so that a fault that every full sync meets costs little.
    """
    owed = await owed_syncs.lock_queued(tx, row.connection)
    if owed is None:
        due = compute_owed_time(await owed_syncs.count_recent(tx, row.connection))
        owed = await owed_syncs.open_owed(tx, row.connection, row.epoch, due)
    await owed_syncs.coalesce(tx, row.connection, owed, sync_ids, reason)
    log.warning("full sync owed", connection=row.connection, sync_id=str(owed), syncs=len(sync_ids), reason=reason)


async def block_connection(
    tx: AsyncConnection, row: LedgerConnection, reason: str, *, unread_sync: UUID | None = None
) -> None:
    """Store that the platform refuses every call about the account, and let one owed full sync take over all work.

    All open syncs of the connection are coalesced into it, and nothing else is requested. Its start is the probe that
    finds out whether the account is open again: one minute after the first refusal, and after twice as long each time.
    `unread_sync` is the full sync whose step was refused, if it has read nothing: it becomes the owed one, unless
    another one waits already.
    """
    refused = row.refused_probes + 1
    explanation = f"the account is {reason} at its platform: this waits until it is open again"
    due = compute_probe_time(refused)
    owed = await owed_syncs.lock_queued(tx, row.connection)
    if owed is None and unread_sync is not None:
        owed = unread_sync
        await owed_syncs.requeue(tx, row.connection, owed)
    elif owed is None:
        owed = await owed_syncs.open_owed(tx, row.connection, row.epoch, due)
    await owed_syncs.postpone(tx, row.connection, owed, due, explanation)
    await owed_syncs.coalesce_all(tx, row.connection, owed, explanation)
    await delayed_requests.delete(tx, row.connection, below_epoch=0, all_epochs=True)
    await connections.block(tx, row.connection, reason, refused)
    log.warning("connection blocked", connection=row.connection, reason=reason, refused=refused, next_probe=str(due))


async def unblock_connection(tx: AsyncConnection, row: LedgerConnection) -> None:
    """Store that the platform answers calls about the account again."""
    if row.blocked is not None:
        await connections.unblock(tx, row.connection)
        log.info("connection open again", connection=row.connection, reason=row.blocked)
