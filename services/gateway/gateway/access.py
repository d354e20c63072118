"""Who can read a connection: the merchant in whose document it is listed, and the sessions that have proved it."""

from uuid import uuid4

import structlog

from gateway.audit import BESIDE, Action, AuditEntry
from gateway.connections import REDACTED
from gateway.sessions.sessions import Session
from gateway.store.connections import ConnectionStore
from platform_sdk.errors import NotFoundError

log = structlog.get_logger()


class AccessService:
    """Moves connections between merchants, and ends the access of other sessions.

    A merchant only groups connections for whoever reads the bucket: it gives nobody a right. Every method raises the
    errors of `Session.require_acting` unless the session may change all the connections that it names.
    """

    def __init__(self, connections: ConnectionStore) -> None:
        self._connections = connections

    async def move_beside(self, session: Session, name: str, other: str) -> None:
        """Move a connection to the merchant of the connection `other`. Does nothing when it is there already.

        Raises NotFoundError when one of them does not exist or its data is deleted.
        """
        async with self._connections.lock_all({name, other}) as locked:
            for connection in locked.by_name.values():
                await session.require_acting(connection)
            row, neighbour = locked.by_name[name].row, locked.by_name[other].row
            if row is None or neighbour is None or REDACTED in (row.state, neighbour.state):
                raise NotFoundError
            if row.merchant != neighbour.merchant and neighbour.merchant is not None:
                await locked.by_name[name].move(neighbour.merchant)
                details = {BESIDE: other, "merchant": str(neighbour.merchant)}
                await locked.by_name[name].record(AuditEntry(Action.MOVE, name, session.actor, details))
                log.info("connection moved", connection=name, beside=other)

    async def detach(self, session: Session, name: str) -> None:
        """Move a connection to a new merchant of its own.

        Raises NotFoundError when there is no such connection or its data is deleted.
        """
        async with self._connections.lock(name) as locked:
            await session.require_acting(locked)
            if locked.row is None or locked.row.state == REDACTED:
                raise NotFoundError
            merchant = uuid4()
            await locked.move(merchant)
            await locked.record(AuditEntry(Action.MOVE, name, session.actor, {"merchant": str(merchant)}))
            log.info("connection detached", connection=name)

    async def end_other_sessions(self, session: Session, name: str, *, with_keys: bool) -> None:
        """End the access of all other sessions to a connection, and `with_keys` all its keys for the data API.

        The sessions keep their access to other connections.

        Raises NotFoundError when there is no such connection or its data is deleted.
        """
        async with self._connections.lock_all([name]) as locked:
            await session.require_acting(locked.by_name[name])
            row = locked.by_name[name].row
            if row is None or row.state == REDACTED:
                raise NotFoundError
            count = await locked.sessions.delete_other_proofs(name, session.id)
            keys = await locked.by_name[name].keys.delete_all(name) if with_keys else 0
            details = {"sessions": str(count), "keys": str(keys)}
            await locked.by_name[name].record(AuditEntry(Action.END_OTHER_SESSIONS, name, session.actor, details))
        log.info("access of other sessions ended", connection=name, sessions=count, keys=keys)
