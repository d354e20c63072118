"""What a merchant is shown: a sync as the scheduler knows it, with the gateway's own part beside it."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from gateway.connections import Connection
from gateway.platforms import Platform

PENDING, SUCCESS, FAILED = "pending", "success", "failed"
TERMINAL = ("success", "failed", "cancelled")
TEST_TAKES_AT_MOST_MS = 60_000
"""A webhook test that is pending so long after it was sent was cut off with its process."""


class UploadView(BaseModel):
    """The upload that holds a sync's bytes."""

    key: str
    outcome: str
    sha256: str = ""
    bytes: int = 0
    stored_at: int | None = None
    reason: str | None = None


class SyncView(BaseModel):
    """A sync in the scheduler's words; fields that it adds are ignored."""

    sync_id: UUID
    connection: str
    cause: str
    mode: str
    state: str
    pages: int = 0
    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    removed: int = 0
    attempts: int = 0
    throttled: int = 0
    reason: str | None = None
    left_out: dict[str, str] = {}
    upload: UploadView | None = None
    requested_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None


class ConnectionView(BaseModel):
    """A connection in the scheduler's words."""

    connection: str
    epoch: int = 0
    next_poll_at: int | None = None
    last_sync: SyncView | None = None
    syncs: list[SyncView] = []
    erased_at: int | None = None
    """When the writer had taken away all that it held of a redacted connection, in ms."""


def queued(sync_id: UUID, connection: str, requested_at: int | None) -> SyncView:
    """A sync that the gateway wants and the scheduler does not know yet."""
    return SyncView(
        sync_id=sync_id,
        connection=connection,
        cause="connect",
        mode="full",
        state="queued",
        requested_at=requested_at,
    )


def unknown(sync_id: UUID, connection: str) -> SyncView:
    """A sync about which the scheduler cannot be asked now."""
    return queued(sync_id, connection, None).model_copy(update={"state": "unknown"})


def sync_document(
    sync: SyncView, *, status: Mapping[str, Any] | None, test: Mapping[str, Any] | None, now: int
) -> dict[str, Any]:
    """A sync as it is shown: the four parts of the self-test are `{"status", "message"}`, None where it has none.

    `status` and `test` are the outcomes stored so far, `now` in ms.
    """
    return {
        **sync.model_dump(mode="json"),
        "webhook_status": _ended(status, sync, "the subscriptions were never compared"),
        "webhook_test": _not_cut_off(test, now),
        "polling_test": _polling(sync) if sync.mode == "full" else None,
        "upload_status": _uploaded(sync),
    }


def connection_document(row: Connection, known: ConnectionView | None, *, key: str, test: object) -> dict[str, Any]:
    """A connection as it is shown. `polled_only`: its webhook test failed, so that only polls bring its changes."""
    failed = isinstance(test, dict) and test.get("status") == FAILED
    return {
        "connection": row.name,
        "state": row.state,
        "scopes": list(row.scopes),
        "object_key": key,
        "polled_only": failed,
        "next_poll_at": known.next_poll_at if known else None,
        "last_sync": known.last_sync.model_dump(mode="json") if known and known.last_sync else None,
        "syncs": [sync.model_dump(mode="json") for sync in known.syncs] if known else [],
        "wanted_sync": str(row.wanted_sync) if row.wanted_sync else None,
    }


def missing_scopes(platform: Platform, granted: Iterable[str]) -> list[dict[str, Any]]:
    """The scopes that were not granted, each with the resources that are left out for want of it."""
    return [{"scope": scope, "costs": list(costs)} for scope, costs in platform.missing_scopes(granted).items()]


def _part(status: str, message: str) -> dict[str, Any]:
    return {"status": status, "message": message}


def _ended(part: Mapping[str, Any] | None, sync: SyncView, otherwise: str) -> dict[str, Any] | None:
    if part is None:
        return None
    return _part(FAILED, otherwise) if part["status"] == PENDING and sync.state in TERMINAL else dict(part)


def _not_cut_off(part: Mapping[str, Any] | None, now: int) -> dict[str, Any] | None:
    if part is None:
        return None
    if part["status"] == PENDING and now - part.get("sent_at", now) > TEST_TAKES_AT_MOST_MS:
        return _part(FAILED, "the test was cut off; it is tried again at the next first sync")
    return dict(part)


def _polling(sync: SyncView) -> dict[str, Any]:
    if sync.state == SUCCESS:
        return _part(SUCCESS, f"the full walk ended whole, with {sync.records} records")
    if sync.state in TERMINAL:
        return _part(FAILED, sync.reason or f"the full walk was {sync.state}")
    return _part(PENDING, "the full walk has not ended yet")


def _uploaded(sync: SyncView) -> dict[str, Any]:
    upload = sync.upload
    if upload is not None and upload.outcome == FAILED:
        return _part(FAILED, upload.reason or f"{upload.key} could not be stored")
    if upload is not None:
        return _part(SUCCESS, f"{upload.key} holds this sync's data: {upload.outcome}, {upload.bytes} bytes")
    if sync.state in TERMINAL and sync.state != SUCCESS:
        return _part(FAILED, f"nothing is stored from a sync that is {sync.state}")
    return _part(PENDING, "the bucket does not hold this sync's data yet")
