"""Checks what a message claims about its connection before the ledger is changed by it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.errors import ForeignMessageError, UnknownConnectionError
from scheduler.store import connections, syncs


async def check_claims(tx: AsyncConnection, connection: str, *, epoch: int, sync_ids: Collection[UUID]) -> None:
    """Raise an error unless messages of the connection may name `epoch` and `sync_ids`.

    `epoch` is the highest that they name. Raises `UnknownConnectionError` if the `connection.changed` event of this
    epoch has not been handled yet, and `ForeignMessageError` if one of the syncs is another connection's.
    """
    known = await connections.get_epoch(tx, connection)
    if known is None or epoch > known:
        raise UnknownConnectionError(f"{connection} at epoch {epoch}")
    await check_syncs(tx, connection, sync_ids)


async def check_syncs(tx: AsyncConnection, connection: str, sync_ids: Collection[UUID]) -> None:
    """Raise `ForeignMessageError` if one of `sync_ids` is the id of another connection's sync."""
    foreign = await syncs.find_foreign(tx, connection, sync_ids) if sync_ids else None
    if foreign is not None:
        raise ForeignMessageError(f"the sync {foreign} is another connection's")
