"""Cancels a full sync that a person does not want any more."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from platform_sdk.errors import NotFoundError, RequestRejectedError
from scheduler.metrics import TransactionCounts
from scheduler.store import connections, full_syncs, syncs
from scheduler.use_cases.finish_syncs import REPEATABLE_CAUSES, finish_syncs

REASON = "it was cancelled on request"


async def cancel_full_sync(tx: AsyncConnection, counts: TransactionCounts, connection: str, sync_id: UUID) -> None:
    """Cancel an open full sync, with those that were coalesced into it.

    What it has read is kept. Does nothing if the sync is cancelled already. Raises NotFoundError if the connection has
    no such sync, and RequestRejectedError with the obstacle if there is one.
    """
    # Whoever coalesces a sync locks the connection before, so that none is coalesced from here on.
    owner = await connections.lock(tx, connection)
    row = await syncs.get(tx, sync_id) if owner else None
    if owner is None or row is None or row["connection"] != connection:
        raise NotFoundError
    if row["state"] == "cancelled":
        return
    if obstacle := await find_obstacle(tx, row):
        raise RequestRejectedError(409, obstacle)
    if not await finish_syncs(tx, counts, connection, row["epoch"], [sync_id], "cancelled", None, REASON):
        raise RequestRejectedError(409, "it has just ended")


async def find_obstacle(tx: AsyncConnection, row: Mapping[str, Any]) -> str | None:
    """Return why the sync with this row of the ledger cannot be cancelled; None if it can be.

    Only an open full sync can be, and only if nothing but itself is lost with it.
    """
    if row["state"] == syncs.STORING:
        return "its data is stored already, and is being uploaded"
    if row["state"] in ("success", "failed", "cancelled"):
        return "it has ended already"
    kinds = {(row["mode"], row["cause"]), *await full_syncs.list_coalesced_kinds(tx, row["connection"], row["sync_id"])}
    if any(mode != "full" or cause not in REPEATABLE_CAUSES for mode, cause in kinds):
        return "it brings changes that were made or reported while they could not be read, and nothing else brings them"
    if row["coalesced_into"] is not None:
        return f"the full sync {row['coalesced_into']} does its work; cancel that one"
    if row["blocked"] is not None:
        return "it finds out when the account is open again at its platform"
    return None
