"""The HTTP routes that return the ledger of syncs and connections as JSON. Every caller needs a key.

The gateway and the operator may call `GET /syncs/{id}` and `GET /connections/{connection}`. Only the operator may call
`GET /overview` and `GET /connections`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Query

from database.pool import Database
from scheduler.store import connections, syncs
from scheduler.store.connections import LedgerConnection
from scheduler.store.overview import load_overview
from service.service_auth import identify_caller

_FIELDS = (
    "connection", "cause", "mode", "state", "pages", "records", "changed", "unchanged", "stale", "deleted",
    "attempts", "throttled", "calls", "points", "reason",
)  # fmt: skip
_TIMES = ("requested_at", "started_at", "finished_at")
MAX_SYNCS = 20
READER, OPERATOR = "gateway", "operator"
MAX_CONNECTIONS = 500


def build_ledger_routes(database: Database, keys: Mapping[str, str]) -> APIRouter:
    """Build the routes that return syncs and connections as JSON.

    `keys` maps the name of a caller to its key. Only the callers `gateway` and `operator` may read.
    """

    def require_reader(authorization: str = Header(default="")) -> str:
        caller = identify_caller(keys, authorization)
        if caller not in (READER, OPERATOR):
            raise HTTPException(401, f"the key of {READER} or {OPERATOR} is needed")
        return caller

    def require_operator(caller: Annotated[str, Depends(require_reader)]) -> None:
        if caller != OPERATOR:
            raise HTTPException(403, f"the key of {OPERATOR} is needed")

    router = APIRouter(dependencies=[Depends(require_reader)])

    @router.get("/overview", dependencies=[Depends(require_operator)])
    async def read_overview() -> dict[str, Any]:
        async with database.transaction() as tx:
            return asdict(await load_overview(tx))

    @router.get("/connections", dependencies=[Depends(require_operator)])
    async def list_connections(
        platform: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=MAX_CONNECTIONS)] = 100,
    ) -> dict[str, Any]:
        async with database.transaction() as tx:
            rows = await connections.list_page(tx, platform=platform, state=state, after=after, limit=limit)
        return {"connections": [build_connection_view(row) for row in rows]}

    @router.get("/syncs/{sync_id}")
    async def read_sync(sync_id: UUID) -> dict[str, Any]:
        async with database.transaction() as tx:
            row = await syncs.get(tx, sync_id)
        if row is None:
            raise HTTPException(404, "no such sync")
        return build_sync_view(row)

    @router.get("/connections/{connection}")
    async def read_connection(connection: str) -> dict[str, Any]:
        async with database.transaction() as tx:
            row = await connections.get(tx, connection)
            latest = await syncs.list_latest(tx, connection, MAX_SYNCS)
        if row is None:
            raise HTTPException(404, "no such connection")
        views = [build_sync_view(sync) for sync in latest]
        return {**build_connection_view(row), "last_sync": views[0] if views else None, "syncs": views}

    return router


def build_connection_view(row: LedgerConnection) -> dict[str, Any]:
    """Build the JSON of a connection. Times are milliseconds since 1970 (UTC)."""
    return {
        "connection": row.connection,
        "epoch": row.epoch,
        "state": row.state,
        "next_poll_at": _to_ms(row.next_poll_at),
        "blocked": None if row.blocked is None else _build_block_view(row, row.blocked),
        "erased_at": row.erased_at,
    }


def _build_block_view(row: LedgerConnection, reason: str) -> dict[str, Any]:
    """Build the JSON of a block: the account is `reason`. `next_attempt_at` is None while the platform is being asked.

    Times are milliseconds since 1970 (UTC).
    """
    return {
        "reason": reason,
        "since": _to_ms(row.blocked_since),
        "next_attempt_at": _to_ms(row.next_probe_at),
    }


def build_sync_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Build the JSON of a sync. Times are milliseconds since 1970 (UTC)."""
    return {
        "sync_id": str(row["sync_id"]),
        **{name: row[name] for name in _FIELDS},
        **{name: _to_ms(row[name]) for name in _TIMES},
        "skipped_resources": orjson.loads(row["skipped_resources"]),
        "left_out": orjson.loads(row["left_out"]),
        "upload": orjson.loads(row["upload"]) if row["upload"] else None,
        "coalesced_into": str(row["coalesced_into"]) if row["coalesced_into"] else None,
    }


def _to_ms(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None
