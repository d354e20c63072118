"""Stores the state of a connection that the gateway published."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.events import ConnectionChanged
from spaces_writer.store import connections, erasures, merchants

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def apply_connection_events(tx: "AsyncConnection", connection: str, events: Sequence[ConnectionChanged]) -> bool:
    """Store the newest state of the connection, and mark the documents of its merchants as changed.

    These are the merchant to which the connection belongs, and the one to which it belonged before. A redaction among
    the events deletes the connection's data, even if a later event connects the account again. Returns False, and
    changes nothing, if the stored revision is as new as the newest event.
    """
    newest = max(events, key=lambda event: event.revision)
    row = await connections.lock(tx, connection)
    if row is not None and row.revision >= newest.revision:
        return False
    await connections.save(tx, newest)
    if row is not None and row.merchant != newest.merchant:
        # The metadata of the snapshot's object names the merchant.
        await connections.request_object_check(tx, connection)
    for event in events:
        if event.state == "redacted" and (row is None or event.revision > row.revision):
            await erasures.delete_data_and_request_erasure(tx, event, row)
    await merchants.raise_version(tx, {newest.merchant, row.merchant if row else None})
    return True
