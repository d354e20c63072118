"""Syncs that an operator, a merchant or a reader requests or cancels: a full sync, or a sync of named records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType
from uuid import UUID, uuid4

import structlog
from pydantic import BaseModel, Field

from contracts.events import SyncRequested, parse_account, parse_platform
from gateway.audit import BY_OPERATOR, KEY, KEY_NAME, MERCHANT, SYNC_ID, Action, Actor, AuditEntry
from gateway.connect.paths import build_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connections import MANUAL, REDACTED, Connection, apply_manual_sync_request
from gateway.pages.client import SchedulerClient
from gateway.pages.views import ConnectionView
from gateway.requesters import Requester
from gateway.sessions.sessions import Session
from gateway.store.connections import ConnectionStore, LockedConnection
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import ConnectionEndedError, NotFoundError, RequestRejectedError

HINT = "hint"
"""The cause of syncs that hints have asked for."""
log = structlog.get_logger()
MERCHANT_SYNC_SECONDS = 600
"""The seconds between two full syncs of one connection that merchants request."""
REPEAT_SECONDS = 60
"""How long the scheduler may take to handle the request for a full sync, until the request is published once more."""
MAX_RECORDS = 10_000
"""The most records of one request: as many as a fetcher reads in about a minute at a large shop's rate limit."""


class ReaderKey(BaseModel):
    """The key of the data API with which a reader requests something, for the audit log.

    An operator's own key has no id.
    """

    id: UUID | None = None
    name: str = Field(max_length=200)

    @property
    def details(self) -> dict[str, str]:
        """The details of an entry of the audit log that name the key."""
        return {KEY_NAME: self.name} | ({KEY: str(self.id)} if self.id else {})


@dataclass(frozen=True)
class RequestedSync:
    """The sync that answers a request. `is_new` says whether the request started it."""

    sync_id: UUID
    is_new: bool


