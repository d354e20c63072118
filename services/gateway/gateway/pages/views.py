"""Builds the JSON documents about connections and syncs, from the scheduler's answers and the gateway's own rows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.events import parse_account
from gateway.connect.paths import build_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connections import Connection
from gateway.pages.responses import ResponseModel
from platform_sdk.adapters import PlatformAdapter

PENDING, SUCCESS, FAILED = "pending", "success", "failed"
STORING = "storing"
FINAL_STATES = ("success", "failed", "cancelled")
UNKNOWN = "unknown"
_NOT_KNOWN = "not known: the scheduler does not answer now"
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


class UploadWaitView(ResponseModel):
    """What stored data waits for until the bucket holds it."""

    since: Timestamp = Field(
        description="When the oldest of this data was stored, in milliseconds since the epoch, UTC"
    )
    next_attempt_at: Timestamp = Field(
        default=None, description="No upload is tried before; milliseconds since the epoch, UTC"
    )
    reason: str | None = Field(default=None, exclude=True)
    """Why the latest upload failed, in the bucket's words. It is shown to operators, not to merchants."""
    needs_full_sync: bool = Field(default=False, description="The first complete full sync has to come before")


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
    cancel_obstacle: str | None = Field(
        default=None, description="Why it cannot be cancelled; null if it can be, and in lists of syncs"
    )
    guarded_records: int | None = Field(
        default=None, description="Stored records that it did not list, so many that none of them is deleted"
    )
    upload: UploadView | None = None
    upload_wait: UploadWaitView | None = Field(default=None, description="In state `storing` only")
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
    revision: int = 0
    """The revision of the latest event `connection.changed` that the scheduler has handled."""
    epoch: int = 0
    next_poll_at: Timestamp = None
    poll_pause_seconds: int | None = None
    blocked: BlockView | None = None
    upload: UploadView | None = None
    upload_wait: UploadWaitView | None = None
    last_sync: SyncView | None = None
    last_full_sync: SyncView | None = None
    open_full_sync: SyncView | None = None
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


class MissingScope(ResponseModel):
    """A scope that was not granted, and in `costs` the resources that cannot be read without the scope."""

    scope: str
    costs: list[str]


class ConnectedDocument(ResponseModel):
    """A connection as it is shown right after its account was connected."""

    connection: str
    title: str
    user_uuid: UUID | None = Field(description="The merchant in whose document it is listed")
    sync_id: UUID | None = Field(description="Its first sync")
    missing_scopes: list[MissingScope]
    readable_until: Timestamp
    again_url: str = Field(description="Where the platform asks once more for what was declined")


class ConnectionDocument(ResponseModel):
    """A connection. Its `state` is connected, reauthorise or uninstalled."""

    connection: str
    title: str = Field(description="The account's display name; empty where the platform gives none")
    user_uuid: UUID | None = Field(description="The merchant in whose document it is listed")
    state: str
    scopes: list[str]
    object_key: str = Field(description="The key of its snapshot in the bucket, once there is one")
    upload: UploadView | None = Field(description="The latest upload of its snapshot; null while nothing is stored")
    waits: str | None = Field(description="What its newest data waits for until the bucket holds it; null for nothing")
    polled_only: bool = Field(
        description="Only polls bring its changes: its platform has no webhooks, or its webhook test failed"
    )
    has_webhooks: bool = Field(description="Its platform has webhooks")
    blocked: BlockView | None = Field(description="Why its platform refuses every call about it; null if it does not")
    next_poll_at: Timestamp
    poll_pause_seconds: int | None = Field(
        description="The longest pause between two of its polls; null while the scheduler does not say"
    )
    last_sync: SyncView | None
    last_full_sync: SyncView | None = Field(description="Its latest full sync that has ended, or is storing")
    open_full_sync: SyncView | None = Field(description="Its full sync that is queued or running")
    syncs: list[SyncView]
    wanted_sync: UUID | None = Field(description="The full sync that the last consent or an operator requested")
    readable_until: Timestamp
    ends_soon: bool = Field(description="Its access ends within 14 days unless its merchant signs in again")
    login_url: str = Field(description="Where it is connected again; empty where only the operator connects it")
    prove_url: str = Field(description="Where its merchant signs in to prove it; empty where nobody can")
    can_act: bool = Field(description="The sign-in is fresh enough to disconnect or delete it")
    account_url: str
    scheduler_away: bool = Field(description="The scheduler does not answer now, and its part is missing here")


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
    return build_queued_sync(sync_id, connection, None).model_copy(update={"state": UNKNOWN, "cause": ""})


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
        "upload_status": _build_upload_outcome(sync, now),
    }
    return SyncDocument.model_validate(dict(sync) | checks).model_dump(mode="json")


