"""What a merchant is shown: a sync as the scheduler knows it, with the gateway's own part beside it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.events import parse_account
from gateway.connections import Connection
from gateway.platforms import Platform

PENDING, SUCCESS, FAILED = "pending", "success", "failed"
TERMINAL = ("success", "failed", "cancelled")
TEST_TAKES_AT_MOST_MS = 60_000
"""A webhook test that is pending so long after it was sent was cut off with its process."""


Moment = Annotated[int | None, Field(description="Milliseconds since the epoch, UTC")]


class Shown(BaseModel):
    """A document as it is answered: all of its fields are always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class UploadView(Shown):
    """The upload that holds a sync's bytes."""

    key: str
    outcome: str
    sha256: str = ""
    bytes: int = 0
    stored_at: Moment = None
    reason: str | None = None


class SyncView(Shown):
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
    requested_at: Moment = None
    started_at: Moment = None
    finished_at: Moment = None


class ConnectionView(BaseModel):
    """A connection in the scheduler's words."""

    connection: str
    epoch: int = 0
    next_poll_at: Moment = None
    last_sync: SyncView | None = None
    syncs: list[SyncView] = []
    erased_at: Moment = None
    """When the writer had taken away all that it held of a redacted connection, in ms."""


class Outcome(Shown):
    """Of one part of a self-test: pending, success or failed, and why."""

    status: str
    message: str


class Subscribed(Outcome):
    """The webhook subscriptions, and what became of each topic."""

    topics: dict[str, Outcome] = {}


class SyncDocument(SyncView):
    """A sync as it is shown, with the four parts of the self-test; null for a part that it has not."""

    webhook_status: Subscribed | None
    webhook_test: Outcome | None
    polling_test: Outcome | None
    upload_status: Outcome | None


class ConnectionDocument(Shown):
    """A connection as it is shown: its state is connected, reauthorise, uninstalled or redacted."""

    connection: str
    state: str
    scopes: list[str]
    object_key: str = Field(description="Where its document lies in the bucket")
    polled_only: bool = Field(description="Its webhook test failed, so that only polls bring its changes")
    next_poll_at: Moment
    last_sync: SyncView | None
    syncs: list[SyncView]
    wanted_sync: UUID | None = Field(description="The full sync that the last consent asked for")
    login_url: str
    account_url: str
    scheduler_away: bool = Field(description="The scheduler does not answer now, and its part is missing here")


class MissingScope(Shown):
    """A scope that was not granted, with the resources that are left out for want of it."""

    scope: str
    costs: list[str]


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
    parts = {
        "webhook_status": _ended(status, sync, "the subscriptions were never compared"),
        "webhook_test": _not_cut_off(test, now),
        "polling_test": _polling(sync) if sync.mode == "full" else None,
        "upload_status": _uploaded(sync),
    }
    return SyncDocument.model_validate(dict(sync) | parts).model_dump(mode="json")


def connection_document(
    row: Connection, platform: Platform, known: ConnectionView | None, *, away: bool, test: object
) -> ConnectionDocument:
    """A connection as it is shown. `known`: what the scheduler knows of it, unless that is `away`."""
    account = parse_account(row.name)
    return ConnectionDocument(
        connection=row.name,
        state=row.state,
        scopes=list(row.scopes),
        object_key=platform.get_object_key(account),
        polled_only=isinstance(test, dict) and test.get("status") == FAILED,
        next_poll_at=known.next_poll_at if known else None,
        last_sync=known.last_sync if known else None,
        syncs=known.syncs if known else [],
        wanted_sync=row.wanted_sync,
        login_url=platform.login_url(account),
        account_url=platform.account_url(account),
        scheduler_away=away,
    )


def missing_scopes(platform: Platform, granted: Iterable[str]) -> list[MissingScope]:
    """The scopes that were not granted, each with the resources that are left out for want of it."""
    return [
        MissingScope(scope=scope, costs=list(costs)) for scope, costs in platform.find_missing_scopes(granted).items()
    ]


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
