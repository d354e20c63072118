"""Consumes the requests of incremental syncs."""

from collections.abc import Sequence

import structlog

from contracts.events import SyncRequested
from messaging.outbox import Transaction
from scheduler.store import connections, owed_syncs, syncs
from scheduler.use_cases.check_claims import check_claims

log = structlog.get_logger()


class RequestsHandler:
    """Stores the requests of incremental syncs in the table of syncs."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[SyncRequested]) -> None:
        """Store the requests unless the connection is redacted, or has been since. Those that only test the webhook URL
        are skipped.

        Those of a blocked connection are coalesced into its owed full sync, if that one has not begun. Raises the
        errors of `check_claims`, for an unknown epoch or another connection's sync.
        """
        requests = [event for event in events if event.cause != "probe"]
        if not requests:
            return
        async with self._transaction() as tx:
            state, is_blocked, redacted_epoch = await connections.lock_state(tx, connection)
            requests = [request for request in requests if request.epoch >= redacted_epoch]
            if state == "redacted" or not requests:
                return
            sync_ids = {sync_id for request in requests for sync_id in (request.sync_id, *request.coalesced_sync_ids)}
            await check_claims(tx, connection, epoch=max(request.epoch for request in requests), sync_ids=sync_ids)
            await syncs.record_requests(tx, requests)
            owed = await owed_syncs.lock_queued(tx, connection) if is_blocked else None
            if owed is not None:
                await owed_syncs.coalesce(tx, connection, owed, [request.sync_id for request in requests])
        causes = sorted({request.cause for request in requests})
        log.info(
            "sync started", connection=connection, sync_id=str(requests[0].sync_id), syncs=len(requests), cause=causes
        )