def build_connected_document(row: Connection, adapter: PlatformAdapter) -> ConnectedDocument:
    """Return the JSON document of a connection whose account has just been connected."""
    missing = adapter.accounts.find_missing_scopes(row.scopes)
    path = build_sign_in_path(adapter, parse_account(row.name), Purpose.CONNECT)
    return ConnectedDocument(
        connection=row.name,
        title=row.title,
        user_uuid=row.merchant,
        sync_id=row.wanted_sync,
        missing_scopes=[MissingScope(scope=scope, costs=list(costs)) for scope, costs in missing.items()],
        readable_until=row.readable_until,
        again_url=f"{path}?again=1",
    )


def build_connection_document(
    row: Connection,
    adapter: PlatformAdapter,
    view: ConnectionView | None,
    *,
    scheduler_away: bool,
    result: object,
    can_act: bool,
    now: int,
) -> ConnectionDocument:
    """Return the JSON document of a connection.

    `view` is the scheduler's answer about the connection; None where there is none. `scheduler_away` is whether the
    scheduler did not answer. `result` is that of the connection's last webhook probe (a test delivery to the gateway
    itself). `can_act` is whether the session may change the connection. `now` is in ms.
    """
    account = parse_account(row.name)
    has_webhooks = adapter.webhooks is not None
    return ConnectionDocument(
        connection=row.name,
        title=row.title,
        user_uuid=row.merchant,
        state=row.state,
        scopes=list(row.scopes),
        object_key=adapter.manifest.build_object_key(account),
        polled_only=not has_webhooks or (isinstance(result, dict) and result.get("status") == FAILED),
        has_webhooks=has_webhooks,
        blocked=view.blocked if view else None,
        upload=view.upload if view else None,
        waits=describe_upload_wait(view.upload_wait, now) if view and view.upload_wait else None,
        next_poll_at=view.next_poll_at if view else None,
        poll_pause_seconds=view.poll_pause_seconds if view else None,
        last_sync=view.last_sync if view else None,
        last_full_sync=view.last_full_sync if view else None,
        open_full_sync=view.open_full_sync if view else None,
        syncs=view.syncs if view else [],
        wanted_sync=row.wanted_sync,
        readable_until=row.readable_until,
        ends_soon=row.is_live and row.is_ending_soon(now),
        login_url=build_sign_in_path(adapter, account, Purpose.CONNECT),
        prove_url=build_sign_in_path(adapter, account, Purpose.PROVE),
        can_act=can_act,
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
    if sync.state in (STORING, SUCCESS):
        message = f"the full read is complete, with {sync.records} records"
        if sync.skipped_resources:
            message += f"; skipped: {', '.join(sync.skipped_resources)}"
        if sync.left_out:
            message += f"; {len(sync.left_out)} left out"
        return _build_outcome(SUCCESS, message)
    if sync.state in FINAL_STATES:
        return _build_outcome(FAILED, sync.reason or f"the full read was {sync.state}")
    if sync.state == UNKNOWN:
        return _build_outcome(PENDING, _NOT_KNOWN)
    return _build_outcome(PENDING, "the full read is not complete yet")


_UPLOAD_MESSAGES = {
    "uploaded": "{0.key} was uploaded with this sync's data, {0.bytes} bytes",
    "unchanged": "{0.key} held this sync's data already, {0.bytes} bytes",
    "restored": "{0.key} was lost or overwritten, and was uploaded again, {0.bytes} bytes",
}


def _build_upload_outcome(sync: SyncView, now: int) -> dict[str, Any]:
    if sync.upload is not None:
        return _build_outcome(SUCCESS, _UPLOAD_MESSAGES[sync.upload.outcome].format(sync.upload))
    if sync.upload_wait is not None:
        return _build_outcome(PENDING, describe_upload_wait(sync.upload_wait, now))
    if sync.state in FINAL_STATES:
        reason = f"no upload is reported for a sync that is {sync.state}; records that it stored are kept"
        return _build_outcome(FAILED, reason)
    return _build_outcome(PENDING, _NOT_KNOWN if sync.state == UNKNOWN else "the read is not complete yet")


def describe_upload_wait(wait: UploadWaitView, now: int) -> str:
    """Say in words what stored data waits for until the bucket holds it. `now` is in ms."""
    if wait.needs_full_sync:
        return "stored, but not in the bucket yet: it is uploaded after the first complete full sync"
    is_later = wait.next_attempt_at is not None and wait.next_attempt_at > now
    at = f"at {_format_time(wait.next_attempt_at)}" if is_later and wait.next_attempt_at else "now"
    if wait.reason:
        return f"stored, but not in the bucket yet: the upload failed, and is tried again {at}"
    if is_later:
        return f"stored, but not in the bucket yet: the pace of uploads allows the next one {at}"
    return "stored, but not in the bucket yet: its upload is due"


def _format_time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S UTC")
