"""The HTTP route that cancels a full sync, for the gateway alone: it knows whose connection it is."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException

from database.pool import Database
from platform_sdk.errors import NotFoundError, RequestRejectedError
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.use_cases.cancel_sync import cancel_full_sync
from service.service_auth import identify_caller

CALLER = "gateway"


def build_cancellation_route(database: Database, callers: Mapping[str, str], record_counts: RecordCounts) -> APIRouter:
    """Build the route `POST /connections/{connection}/syncs/{sync_id}/cancel`.

    `callers` maps the hash of a key to the name of its caller. Answers 404 if the connection has no such sync, and 409
    with the reason if the sync cannot be cancelled.
    """
    router = APIRouter()

    @router.post("/connections/{connection:path}/syncs/{sync_id:uuid}/cancel")
    async def cancel(connection: str, sync_id: UUID, authorization: str = Header(default="")) -> dict[str, str]:
        if identify_caller(callers, authorization) != CALLER:
            raise HTTPException(401, f"the key of {CALLER} is needed")
        counts = TransactionCounts()
        try:
            async with database.transaction() as tx:
                await cancel_full_sync(tx, counts, connection, sync_id)
        except NotFoundError:
            raise HTTPException(404, "no such sync") from None
        except RequestRejectedError as error:
            raise HTTPException(error.status, error.reason) from None
        record_counts(counts)
        return {"sync_id": str(sync_id), "state": "cancelled"}

    return router
