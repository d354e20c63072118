"""Finishes syncs: stores their final state, and counts and logs it."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncResult
from scheduler.metrics import TransactionCounts
from scheduler.store import connections, full_syncs, owed_syncs, syncs
from scheduler.store.connections import LedgerConnection
from scheduler.store.syncs import FinishedSync
from scheduler.use_cases.owed_syncs import coalesce_into_owed_sync

log = structlog.get_logger()
REPEATABLE_CAUSES = frozenset({"manual", "poll", "whole_poll"})
"""The causes of full syncs that may end without success: a poll comes again by itself, and a person may ask again.
Every other one brings changes that were made or reported while they could not be read, and that no other sync brings.
"""


async def finish_syncs(
    tx: AsyncConnection,
    counts: TransactionCounts,
    connection: str,
    epoch: int,
    sync_ids: Sequence[UUID],
    state: str,
    result: SyncResult | None,
    reason: str | None = None,
) -> list[FinishedSync]:
    """End the syncs `sync_ids` with `state`, failed or cancelled, and count and log them. Return those that have ended.

    `result` is the result that the spaces-writer published, or None when the scheduler itself ends the syncs for
    `reason`. If a result names a sync whose request has not been received yet, the sync is inserted as finished.

    This ends no incremental sync of a live connection, because its change was acknowledged to the platform: the sync
    waits for a full sync that reads the change, and ends with that one. A full sync is owed as well when one has ended
    that is not repeated by itself. The full sync that follows reads everything.
    """
    row = await connections.lock(tx, connection)
    is_live = row is not None and row.state == "connected"
    finished = await syncs.finish(
        tx,
        connection,
        epoch,
        sync_ids,
        state,
        result,
        reason,
        insert_missing=result is not None and state != "cancelled",
        full_only=is_live,
    )
    if any(sync.mode == "full" for sync in finished):
        await full_syncs.forget_previous(tx, connection)
    if row is not None and is_live:
        uncovered = await owed_syncs.list_uncovered(tx, connection, sync_ids)
        if uncovered or any(_must_be_followed(sync, row) for sync in finished):
            await coalesce_into_owed_sync(tx, row, uncovered, reason or (result.reason if result else None))
    count_and_log_finished(counts, connection, finished, state, reason or (result.reason if result else None))
    return finished


def _must_be_followed(sync: FinishedSync, row: LedgerConnection) -> bool:
    """Return whether another full sync must follow this one, which has ended without success.

    Nothing but such a full sync asks a blocked account again.
    """
    return sync.mode == "full" and (sync.cause not in REPEATABLE_CAUSES or row.blocked is not None)


def count_and_log_finished(
    counts: TransactionCounts, connection: str, finished: Sequence[FinishedSync], state: str, reason: str | None
) -> None:
    """Add syncs that have ended with `state` to `counts`, and log them as one line."""
    if not finished:
        return
    counts.add_finished(connection, (sync.mode for sync in finished), state)
    write = log.info if state == "success" else log.warning
    write(
        "sync finished" if state == "success" else f"sync {state}",
        connection=connection,
        sync_id=str(finished[0].sync_id),
        syncs=len(finished),
        cause=sorted({sync.cause for sync in finished}),
        mode=finished[0].mode,
        reason=reason,
    )
