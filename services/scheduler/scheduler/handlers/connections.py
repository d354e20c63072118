"""Consumes `connection.changed`."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from messaging.message_checks import check_epochs
from messaging.outbox import Transaction
from platform_sdk.errors import describe_ended_state
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.schedule import ComputeNextPoll
from scheduler.store import connections, delayed_requests, full_syncs, owed_syncs, syncs
from scheduler.store.connections import LedgerConnection
from scheduler.use_cases.check_claims import check_syncs
from scheduler.use_cases.uploaded_syncs import cancel_syncs_without_snapshot


class ConnectionStateHandler:
    """Schedules polls, opens and cancels syncs, and deletes data when the state of a connection changes.

    A connected connection gets its next poll (a regular full sync) and, if the event requests one, a full sync at once.
    A new consent also ends the block of a connection whose account the platform had closed.
    The open syncs of earlier epochs are cancelled. (The epoch is a number that the gateway raises when a connection
    ends.) What is stored about a redacted connection (one whose data was requested to be deleted) is deleted.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        compute_next_poll: ComputeNextPoll,
        wake_dispatcher: Callable[[], None],
        record_counts: RecordCounts,
    ) -> None:
        self._transaction = transaction
        self._compute_next_poll = compute_next_poll
        self._wake_dispatcher = wake_dispatcher
        self._record_counts = record_counts

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Apply the event with the highest revision, unless the stored revision is as high.

        The gateway raises the revision with each change of the connection. Of the earlier `events`, the full syncs that
        they request are opened too, and what is stored about the connection is also deleted when only one of them has
        the state `redacted` (its data was requested to be deleted). Raises `ForeignMessageError` if the event requests
        another connection's sync, or if the epoch falls.
        """
        newest = max(events, key=lambda event: event.revision)
        counts = TransactionCounts()
        async with self._transaction() as tx:
            row = await connections.lock(tx, connection)
            if row is not None and row.revision >= newest.revision:
                return
            check_epochs(events, revision=row.revision if row else 0, epoch=row.epoch if row else 0)
            await check_syncs(tx, connection, [event.wanted_sync for event in events if event.wanted_sync is not None])
            await connections.upsert(tx, newest)
            await _cancel_syncs_and_delayed_requests(tx, counts, newest)
            redacted_epoch = _find_redaction(events, row)
            is_cleared = redacted_epoch is not None
            if redacted_epoch is not None:
                await _delete_connection_data(tx, connection, redacted_epoch)
            if newest.state == "connected":
                if row is None or row.state != "connected" or is_cleared:
                    await connections.schedule_poll(tx, connection, self._compute_next_poll(connection))
                for event in sorted(events, key=lambda event: event.revision):
                    if event.epoch == newest.epoch and event.revision > (row.revision if row else 0):
                        await _open_wanted_sync(tx, event)
        self._record_counts(counts)
        self._wake_dispatcher()


async def _open_wanted_sync(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Open the full sync that the event requests, if it requests one that the ledger does not have.

    Each event of a batch requests its own: a later request of a person must not replace that of a sign-in.
    """
    if event.wanted_sync is not None and await full_syncs.open_or_coalesce(
        tx, event.wanted_sync, event.connection, event.epoch, event.wanted_cause
    ):
        # Somebody has just asked for it, so it does not wait for the next probe or the next attempt.
        await owed_syncs.make_due(tx, event.connection)
        if event.wanted_cause == "connect":
            await connections.unblock(tx, event.connection)


async def _cancel_syncs_and_delayed_requests(
    tx: AsyncConnection, counts: TransactionCounts, event: ConnectionChanged
) -> None:
    name, has_ended = event.connection, event.state != "connected"
    reason = describe_ended_state(event.state) if has_ended else "the account was connected again"
    cancelled = await syncs.cancel(tx, name, below_epoch=event.epoch, all_epochs=has_ended, reason=reason)
    counts.add_finished(name, (sync.mode for sync in cancelled), "cancelled")
    await cancel_syncs_without_snapshot(tx, counts, name)
    await delayed_requests.delete(tx, name, below_epoch=event.epoch, all_epochs=has_ended)


def _find_redaction(events: Sequence[ConnectionChanged], row: LedgerConnection | None) -> int | None:
    """Return the epoch of the latest redaction that must be executed, or None.

    It is among the events, or was missed: it raised the epoch above the stored one, and only later states are left of
    it in the topic.
    """
    received = [event.epoch for event in events if _is_new_redaction(event, row)]
    missed = [event.redacted_epoch for event in events if row is not None and event.redacted_epoch > row.epoch]
    return max((*received, *missed), default=None)


def _is_new_redaction(event: ConnectionChanged, row: LedgerConnection | None) -> bool:
    """Return whether the event is a redaction that has not been handled yet.

    A later revision may repeat the same redaction; that one is not new.
    """
    if event.state != "redacted":
        return False
    return row is None or event.epoch > row.epoch or (event.revision > row.revision and row.state != "redacted")


async def _delete_connection_data(tx: AsyncConnection, connection: str, redacted_epoch: int) -> None:
    """Delete what is stored about a connection that was redacted at the epoch `redacted_epoch`.

    The caller has already cancelled the syncs in this transaction. The cancellation waited for every other transaction
    that had locked a row of these syncs, so no other transaction writes to the rows that are deleted here.
    """
    await syncs.delete(tx, connection)
    await delayed_requests.delete(tx, connection, below_epoch=0, all_epochs=True)
    await connections.clear(tx, connection, redacted_epoch)
