"""The quick lane's requests."""

from collections.abc import Sequence

import structlog

from contracts.events import SyncRequested
from messaging.outbox import Transaction
from scheduler.store import connections, syncs

log = structlog.get_logger()


class RequestsHandler:
    """Enters the quick lane's requests into the ledger."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[SyncRequested]) -> None:
        """Enter what is not a test of the way here, unless the connection is redacted."""
        entered = [event for event in events if event.cause != "probe"]
        if not entered:
            return
        async with self._transaction() as tx:
            if await connections.state(tx, connection) == "redacted":
                return
            await syncs.note_requests(tx, entered)
        causes = sorted({event.cause for event in entered})
        log.info(
            "sync started", connection=connection, sync_id=str(entered[0].sync_id), syncs=len(entered), cause=causes
        )
