"""Builds the JSON documents about connections and syncs, from the scheduler's answers and the gateway's own rows."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.events import parse_account
from gateway.connect.paths import build_login_path
from gateway.connections import Connection
from gateway.pages.responses import ResponseModel
from platform_sdk.adapters import PlatformAdapter

PENDING, SUCCESS, FAILED = "pending", "success", "failed"
FINAL_STATES = ("success", "failed", "cancelled")
MAX_PROBE_MS = 60_000
"""A webhook probe that is still pending so long after it was sent has ended with its process."""


Timestamp = Annotated[int | None, Field(description="Milliseconds since the epoch, UTC")]


class UploadView(ResponseModel):
    """The upload of the snapshot (the connection's document in the bucket) that holds a sync's data."""

    key: str
    outcome: str
    sha256: str = ""
    bytes: int = 0
    stored_at: Timestamp = None
    reason: str | None = None


class SyncView(ResponseModel):
    """A sync as the scheduler's read API shows it; its other fields are ignored."""

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
    deleted: int = 0
    attempts: int = 0
    throttled: int = 0
    reason: str | None = None
    skipped_resources: dict[str, str] = Field(default_factory=dict)
    left_out: dict[str, str] = Field(
        default_factory=dict, description="Records that could not be read, by id with the reason"
    )
    coalesced_into: UUID | None = Field(default=None, description="The full sync that does this sync's work")
    upload: UploadView | None = None
    requested_at: Timestamp = None
    started_at: Timestamp = None
    finished_at: Timestamp = None


class BlockView(ResponseModel):
    """An account about which its platform refuses every call: "the account is `reason`", such as frozen or locked.

    It is asked again at `next_attempt_at`, and everything that changed meanwhile is read once it is open.
    """

    reason: str
    since: Timestamp = None
    next_attempt_at: Timestamp = None


class ConnectionView(BaseModel):
    """A connection as the scheduler's read API shows it."""

    connection: str
    epoch: int = 0
    next_poll_at: Timestamp = None
    blocked: BlockView | None = None
    last_sync: SyncView | None = None
    syncs: list[SyncView] = []
    erased_at: Timestamp = None
    """When the spaces-writer had deleted all data of a redacted connection (ms)."""


class CheckOutcome(ResponseModel):
    """The outcome of one of a sync's four checks: webhook subscriptions, webhook test, polling and upload.

    `status` is pending, success or failed; `message` explains it.
    """

    status: str
    message: str


class SubscriptionsOutcome(CheckOutcome):
    """The outcome of the webhook subscriptions, in all and by topic."""

    topics: dict[str, CheckOutcome] = Field(default_factory=dict)


class SyncDocument(SyncView):
    """A sync with the outcomes of its four checks. A check is null where the sync does not have it."""

    webhook_status: SubscriptionsOutcome | None
    webhook_test: CheckOutcome | None
    polling_test: CheckOutcome | None
    upload_status: CheckOutcome | None


class ConnectionDocument(ResponseModel):
    """A connection of a merchant. Its `state` is connected, reauthorise, uninstalled or redacted."""

    connection: str
    state: str
    scopes: list[str]
    object_key: str = Field(description="Where its snapshot is stored in the bucket")
    polled_only: bool = Field(
        description="Only polls bring its changes: its platform has no webhooks, or its webhook test failed"
    )
    has_webhooks: bool = Field(description="Its platform has webhooks")
    blocked: BlockView | None = Field(description="Why its platform refuses every call about it; null if it does not")
    next_poll_at: Timestamp
    last_sync: SyncView | None
    syncs: list[SyncView]
    wanted_sync: UUID | None = Field(description="The full sync that the last consent or an operator requested")
    login_url: str = Field(description="Where its merchant signs in again; empty where only the operator connects it")
    account_url: str
    scheduler_away: bool = Field(description="The scheduler does not answer now, and its part is missing here")


class MissingScope(ResponseModel):
    """A scope that was not granted, and in `costs` the resources that cannot be read without the scope."""

    scope: str
    costs: list[str]


def build_queued_sync(sync_id: UUID, connection: str, requested_at: int | None) -> SyncView:
    """Return a full sync in state `queued`, to show for a sync that the scheduler does not know yet.

    `requested_at` is in ms.
    """
    return SyncView(
        sync_id=sync_id,
        connection=connection,
        cause="connect",
        mode="full",
        state="queued",
        requested_at=requested_at,
    )


def build_unknown_sync(sync_id: UUID, connection: str) -> SyncView:
    """Return a sync in state `unknown`, to show for a sync while the scheduler does not answer."""
    return build_queued_sync(sync_id, connection, None).model_copy(update={"state": "unknown"})


def build_sync_document(
    sync: SyncView, *, status: Mapping[str, Any] | None, result: Mapping[str, Any] | None, now: int
) -> dict[str, Any]:
    """Return the JSON of a sync with the outcomes of its four checks: subscriptions, webhook test, polling and upload.

    `status` is the stored state of the webhook subscriptions, `result` the stored result of the webhook probe (a test
    delivery to the gateway itself); each is None where there is none. `now` is in ms.
    """
    checks = {
        "webhook_status": _build_webhook_status(status, sync),
        "webhook_test": _build_probe_result(result, now),
        "polling_test": _build_read_outcome(sync) if sync.mode == "full" else None,
        "upload_status": _build_upload_outcome(sync),
    }
    return SyncDocument.model_validate(dict(sync) | checks).model_dump(mode="json")


def build_connection_document(
    row: Connection, adapter: PlatformAdapter, view: ConnectionView | None, *, scheduler_away: bool, result: object
) -> ConnectionDocument:
    """Return the JSON document of a connection.

    `view` is the scheduler's answer about the connection; None where there is none. `scheduler_away` is whether the
    scheduler did not answer. `result` is that of the connection's last webhook probe (a test delivery to the gateway
    itself).
    """
    account = parse_account(row.name)
    has_webhooks = adapter.webhooks is not None
    return ConnectionDocument(
        connection=row.name,
        state=row.state,
        scopes=list(row.scopes),
        object_key=adapter.accounts.get_object_key(account),
        polled_only=not has_webhooks or (isinstance(result, dict) and result.get("status") == FAILED),
        has_webhooks=has_webhooks,
        blocked=view.blocked if view else None,
        next_poll_at=view.next_poll_at if view else None,
        last_sync=view.last_sync if view else None,
        syncs=view.syncs if view else [],
        wanted_sync=row.wanted_sync,
        login_url=build_login_path(adapter, account),
        account_url=adapter.accounts.build_account_url(account),
        scheduler_away=scheduler_away,
    )


def _build_outcome(status: str, message: str) -> dict[str, Any]:
    return {"status": status, "message": message}


def _build_webhook_status(status: Mapping[str, Any] | None, sync: SyncView) -> dict[str, Any] | None:
    if status is None:
        return None
    if status["status"] == PENDING and sync.state in FINAL_STATES:
        return _build_outcome(FAILED, "the subscriptions were never compared")
    return dict(status)


def _build_probe_result(result: Mapping[str, Any] | None, now: int) -> dict[str, Any] | None:
    if result is None:
        return None
    if result["status"] == PENDING and now - result.get("sent_at", now) > MAX_PROBE_MS:
        return _build_outcome(FAILED, "the test was cut off; it is tried again at the next first sync")
    return dict(result)


def _build_read_outcome(sync: SyncView) -> dict[str, Any]:
    if sync.state == SUCCESS:
        return _build_outcome(SUCCESS, f"the full read is complete, with {sync.records} records")
    if sync.state in FINAL_STATES:
        return _build_outcome(FAILED, sync.reason or f"the full read was {sync.state}")
    return _build_outcome(PENDING, "the full read is not complete yet")


def _build_upload_outcome(sync: SyncView) -> dict[str, Any]:
    upload = sync.upload
    if upload is not None and upload.outcome == FAILED:
        return _build_outcome(FAILED, upload.reason or f"{upload.key} could not be stored")
    if upload is not None:
        message = f"{upload.key} holds this sync's data: {upload.outcome}, {upload.bytes} bytes"
        return _build_outcome(SUCCESS, message)
    if sync.state in FINAL_STATES and sync.state != SUCCESS:
        return _build_outcome(FAILED, f"nothing is stored from a sync that is {sync.state}")
    return _build_outcome(PENDING, "the bucket does not hold this sync's data yet")
