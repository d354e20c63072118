"""Publishes the state of connections' syncs whenever it has changed."""

from contracts.topics import SYNC_CHANGED
from messaging.outbox import Transaction
from messaging.publisher import EventPublisher, OutboundMessage
from scheduler.store import changed_connections
from scheduler.store.sync_states import load_states

MAX_CONNECTIONS = 100
"""The most connections whose state is loaded and published at once."""


class SyncStatePublisher:
    """Publishes `sync.changed`: the present state of each connection that is marked as changed.

    A lock lets only one process at a time publish, so that the revisions of a connection rise in the topic. Marks are
    deleted in the transaction in which the state is loaded and published. If the process is killed after publishing and
    before the commit, they are still there, and the state is published again with a higher revision.
    """

    def __init__(self, transaction: Transaction, publisher: EventPublisher) -> None:
        self._transaction = transaction
        self._publisher = publisher

    async def run_once(self) -> bool:
        """Publish the state of the connections that were marked long enough ago, and return whether there may be more.

        Raises `UnavailableError` when Postgres or Kafka does not answer.
        """
        async with self._transaction() as tx:
            if not await changed_connections.lock(tx):
                return False
            names = await changed_connections.take_due(tx, MAX_CONNECTIONS)
            if names:
                revision = await changed_connections.raise_revision(tx)
                # After the marks were taken: what is changed from here on leaves a mark of its own.
                states = await load_states(tx, names, revision)
                await self._publisher.send_all(
                    OutboundMessage(SYNC_CHANGED, state.connection, state, f"{state.connection}:{revision}")
                    for state in states
                )
        return len(names) == MAX_CONNECTIONS
