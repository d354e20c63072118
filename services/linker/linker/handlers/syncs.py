"""Consumes `sync.changed`."""

from collections.abc import Sequence

from contracts.events import SyncChanged
from linker.store import connections, links, sides
from linker.use_cases.link_states import continue_reading
from messaging.outbox import Transaction


class SyncStateHandler:
    """Notes which accounts were read fully: links that wait for it go on."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[SyncChanged]) -> None:
        """Note whether the account was read fully, if that is new, and begin to read it for the links that wait."""
        newest = max(events, key=lambda event: event.revision)
        if not newest.fully_read:
            return
        async with self._transaction() as tx:
            known = await connections.get(tx, connection)
            if known is not None and known.is_fully_read and known.epoch >= newest.epoch:
                return
            # Whoever makes a link holds this lock: it sees what is noted here, or is seen here itself.
            await connections.lock(tx, connection)
            if not await connections.save_full_read(tx, connection, newest.epoch):
                return
            for side in await sides.list_by_connection(tx, connection):
                link = await links.lock(tx, side.link)
                if link is not None:
                    await continue_reading(tx, link)
