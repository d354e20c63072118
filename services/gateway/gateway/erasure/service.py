"""Disconnecting accounts and deleting their data, and the requests that record it.

A request about several connections, or one that its sender does not repeat, is stored first with the names of its
connections. Each connection is uninstalled or redacted in a transaction of its own. That transaction also publishes the
event that makes the other services do the same. When the process is killed in between, the periodic task finds the
unfinished request and continues; executing a request twice changes nothing. A webhook delivery, which the platform
repeats until it is answered, is executed and stored in one transaction.
"""

from collections.abc import Mapping

import structlog

from contracts.events import parse_account, parse_platform
from gateway.audit import BY_PLATFORM, MERCHANT, Action, Actor, AuditEntry
from gateway.connections import REDACTED, UNINSTALLED, Connection, apply_redaction, apply_uninstall
from gateway.erasure.deletion_requests import DeletionRequest, RequestKind, compute_fingerprint, create_deletion_request
from gateway.requesters import Requester
from gateway.store import Stores
from gateway.store.connections import LockedConnection
from gateway.tokens.service import TokenService
from gateway.webhooks.removals import SAME_TIME_MS, TRY_SECONDS, execute_removal_unless_objection
from platform_sdk.adapters import AccountApi
from platform_sdk.deliveries import Delivery
from platform_sdk.errors import NotFoundError, TransientError

log = structlog.get_logger()

REPUBLISH_SECONDS = 86_400.0
"""How long after its execution a redaction is published again.

Kafka compacts a segment of a topic's log only after a later message has closed the segment. The second message does
this, so that Kafka removes the older messages about the connection.
"""