class ManualSyncs:
    """Starts syncs of live (connected) connections on request, and cancels them.

    `now` returns the time in ms. Every method raises NotFoundError when there is no such connection, and all but
    `cancel_full_sync` raise ConnectionEndedError when it is not live.
    """

    def __init__(
        self,
        connections: ConnectionStore,
        scheduler: SchedulerClient,
        adapters: Mapping[str, PlatformAdapter],
        *,
        now: Callable[[], int],
    ) -> None:
        self._scheduler = scheduler
        self._connections = connections
        self._adapters = adapters
        self._now = now

    async def find_or_request_full_sync(self, name: str, session: Session) -> UUID:
        """Return the id of the connection's full sync that is requested, queued or running, or else request one.

        Raises NotFoundError also unless the session may read the connection, RequestRejectedError when a merchant
        requested one a short time ago, and UnavailableError when the scheduler does not answer.
        """
        view = await self._scheduler.fetch_connection(name)
        async with self._connections.lock(name) as locked:
            await session.require_reading(locked)
            row = _require_live(locked.row)
            if (open_sync := await _find_open_full_sync(locked, row, view)) is not None:
                return open_sync
            age = await locked.load_seconds_since(Action.REQUEST_SYNC, MERCHANT)
            if age is not None and age < MERCHANT_SYNC_SECONDS:
                raise _build_too_soon_error(MERCHANT_SYNC_SECONDS - age)
            return await self._start_full_sync(locked, row, session.actor)

    async def refresh(
        self, name: str, records: Mapping[str, tuple[str, ...]] | None, actor: Actor, key: ReaderKey | None = None
    ) -> RequestedSync:
        """Request a sync for a link, or for a reader of the data API, who has this key, and return it.

        Without `records` that is the full sync that is requested, queued or running, and a new one only if there is
        none, however many ask at once. Of certain records it is always a new sync; raises the errors of
        `request_records`. Raises UnavailableError when the scheduler does not answer.
        """
        details = key.details if key else {}
        if records is not None:
            return RequestedSync(await self.request_records(name, records, actor, details), is_new=True)
        view = await self._scheduler.fetch_connection(name)
        async with self._connections.lock(name) as locked:
            row = _require_live(locked.row)
            if (open_sync := await _find_open_full_sync(locked, row, view)) is not None:
                return RequestedSync(open_sync, is_new=False)
            return RequestedSync(await self._start_full_sync(locked, row, actor, details), is_new=True)

    def build_sign_in_path(self, name: str) -> str:
        """Return the path of the gateway at which the account is connected again; empty where only the operator can."""
        return build_sign_in_path(self._adapters[parse_platform(name)], parse_account(name), Purpose.CONNECT)

    async def request_full_sync(self, name: str) -> UUID:
        """Request a full sync, as the operator, and return its id.

        When a full sync of the connection is running already, the scheduler counts its result for this one as well.
        """
        async with self._connections.lock(name) as locked:
            return await self._start_full_sync(locked, _require_live(locked.row), BY_OPERATOR)

    async def cancel_full_sync(self, name: str, sync_id: UUID, requester: Requester) -> None:
        """Cancel a full sync that has not read everything yet; do nothing if it is cancelled already.

        Raises NotFoundError when the connection has no such sync, RequestRejectedError with the reason when it cannot
        be cancelled, UnavailableError when the scheduler does not answer, and the errors of `require_acting`.
        """
        async with self._connections.lock(name) as locked:
            await requester.require_acting(locked)
            await self._scheduler.cancel_sync(name, sync_id)
            if locked.row is not None and locked.row.state != REDACTED:
                await locked.record(AuditEntry(Action.CANCEL_SYNC, name, requester.actor, {SYNC_ID: str(sync_id)}))
        log.info("sync cancelled", connection=name, sync_id=str(sync_id))

    async def allow_deletions(self, name: str, guarded_sync: UUID, reason: str) -> UUID:
        """Allow the deletions of a full sync that the deletion guard has stopped, and request another full sync.

        The operator does this. Return the id of that sync: it makes the deletions, unless it misses far more records.
        The spaces-writer ignores the permission if its guard has stopped another full sync than `guarded_sync`.
        `reason` is logged.
        """
        async with self._connections.lock(name) as locked:
            row = apply_manual_sync_request(_require_live(locked.row))
            await locked.save_and_notify(replace(row, allowed_deletions=guarded_sync))
            details = {SYNC_ID: str(guarded_sync), "reason": reason}
            await locked.record(AuditEntry(Action.ALLOW_DELETIONS, name, BY_OPERATOR, details))
        assert row.wanted_sync is not None
        log.warning("deletions allowed", connection=name, sync_id=str(guarded_sync), reason=reason)
        return row.wanted_sync

    async def request_records(
        self,
        name: str,
        records: Mapping[str, tuple[str, ...]],
        actor: Actor = BY_OPERATOR,
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> UUID:
        """Request a sync of certain records and return the sync's id.

        `records` are the ids of the records by resource, such as `products`. `actor` and `details` are for the audit
        log. Raises RequestRejectedError for an id that
        is malformed, for an unknown resource, and when there are no records or more than `MAX_RECORDS`.
        """
        async with self._connections.lock(name) as locked:
            row = _require_live(locked.row)
            request = SyncRequested(
                sync_id=uuid4(),
                connection=name,
                epoch=row.epoch,
                cause=MANUAL,
                records=self._parse_records(name, records),
                requested_at=self._now(),
            )
            await locked.request_sync(request)
            details = {**details, SYNC_ID: str(request.sync_id)}
            await locked.record(AuditEntry(Action.REQUEST_SYNC, name, actor, details))
        log.info("records requested", connection=name, sync_id=str(request.sync_id))
        return request.sync_id

    async def request_hinted_records(self, name: str, epoch: int, records: Mapping[str, tuple[str, ...]]) -> None:
        """Request a sync of the records that hints have named, if the connection is connected in this epoch.

        The ids are not checked: the fetcher reports those that name no record.
        """
        async with self._connections.lock(name) as locked:
            row = locked.row
            if row is None or not row.is_live or row.epoch != epoch:
                return
            request = SyncRequested(
                sync_id=uuid4(),
                connection=name,
                epoch=epoch,
                cause=HINT,
                records=dict(records),
                requested_at=self._now(),
            )
            await locked.request_sync(request)
        log.info("hints taken", connection=name, sync_id=str(request.sync_id))

    async def get_live_epoch(self, name: str) -> int:
        """Return the epoch of a connection. Raises NotFoundError and ConnectionEndedError like the other methods."""
        async with self._connections.lock(name) as locked:
            return _require_live(locked.row).epoch

    async def _start_full_sync(
        self,
        locked: LockedConnection,
        row: Connection,
        actor: Actor,
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> UUID:
        requested = apply_manual_sync_request(row)
        sync_id = requested.wanted_sync
        assert sync_id is not None
        await locked.save_and_notify(requested)
        await locked.record(AuditEntry(Action.REQUEST_SYNC, row.name, actor, {**details, SYNC_ID: str(sync_id)}))
        log.info("full sync requested", connection=row.name, sync_id=str(sync_id))
        return sync_id

    def _parse_records(self, name: str, records: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        adapter, account = self._adapters[parse_platform(name)], parse_account(name)
        if not 0 < sum(map(len, records.values())) <= MAX_RECORDS:
            raise RequestRejectedError(400, f"name between 1 and {MAX_RECORDS:,} records")
        parsed: dict[str, tuple[str, ...]] = {}
        for resource, texts in records.items():
            ids = {text: adapter.accounts.parse_record_id(account, resource, text) for text in texts}
            if wrong := [text for text, record_id in ids.items() if record_id is None]:
                raise RequestRejectedError(400, f"{adapter.manifest.title} has no {resource} {wrong[0][:100]}")
            parsed[resource] = tuple(record_id for record_id in ids.values() if record_id is not None)
        return parsed


async def _find_open_full_sync(locked: LockedConnection, row: Connection, view: ConnectionView | None) -> UUID | None:
    """Return the connection's full sync that is requested, queued or running, if there is one.

    `view` is what the scheduler has said of the connection; it may be older than the row. A sync whose request the
    scheduler had not handled then is under way, whatever the scheduler says of others: it follows from the revision
    alone, so that nothing has to be deleted when it ends. If the request takes long, its event may have been lost with
    a broker, and is published again.
    """
    if view is not None and view.open_full_sync is not None:
        return view.open_full_sync.sync_id
    if view is not None and view.revision >= row.wanted_revision:
        return None
    if row.wanted_sync is not None:
        await locked.repeat_event(REPEAT_SECONDS)
    return row.wanted_sync


def _require_live(row: Connection | None) -> Connection:
    if row is None:
        raise NotFoundError
    if not row.is_live:
        raise ConnectionEndedError(row.state)
    return row


def _build_too_soon_error(seconds: float) -> RequestRejectedError:
    minutes = ceil(seconds / 60)
    reason = (
        f"a full sync of this account was requested less than {MERCHANT_SYNC_SECONDS // 60} minutes ago; "
        f"the next one can be requested in {minutes} {'minute' if minutes == 1 else 'minutes'}"
    )
    return RequestRejectedError(429, reason, retry_after=ceil(seconds))
