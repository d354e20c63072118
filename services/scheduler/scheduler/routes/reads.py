"""The ledger as JSON, for callers that hold a key: `GET /syncs/{id}` and `GET /connections/{connection}` for gateway
and operator, `GET /overview` and `GET /connections` for the operator."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Query

from database.pool import Database
from scheduler.store import connections, syncs
from scheduler.store.connections import Known
from scheduler.store.overview import situation
from service.service_auth import identify_caller

_SHOWN = (
    "connection", "cause", "mode", "state", "pages", "records", "changed", "unchanged", "stale", "removed",
    "attempts", "throttled", "calls", "points", "reason",
)  # fmt: skip
_TIMES = ("requested_at", "started_at", "finished_at")
LATEST = 20
READER, OPERATOR = "gateway", "operator"
MOST_LISTED = 500


def reads(database: Database, keys: Mapping[str, str]) -> APIRouter:
    """The routes; `keys` by caller, of whom gateway and operator alone may read."""

    def may_read(authorization: str = Header(default="")) -> str:
        caller = identify_caller(keys, authorization)
        if caller not in (READER, OPERATOR):
            raise HTTPException(401, f"the key of {READER} or {OPERATOR} is needed")
        return caller

    def may_operate(caller: Annotated[str, Depends(may_read)]) -> None:
        if caller != OPERATOR:
            raise HTTPException(403, f"the key of {OPERATOR} is needed")

    router = APIRouter(dependencies=[Depends(may_read)])

    @router.get("/overview", dependencies=[Depends(may_operate)])
    async def all_of_it() -> dict[str, Any]:
        async with database.transaction() as tx:
            return asdict(await situation(tx))

    @router.get("/connections", dependencies=[Depends(may_operate)])
    async def some_connections(
        platform: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
    ) -> dict[str, Any]:
        async with database.transaction() as tx:
            rows = await connections.listed(tx, platform=platform, state=state, after=after, limit=limit)
        return {"connections": [described(known) for known in rows]}

    @router.get("/syncs/{sync_id}")
    async def one_sync(sync_id: UUID) -> dict[str, Any]:
        async with database.transaction() as tx:
            row = await syncs.get(tx, sync_id)
        if row is None:
            raise HTTPException(404, "no such sync")
        return shown(row)

    @router.get("/connections/{connection}")
    async def one_connection(connection: str) -> dict[str, Any]:
        async with database.transaction() as tx:
            known = await connections.get(tx, connection)
            rows = await syncs.latest(tx, connection, LATEST)
        if known is None:
            raise HTTPException(404, "no such connection")
        listed = [shown(row) for row in rows]
        return {**described(known), "last_sync": listed[0] if listed else None, "syncs": listed}

    return router


def described(known: Known) -> dict[str, Any]:
    """A connection as its readers see it."""
    return {
        "connection": known.connection,
        "epoch": known.epoch,
        "state": known.state,
        "next_poll_at": _ms(known.next_poll_at),
        "erased_at": known.erased_at,
    }


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A sync as its readers see it; times are milliseconds since the epoch, as in the events."""
    return {
        "sync_id": str(row["sync_id"]),
        **{name: row[name] for name in _SHOWN},
        **{name: _ms(row[name]) for name in _TIMES},
        "left_out": orjson.loads(row["left_out"]),
        "upload": orjson.loads(row["upload"]) if row["upload"] else None,
        "covered_by": str(row["covered_by"]) if row["covered_by"] else None,
    }


def _ms(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None
