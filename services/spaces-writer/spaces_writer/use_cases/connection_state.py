"""Stores the state of a connection that the gateway published."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.events import ConnectionChanged
from messaging.errors import ForeignMessageError
from messaging.message_checks import check_epochs
from spaces_writer.object_keys import build_snapshot_key
from spaces_writer.store import connections, erasures, merchants
from spaces_writer.store.connections import ConnectionRow
from spaces_writer.use_cases.document_states import publish_document_states

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def apply_connection_events(tx: "AsyncConnection", connection: str, events: Sequence[ConnectionChanged]) -> bool:
    """Store the newest state of the connection, and mark and publish the documents of its merchants as changed.

    These are the merchant to which the connection belongs, and the one to which it belonged before. A redaction among
    the events, or one that was missed, deletes the connection's data, even if a later event connects the account again.
    Returns False, and
    changes nothing, if the stored revision is as new as the newest event. Raises `ForeignMessageError` for an object
    key that is not the connection's own, and for an epoch that falls.
    """
    _check_object_keys(connection, events)
    newest = max(events, key=lambda event: event.revision)
    row = await connections.lock(tx, connection)
    if row is not None and row.revision >= newest.revision:
        return False
    check_epochs(events, revision=row.revision if row else 0, epoch=row.epoch if row else 0)
    await connections.save(tx, newest)
    if row is not None and row.merchant != newest.merchant:
        # The metadata of the snapshot's object names the merchant.
        await connections.request_object_check(tx, connection)
    redacted_epoch = _find_redaction(events, row)
    if redacted_epoch is not None:
        await erasures.delete_data_and_request_erasure(tx, connection, redacted_epoch, row)
    await merchants.raise_version(tx, {newest.merchant, row.merchant if row else None}, connection)
    await publish_document_states(tx, [connection])
    return True


def _find_redaction(events: Sequence[ConnectionChanged], row: ConnectionRow | None) -> int | None:
    """Return the epoch of the latest redaction that must be executed, or None.

    It is among the events, or was missed: it raised the epoch above the stored one, and only later states are left of
    it in the topic.
    """
    new = [event for event in events if row is None or event.revision > row.revision]
    received = [event.epoch for event in new if event.state == "redacted"]
    missed = [event.redacted_epoch for event in new if row is not None and event.redacted_epoch > row.epoch]
    return max((*received, *missed), default=None)


def _check_object_keys(connection: str, events: Sequence[ConnectionChanged]) -> None:
    try:
        key = build_snapshot_key(connection)
    except ValueError as error:
        raise ForeignMessageError(f"the connection has no object key: {error}") from None
    if not all(event.object_key in (None, key) for event in events):
        raise ForeignMessageError("the object key is not that of the connection")
