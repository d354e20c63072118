"""The HTTP routes that return the ledger of syncs and connections as JSON. Every caller needs a key.

The gateway and the operator may call `GET /syncs/{id}` and `GET /connections/{connection}`. Only the operator may call
`GET /overview` and `GET /connections`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Query

from database.pool import Database
from scheduler.store import connections, deletion_guards, merchant_documents, syncs, uploads
from scheduler.store.connections import LedgerConnection
from scheduler.store.full_syncs import RATE_LIMIT
from scheduler.store.overview import count_syncs, load_overview
from scheduler.store.uploads import build_wait
from scheduler.use_cases.cancel_sync import find_obstacle
from service.service_auth import identify_caller

_FIELDS = (
    "connection", "cause", "mode", "state", "pages", "records", "changed", "unchanged", "stale", "deleted",
    "attempts", "throttled", "calls", "points", "reason", "guarded_records",
)  # fmt: skip
_TIMES = ("requested_at", "started_at", "finished_at")
MAX_SYNCS = 20
READER, OPERATOR = "gateway", "operator"
MAX_CONNECTIONS = 500


def build_ledger_routes(
    database: Database, callers: Mapping[str, str], compute_poll_pause: Callable[[str], int]
) -> APIRouter:
    """Build the routes that return syncs and connections as JSON.

    `callers` are the names of the callers by the SHA-256 of their keys. Only `gateway` and `operator` may read.
    `compute_poll_pause` returns the longest pause between two polls of a connection in seconds.
    """

    def require_reader(authorization: str = Header(default="")) -> str:
        caller = identify_caller(callers, authorization)
        if caller not in (READER, OPERATOR):
            raise HTTPException(401, f"the key of {READER} or {OPERATOR} is needed")
        return caller

    def require_operator(caller: Annotated[str, Depends(require_reader)]) -> None:
        if caller != OPERATOR:
            raise HTTPException(403, f"the key of {OPERATOR} is needed")

    router = APIRouter(dependencies=[Depends(require_reader)])

    @router.get("/overview", dependencies=[Depends(require_operator)])
    async def read_overview(limit: Annotated[int | None, Query(ge=1)] = None) -> dict[str, Any]:
        async with database.transaction() as tx:
            return asdict(await load_overview(tx, limit=limit))

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
            return {**build_sync_view(row), "cancel_obstacle": await find_obstacle(tx, row)}

    @router.get("/connections/{connection:path}")
    async def read_connection(
        connection: str,
        caller: Annotated[str, Depends(require_reader)],
        syncs_limit: Annotated[int, Query(ge=1)] = MAX_SYNCS,
    ) -> dict[str, Any]:
        async with database.transaction() as tx:
            row = await connections.get(tx, connection)
            latest = await syncs.list_latest(tx, connection, syncs_limit)
            # Counted for operators alone: merchants' pages ask often, and show no number.
            count = await count_syncs(tx, connection) if caller == OPERATOR else None
            full_sync = await syncs.find_last_full_sync(tx, connection)
            open_full_sync = await syncs.find_open_full_sync(tx, connection)
            guarded = await deletion_guards.list_guarded(tx, connection=connection)
            behind, _ = await uploads.list_behind(tx, connection=connection, limit=1)
            document_behind, _ = await merchant_documents.list_behind(tx, connection=connection, limit=1)
        if row is None:
            raise HTTPException(404, "no such connection")
        views = [build_sync_view(sync) for sync in latest]
        return {
            **build_connection_view(row),
            "poll_pause_seconds": compute_poll_pause(connection),
            "upload": orjson.loads(row.upload) if row.upload else None,
            "upload_wait": asdict(behind[0].wait) if behind else None,
            "document_wait": asdict(document_behind[0].wait) if document_behind else None,
            "guarded": asdict(guarded[0]) if guarded else None,
            "last_sync": views[0] if views else None,
            "last_full_sync": build_sync_view(full_sync) if full_sync else None,
            "open_full_sync": build_sync_view(open_full_sync) if open_full_sync else None,
            "syncs": views,
            "sync_count": count,
        }

    return router


def build_connection_view(row: LedgerConnection) -> dict[str, Any]:
    """Build the JSON of a connection. Times are milliseconds since 1970 (UTC)."""
    return {
        "connection": row.connection,
        "revision": row.revision,
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
    """Build the JSON of a sync. Times are milliseconds since 1970 (UTC).

    `upload` is the upload that contains its data. While it is storing, `upload_wait` says what it waits for.
    """
    return {
        "sync_id": str(row["sync_id"]),
        **{name: row[name] for name in _FIELDS},
        **{name: _to_ms(row[name]) for name in _TIMES},
        "skipped_resources": orjson.loads(row["skipped_resources"]),
        "left_out": orjson.loads(row["left_out"]),
        "upload": orjson.loads(row["upload"]) if row["upload"] else None,
        "upload_wait": _build_upload_wait(row) if row["state"] == syncs.STORING else None,
        "coalesced_into": str(row["coalesced_into"]) if row["coalesced_into"] else None,
        "wait": _build_wait(row),
    }


def _build_wait(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Build the JSON of what a full sync waits for; None when it does not wait for a time."""
    if row["due_at"] is None or row["reason"] is None:
        return None
    return {"until": _to_ms(row["due_at"]), "is_rate_limit": row["reason"] == RATE_LIMIT}


def _build_upload_wait(row: Mapping[str, Any]) -> dict[str, Any]:
    fully_read = bool(row["fully_read"])
    return asdict(build_wait(row["stored_at"], row["next_upload_at"], row["failed_upload"], fully_read=fully_read))


def _to_ms(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None
