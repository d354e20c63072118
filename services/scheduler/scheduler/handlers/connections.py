"""The gateway's word on connections."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from messaging.outbox import Transaction
from scheduler.due import NextTurn
from scheduler.metrics import Count, Happened
from scheduler.store import connections, delayed, syncs, walks
from scheduler.store.connections import Known


class ConnectionsHandler:
    """Takes the gateway's word: plans polls, starts the full sync that is wanted, cancels what has ended, forgets what
    is redacted."""

    def __init__(
        self, transaction: Transaction, *, next_turn: NextTurn, changed: Callable[[], None], count: Count
    ) -> None:
        self._transaction = transaction
        self._next_turn = next_turn
        self._changed = changed
        self._count = count

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Take the newest revision; one that was passed already changes nothing."""
        newest = max(events, key=lambda event: event.revision)
        happened = Happened()
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is not None and known.revision >= newest.revision:
                return
            await connections.put(tx, newest)
            await _cancel_ended(tx, happened, newest)
            forgotten = any(_redacts(event, known) for event in events)
            if forgotten:
                await _forget(tx, connection)
            if newest.state == "connected":
                planned = known is not None and known.state == "connected" and not forgotten
                await self._begin(tx, newest, planned=planned)
        self._count(happened)
        self._changed()

    async def _begin(self, tx: AsyncConnection, event: ConnectionChanged, *, planned: bool) -> None:
        if not planned:
            await connections.plan(tx, event.connection, self._next_turn(event.connection))
        if event.wanted_sync is not None:
            await walks.want(tx, event.wanted_sync, event.connection, event.epoch, event.wanted_cause)


async def _cancel_ended(tx: AsyncConnection, happened: Happened, event: ConnectionChanged) -> None:
    name, ended = event.connection, event.state != "connected"
    reason = f"the connection is {event.state}" if ended else "the connection was made anew"
    cancelled = await syncs.cancel(tx, name, below_epoch=event.epoch, everything=ended, reason=reason)
    happened.end(name, (sync.mode for sync in cancelled), "cancelled")
    await delayed.drop(tx, name, below_epoch=event.epoch, everything=ended)


def _redacts(event: ConnectionChanged, known: Known | None) -> bool:
    """Whether this is a redaction that was not heard of yet; the same one said again is none."""
    if event.state != "redacted":
        return False
    return known is None or event.epoch > known.epoch or (event.revision > known.revision and known.state != "redacted")


async def _forget(tx: AsyncConnection, connection: str) -> None:
    """Whatever is under way holds rows that are cancelled first, so that it is over when they are deleted."""
    await syncs.forget(tx, connection)
    await delayed.drop(tx, connection, below_epoch=0, everything=True)
    await connections.forget(tx, connection)
