"""Deletes writes and link syncs that ended long ago."""

from linker.store import link_syncs, writes
from messaging.outbox import Transaction


class OldWrites:
    """Deletes writes and link syncs that ended more than `KEPT_DAYS` ago."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def run_once(self) -> bool:
        """Delete them all. Return False: there are no more."""
        async with self._transaction() as tx:
            await writes.prune(tx)
            await link_syncs.prune(tx)
        return False
