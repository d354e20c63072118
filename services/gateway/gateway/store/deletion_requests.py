"""Stores the requests to disconnect accounts or to delete data."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from gateway.erasure.deletion_requests import DeletionRequest, RequestKind
from gateway.store.transactions import OpenTransaction, join_transaction

_COLUMNS = "code, kind, fingerprint, connections, requested_at, executed_at"
_SAVE = text("""
INSERT INTO deletion_requests (code, kind, fingerprint, connections)
VALUES (:code, :kind, :fingerprint, CAST(:connections AS text[]))
ON CONFLICT (fingerprint) DO NOTHING
""")
_FIND = text(f"SELECT {_COLUMNS} FROM deletion_requests WHERE code = :code")
_FIND_COPY = text(f"SELECT {_COLUMNS} FROM deletion_requests WHERE code = :code OR fingerprint = :fingerprint")
_LIST_OPEN = text(f"SELECT {_COLUMNS} FROM deletion_requests WHERE executed_at IS NULL ORDER BY requested_at LIMIT 100")
_MARK_EXECUTED = text("UPDATE deletion_requests SET executed_at = now() WHERE code = :code AND executed_at IS NULL")
_LIST_TO_REPUBLISH = text(f"""
SELECT {_COLUMNS} FROM deletion_requests
WHERE republished_at IS NULL AND executed_at < now() - make_interval(secs => :seconds) LIMIT 100
""")
_MARK_REPUBLISHED = text("UPDATE deletion_requests SET republished_at = now() WHERE code = :code")
_PRUNE = text("DELETE FROM deletion_requests WHERE executed_at < now() - interval '90 days'")
_LIST_GRANTED = text("""
SELECT name FROM connections
WHERE granted_by = :person AND starts_with(name, :prefix) AND granted_at <= :granted_until ORDER BY name
""")


class DeletionRequestStore:
    """Stores deletion requests by their random code."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def save_or_find_copy(self, request: DeletionRequest) -> DeletionRequest:
        """Store a request with the present time and return it as stored.

        When a request with the same fingerprint is stored already, that one is returned and nothing is stored.
        """
        values = {"code": request.code, "kind": request.kind.value, "fingerprint": request.fingerprint}
        async with self._transaction() as tx:
            await tx.execute(_SAVE, {**values, "connections": list(request.connections)})
            row = await tx.execute(_FIND_COPY, {"code": request.code, "fingerprint": request.fingerprint})
            return _build_request(row.one())

    async def save_with_granted_connections(
        self, request: DeletionRequest, platform: str, person: str, *, granted_until: int
    ) -> DeletionRequest:
        """Store a request for all connections at `platform` that a user had granted by `granted_until` (ms).

        They take the place of the request's own connections. `person` is the platform's id of the user. Otherwise this
        is the same as `save_or_find_copy`.
        """
        values = {"person": person, "prefix": f"{platform}:", "granted_until": granted_until}
        async with self._transaction() as tx:
            names = tuple((await tx.execute(_LIST_GRANTED, values)).scalars())
            return await DeletionRequestStore(join_transaction(tx)).save_or_find_copy(
                request.replace_connections(names)
            )

    async def find(self, code: str) -> DeletionRequest | None:
        """Return the request with this code; None where there is none."""
        async with self._transaction() as tx:
            row = (await tx.execute(_FIND, {"code": code})).one_or_none()
        return _build_request(row) if row else None

    async def list_open(self) -> list[DeletionRequest]:
        """Return up to 100 requests that are not executed, the oldest first."""
        async with self._transaction() as tx:
            return [_build_request(row) for row in await tx.execute(_LIST_OPEN)]

    async def mark_executed(self, code: str) -> None:
        """Store that the gateway has done its part of the request."""
        async with self._transaction() as tx:
            await tx.execute(_MARK_EXECUTED, {"code": code})

    async def list_to_republish(self, seconds_since_execution: float) -> list[DeletionRequest]:
        """Return up to 100 requests that were executed at least `seconds_since_execution` ago.

        Requests whose connections have been published again since then are left out.
        """
        async with self._transaction() as tx:
            return [
                _build_request(row)
                for row in await tx.execute(_LIST_TO_REPUBLISH, {"seconds": seconds_since_execution})
            ]

    async def mark_republished(self, code: str) -> None:
        """Store that `connection.changed` was published again for the redacted connections of the request."""
        async with self._transaction() as tx:
            await tx.execute(_MARK_REPUBLISHED, {"code": code})

    async def prune(self) -> None:
        """Delete requests that were executed 90 days ago or earlier."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE)


def _build_request(row: Row[Any]) -> DeletionRequest:
    return DeletionRequest(
        code=row.code,
        kind=RequestKind(row.kind),
        fingerprint=row.fingerprint,
        connections=tuple(row.connections),
        requested_at=int(row.requested_at.timestamp() * 1000),
        executed_at=int(row.executed_at.timestamp() * 1000) if row.executed_at else None,
    )
