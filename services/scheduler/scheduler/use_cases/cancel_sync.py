"""Cancels a full sync that a person does not want any more."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from platform_sdk.errors import NotFoundError, RequestRejectedError
from scheduler.metrics import TransactionCounts
from scheduler.store import connections, full_syncs, syncs
from scheduler.use_cases.finish_syncs import finish_syncs

CANCELLABLE_CAUSES = frozenset({"connect", "manual", "poll"})
"""The causes of full syncs that owe nobody a change. Every other one brings changes that were reported already."""
REASON = "it was cancelled on request"


async def cancel_full_sync(tx: AsyncConnection, counts: TransactionCounts, connection: str, sync_id: UUID) -> None:
    """Cancel an open full sync, with those that were coalesced into it.

    What it has read is kept. Does nothing if the sync is cancelled already. Raises NotFoundError if the connection has
    no such sync, and RequestRejectedError if it is not open, or if a reported change would be lost with it.
    """
    # Whoever coalesces a sync locks the connection before, so that none is coalesced from here on.
    owner = await connections.lock(tx, connection)
    row = await syncs.get(tx, sync_id) if owner else None
    if owner is None or row is None or row["connection"] != connection:
        raise NotFoundError
    if row["state"] == "cancelled":
        return
    causes = {row["cause"], *await full_syncs.list_coalesced_causes(tx, connection, sync_id)}
    if reason := _find_obstacle(row["mode"], row["state"], causes):
        raise RequestRejectedError(409, reason)
    if row["coalesced_into"] is not None:
        raise RequestRejectedError(409, f"the full sync {row['coalesced_into']} does its work; cancel that one")
    if owner.blocked is not None:
        raise RequestRejectedError(409, "it finds out when the account is open again at its platform")
    if not await finish_syncs(tx, counts, connection, row["epoch"], [sync_id], "cancelled", None, REASON):
        raise RequestRejectedError(409, "it has just ended")


def _find_obstacle(mode: str, state: str, causes: set[str]) -> str | None:
    if state == syncs.STORING:
        return "its data is stored already, and is being uploaded"
    if state in ("success", "failed"):
        return "it has ended already"
    if mode != "full" or not causes <= CANCELLABLE_CAUSES:
        return "it reads changes that the platform has reported, and they would be lost"
    return None
