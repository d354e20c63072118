"""The gateway's word on connections."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from messaging.outbox import Transaction
from scheduler.due import NextTurn
from scheduler.store import connections, delayed, syncs, walks
from scheduler.store.connections import Known


class ConnectionsHandler:
    """Takes the gateway's word: plans polls, starts the full sync that is wanted, cancels what has ended, forgets what
    is redacted."""

    def __init__(self, transaction: Transaction, *, next_turn: NextTurn, changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._next_turn = next_turn
        self._changed = changed

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Take the newest revision; one that was passed already changes nothing."""
        newest = max(events, key=lambda event: event.revision)
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is not None and known.revision >= newest.revision:
                return
            await connections.put(tx, newest)
            await self._cancel_ended(tx, newest)
            forgotten = any(_redacts(event, known) for event in events)
            if forgotten:
                await _forget(tx, connection)
            if newest.state == "connected":
                planned = known is not None and known.state == "connected" and not forgotten
                await self._begin(tx, newest, planned=planned)
        self._changed()

    async def _cancel_ended(self, tx: AsyncConnection, event: ConnectionChanged) -> None:
        ended = event.state != "connected"
        reason = f"the connection is {event.state}" if ended else "the connection was made anew"
        scope = {"below_epoch": event.epoch, "everything": ended}
        await syncs.cancel(tx, event.connection, reason=reason, **scope)  # type: ignore[arg-type] # int and bool
        await delayed.drop(tx, event.connection, **scope)  # type: ignore[arg-type] # int and bool

    async def _begin(self, tx: AsyncConnection, event: ConnectionChanged, *, planned: bool) -> None:
        if not planned:
            await connections.plan(tx, event.connection, self._next_turn(event.connection))
        if event.wanted_sync is not None:
            await walks.want(tx, event.wanted_sync, event.connection, event.epoch, "connect")


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
