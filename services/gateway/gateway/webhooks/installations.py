"""Handles deliveries about the app itself at one account: the app was uninstalled, or its scopes changed."""

from collections.abc import Mapping

import structlog

from contracts.events import parse_account, parse_platform
from gateway.audit import BY_PLATFORM, Action, AuditEntry
from gateway.connections import REDACTED, UNINSTALLED, Connection, apply_scope_change, apply_uninstall
from gateway.store.connections import ConnectionStore, LockedConnection
from gateway.tokens.service import TokenService
from gateway.webhooks.removals import TRY_SECONDS, compare_event_with_grant, execute_removal_unless_objection
from platform_sdk.adapters import AccountApi

log = structlog.get_logger()

_GONE = (UNINSTALLED, REDACTED)


class Installations:
    """Handles deliveries about the app itself: uninstalls and changed scopes.

    Handling a delivery twice has no further effect.
    """

    def __init__(
        self,
        connections: ConnectionStore,
        tokens: TokenService,
        apis: Mapping[str, AccountApi],
        *,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._connections = connections
        self._tokens = tokens
        self._apis = apis
        self._try_seconds = try_seconds

    async def uninstall_unless_token_works(self, name: str, triggered_at: int | None) -> str:
        """Set the connection to uninstalled and delete its tokens, unless its token works; return the outcome to log.

        `triggered_at` is the time of the event (ms). An uninstall that is clearly older than the present grant is
        ignored, because the app has been installed again since. Every other uninstall is first checked by trying the
        stored token, see `execute_removal_unless_objection`, also for the errors that are raised.
        """

        async def find_objection(locked: LockedConnection) -> str | None:
            row = locked.row
            if row is None or row.state in _GONE:
                return "not connected"
            if compare_event_with_grant(row.granted_at, triggered_at) == "before":
                return "older than the grant"
            row = await self._tokens.refresh_token_if_due(locked)
            if row.tokens is None:
                return None
            token = self._tokens.decrypt_access_token(row)
            is_valid = await self._get_api(row).is_token_valid(parse_account(row.name), token)
            return "the token works" if is_valid else None

        return await execute_removal_unless_objection(
            self._connections,
            name,
            triggered_at,
            find_objection=find_objection,
            execute=self._uninstall,
            timeout_seconds=self._try_seconds,
        )

    async def update_scopes(self, name: str) -> str:
        """Fetch the granted scopes from the platform, store them, and return the outcome to log.

        The content of the delivery is not used. When the scopes changed, the scheduler runs a full sync, whose id
        is stored in `wanted_sync`.

        Raises TokenRejectedError when the platform rejects the token, TransientError when it does not answer, and
        UnavailableError when the database is unavailable.
        """
        async with self._connections.lock(name) as locked:
            if locked.row is None or not locked.row.is_live:
                return "not connected"
            row = await self._tokens.refresh_token_if_due(locked)
            if not row.is_live:
                return "not connected"
            token = self._tokens.decrypt_access_token(row)
            after = apply_scope_change(row, await self._get_api(row).fetch_scopes(parse_account(name), token))
            await locked.save_and_notify(after)
        return "scopes changed" if after is not row else "scopes read"

    async def _uninstall(self, locked: LockedConnection) -> str:
        row = locked.row
        if row is None or row.state in _GONE:
            return "not connected"
        await locked.save_and_notify(apply_uninstall(row))
        await locked.record(AuditEntry(Action.DISCONNECT, row.name, BY_PLATFORM))
        log.info("connection uninstalled", connection=row.name)
        return "uninstalled"

    def _get_api(self, row: Connection) -> AccountApi:
        return self._apis[parse_platform(row.name)]