class ErasureService:
    """Disconnects connections, or redacts them: deletes all their data.

    Every method is idempotent, also when two processes run it concurrently.
    """

    def __init__(
        self,
        stores: Stores,
        tokens: TokenService,
        apis: Mapping[str, AccountApi],
        *,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._connections = stores.connections
        self._requests = stores.deletion_requests
        self._tokens = tokens
        self._apis = apis
        self._try_seconds = try_seconds

    async def disconnect_and_remove_app(self, name: str, requester: Requester) -> None:
        """Stop reading an account, as its merchant requested, and remove the app there. Stored data stays.

        When the platform does not answer, the app stays installed, and the account is disconnected all the same.
        Raises NotFoundError when there is no such connection or its data is deleted, and the errors of
        `require_acting`.
        """
        async with self._connections.lock(name) as locked:
            await requester.require_acting(locked)
            row = _require_data(locked.row)
            await self._uninstall(locked, await self._try_remove_app(locked, row), requester.actor)

    async def delete_and_remove_app(self, name: str, requester: Requester) -> str:
        """Delete all data of an account at its merchant's request, and remove the app there.

        Return the deletion request's code. When the platform does not answer, the app stays installed, and the data is
        deleted all the same. Raises NotFoundError when there is no such connection or its data is deleted, and the
        errors of `require_acting`.
        """
        async with self._connections.lock(name) as locked:
            await requester.require_acting(locked)
            _require_data(locked.row)
            await locked.record(AuditEntry(Action.REQUEST_DELETION, name, requester.actor))
        request = await self._requests.save_or_find_copy(
            create_deletion_request(RequestKind.MERCHANT_DELETION, (name,))
        )
        await self.execute_request(request)
        return request.code

    async def handle_person_request(
        self, platform: str, person: str, kind: RequestKind, signed_part: str, *, requested_at: int
    ) -> str:
        """Execute what a user of the platform requested there at `requested_at` (ms): `UNINSTALL` or `PERSON_DELETION`.

        `person` is the platform's id of the user, `signed_part` the part of the request that the platform has signed.
        The request applies to all connections that the user had granted by that time. Returns the deletion request's
        code. A copy with the same `kind` and `signed_part` executes nothing again and gets the same code.
        """
        fingerprint = compute_fingerprint(platform, kind.value, signed_part)
        new = create_deletion_request(kind, fingerprint=fingerprint)
        until = requested_at + SAME_TIME_MS
        request = await self._requests.save_with_granted_connections(new, platform, person, granted_until=until)
        await self.execute_request(request)
        return request.code

    async def execute_request(self, request: DeletionRequest) -> None:
        """Uninstall or redact (delete all data of) the connections of a request, unless it is executed already."""
        if request.executed_at is None:
            for name in request.connections:
                await self._uninstall_or_redact_connection(name, request)
            await self._requests.mark_executed(request.code)

    async def redact_unless_installed(self, delivery: Delivery) -> str:
        """Delete all data of the delivery's account at the platform's request and return the outcome to log.

        Nothing is deleted when the app is still installed, or installed again. Raises the errors of
        `execute_removal_unless_objection`, which decides this.
        """

        async def find_objection(locked: LockedConnection) -> str | None:
            return "installed again" if await self._refresh_and_check_token(locked) else None

        async def execute(locked: LockedConnection) -> str:
            if not await locked.save_executed_request(_build_deletion_request(delivery)):
                return "carried out before"
            if locked.row is not None:
                await self._redact(locked, locked.row, BY_PLATFORM)
            return "redacted"

        return await execute_removal_unless_objection(
            self._connections,
            delivery.connection,
            delivery.triggered_at,
            find_objection=find_objection,
            execute=execute,
            timeout_seconds=self._try_seconds,
        )

    async def record_customer_request(self, delivery: Delivery) -> str:
        """Store that a customer of an account requested their data or its deletion, and return the outcome to log.

        There is nothing to hand out or to delete, because no data of customers is stored.
        """
        async with self._connections.lock(delivery.connection) as locked:
            await locked.save_executed_request(_build_deletion_request(delivery))
        return "receipted"

    async def run_once(self) -> bool:
        """Execute unfinished requests, and publish again the connections that were redacted a day ago.

        The second event about a redaction lets Kafka's compaction remove the older ones about the connection.
        Returns False: nothing is left that should run before the next interval.
        """
        for request in await self._requests.list_open():
            await self.execute_request(request)
        for request in await self._requests.list_to_republish(REPUBLISH_SECONDS):
            await self._republish(request)
        return False

    async def _uninstall_or_redact_connection(self, name: str, request: DeletionRequest) -> None:
        kind = request.kind
        async with self._connections.lock(name) as locked:
            row = locked.row
            if row is None or (kind is RequestKind.UNINSTALL and row.granted_at > request.requested_at + SAME_TIME_MS):
                return
            if kind is RequestKind.MERCHANT_DELETION:
                row = await self._try_remove_app(locked, row)
            actor = Actor(MERCHANT) if kind is RequestKind.MERCHANT_DELETION else BY_PLATFORM
            await (self._redact(locked, row, actor) if kind.is_deletion else self._uninstall(locked, row, actor))

    async def _refresh_and_check_token(self, locked: LockedConnection) -> bool:
        if locked.row is None or not locked.row.is_live:
            return False
        row = await self._tokens.refresh_token_if_due(locked)
        if not row.is_live:
            return False
        token = self._tokens.decrypt_access_token(row)
        return await self._get_api(row).is_token_valid(parse_account(row.name), token)

    async def _try_remove_app(self, locked: LockedConnection, row: Connection) -> Connection:
        """Remove the app at the platform and return the row, whose tokens may have been refreshed.

        When the platform does not answer, this is logged and the app stays installed there.
        """
        if row.is_live:
            try:
                row = await self._tokens.refresh_token_if_due(locked)
                if row.is_live:
                    token = self._tokens.decrypt_access_token(row)
                    await self._get_api(row).uninstall(parse_account(row.name), token)
            except TransientError as error:
                log.warning("app not removed at the platform", connection=row.name, reason=type(error).__name__)
        return row

    async def _uninstall(self, locked: LockedConnection, row: Connection, actor: Actor) -> None:
        if row.state not in (UNINSTALLED, REDACTED):
            await locked.save_and_notify(apply_uninstall(row))
            await locked.record(AuditEntry(Action.DISCONNECT, row.name, actor))
            log.info("connection disconnected", connection=row.name)

    async def _redact(self, locked: LockedConnection, row: Connection, actor: Actor) -> None:
        if row.state != REDACTED:
            await locked.save_and_notify(apply_redaction(row))
            await locked.delete_related(row.merchant)
            await locked.record(AuditEntry(Action.DELETE, row.name, actor))
            log.info("connection redacted", connection=row.name)

    async def _republish(self, request: DeletionRequest) -> None:
        for name in request.connections:
            async with self._connections.lock(name) as locked:
                if locked.row is not None and locked.row.state == REDACTED:
                    await locked.enqueue_event()
                    await locked.keys.delete_all(name)
        await self._requests.mark_republished(request.code)

    def _get_api(self, row: Connection) -> AccountApi:
        return self._apis[parse_platform(row.name)]


def _require_data(row: Connection | None) -> Connection:
    if row is None or row.state == REDACTED:
        raise NotFoundError
    return row


def _build_deletion_request(delivery: Delivery) -> DeletionRequest:
    fingerprint = compute_fingerprint(parse_platform(delivery.connection), delivery.topic, delivery.webhook_id)
    return create_deletion_request(RequestKind(delivery.kind.value), (delivery.connection,), fingerprint=fingerprint)
