"""Makes and changes links at the linker, for sessions that may act on both accounts, and records it."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import structlog

from gateway.audit import OUTCOME, WITH, Action, AuditEntry
from gateway.links.client import LinkerClient, LinkerUnavailableError
from gateway.links.views import LinkView
from gateway.sessions.sessions import Session
from gateway.store.connections import ConnectionStore, LockedConnections
from platform_sdk.errors import RequestRejectedError

log = structlog.get_logger()
NO_ANSWER = "no answer"
_UNANSWERED = "the linker has not answered, so nobody knows whether this was done; look at the link again in a moment"


class LinkService:
    """Makes and changes links.

    Every method raises the errors of `Session.require_acting` unless the session may act on both accounts, and
    RequestRejectedError with the linker's reason, or where the linker has not answered. What was done, and what may
    have been done, is in the audit log of both connections.
    """

    def __init__(self, connections: ConnectionStore, linker: LinkerClient) -> None:
        self._connections = connections
        self._linker = linker

    async def create(self, session: Session, shop: str, database: str, settings: dict[str, Any]) -> None:
        """Link a shop and a database of one merchant."""

        async def create(locked: LockedConnections) -> None:
            merchants = {one.row.merchant if one.row else None for one in locked.by_name.values()}
            merchant = merchants.pop()
            if merchants or merchant is None:
                reason = "the accounts are listed apart: list the one beside the other first, on its page"
                raise RequestRejectedError(409, reason)
            await self._linker.create_link(merchant, shop, database, settings)

        await self._act(session, (shop, database), Action.CREATE_LINK, create)

    async def change(
        self,
        session: Session,
        link: LinkView,
        action: Action,
        path: str,
        body: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Do something with a link: `path` is the end of the linker's route, and `body` what that reads."""

        async def change(_locked: LockedConnections) -> None:
            await self._linker.change_link(link.merchant, link.shop, path, dict(body))

        details = {name: str(value) for name, value in body.items() if value is not None}
        await self._act(session, link.connections.values(), action, change, details)

    async def _act(
        self,
        session: Session,
        names: Collection[str],
        action: Action,
        call: Callable[[LockedConnections], Awaitable[None]],
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        has_answered = True
        async with self._connections.lock_all(names) as locked:
            for connection in locked.by_name.values():
                await session.require_acting(connection)
            try:
                await call(locked)
            except LinkerUnavailableError:
                has_answered = False
            for name, connection in locked.by_name.items():
                (other,) = set(names) - {name}
                outcome = {} if has_answered else {OUTCOME: NO_ANSWER}
                entry = AuditEntry(action, name, session.actor, {WITH: other, **details, **outcome})
                await connection.record(entry)
        log.info("link changed", action=action, connections=sorted(names), answered=has_answered)
        if not has_answered:
            raise RequestRejectedError(503, _UNANSWERED)
