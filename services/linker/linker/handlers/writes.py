"""Consumes `write.completed.<platform>`."""

from collections.abc import Callable, Sequence

from contracts.events import WriteCompleted
from linker.store import links, sides
from linker.store.links import ENDED
from linker.use_cases.completions import apply_completion
from messaging.outbox import Transaction


class WritesHandler:
    """Applies what came of writes to a connection. `on_changed` is called after the commit."""

    def __init__(self, transaction: Transaction, *, on_changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._on_changed = on_changed

    async def __call__(self, connection: str, events: Sequence[WriteCompleted]) -> None:
        """Apply the events in order, each in a transaction of its own: they may be of different links."""
        for event in events:
            async with self._transaction() as tx:
                link = await links.lock(tx, event.link_id)
                linked = await sides.lock_by_connection(tx, connection)
                if link is not None and link.state != ENDED and any(side.link == link.id for side in linked):
                    await apply_completion(tx, link, event)
        self._on_changed()
