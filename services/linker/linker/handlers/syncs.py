"""Consumes `sync.changed`."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncChanged
from linker.store import connections, link_syncs, links, sides
from linker.use_cases.link_states import continue_reading
from messaging.outbox import Transaction

_ENDED = ("storing", "success", "failed", "cancelled")
"""The states of a sync that reads nothing any more."""


class SyncStateHandler:
    """Notes which accounts were read fully, and which syncs have ended: links and link syncs that wait for it go on.

    `on_changed` is called after a link sync may go on.
    """

    def __init__(self, transaction: Transaction, on_changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._on_changed = on_changed

    async def __call__(self, connection: str, events: Sequence[SyncChanged]) -> None:
        """Note what is waited for, of the account's syncs and of whether it was read fully."""
        newest = max(events, key=lambda event: event.revision)
        async with self._transaction() as tx:
            is_awaited = await link_syncs.is_reading(tx, connection)
            if is_awaited:
                await link_syncs.note_ended(tx, connection, [one for one in newest.syncs if one.state in _ENDED])
            if newest.fully_read:
                await _note_full_read(tx, connection, newest.epoch)
        if is_awaited:
            self._on_changed()


async def _note_full_read(tx: AsyncConnection, connection: str, epoch: int) -> None:
    """Note that the account was read fully, if that is new, and begin to read it for the links that wait."""
    known = await connections.get(tx, connection)
    if known is not None and known.is_fully_read and known.epoch >= epoch:
        return
    # Whoever makes a link holds this lock: it sees what is noted here, or is seen here itself.
    await connections.lock(tx, connection)
    if not await connections.save_full_read(tx, connection, epoch):
        return
    for side in await sides.list_by_connection(tx, connection):
        link = await links.lock(tx, side.link)
        if link is not None:
            await continue_reading(tx, link)
