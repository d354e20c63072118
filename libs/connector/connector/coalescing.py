"""Coalescing: the incremental requests of one connection that wait together are read together.

A request that carries a cursor continues by itself, because its cursor is a position in its own list of ids. All others
form one group with the union of their ids. Each request keeps its own result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from connector.cursors import CursorState
from contracts.events import RecordIds, SyncRequested
from contracts.headers import derive_id

PROBE_CAUSE = "probe"
"""The cause of requests that only test the way to Kafka: nothing is read for them."""


@dataclass(frozen=True)
class RequestGroup:
    """Requests that are read together, in the order in which they came; `start` is where the read begins."""

    requests: tuple[SyncRequested, ...]
    start: CursorState = field(default_factory=CursorState)

    @property
    def ids(self) -> RecordIds:
        """The union of all ids by resource, sorted."""
        return union_ids(self.requests)

    @property
    def read_id(self) -> UUID:
        """The id of the read: that of the read which it continues, or one derived from its requests."""
        return self.start.read_id or derive_read_id(self.requests)

    @property
    def epoch(self) -> int:
        """The lowest epoch that satisfies all requests."""
        return max(request.epoch for request in self.requests)

    @property
    def attempt(self) -> int:
        """The highest attempt of the requests."""
        return max(request.attempt for request in self.requests)


def group_requests(requests: Sequence[SyncRequested]) -> list[RequestGroup]:
    """Return the groups in which `requests` of one connection are read: first those without a cursor, together."""
    effective = [request for request in requests if request.cause != PROBE_CAUSE]
    new = tuple(request for request in effective if request.cursor is None)
    continued = [
        RequestGroup((request,), CursorState.decode(request.cursor))
        for request in effective
        if request.cursor is not None
    ]
    return ([RequestGroup(new)] if new else []) + continued


def union_ids(requests: Iterable[SyncRequested]) -> RecordIds:
    """Return the union of the requests' ids by resource, each sorted."""
    union: dict[str, set[str]] = {}
    for request in requests:
        for resource, ids in request.records.items():
            union.setdefault(resource, set()).update(ids)
    return {resource: tuple(sorted(union[resource])) for resource in sorted(union)}


def list_sync_ids(requests: Iterable[SyncRequested]) -> tuple[UUID, ...]:
    """Return all syncs that the requests stand for, sorted, each once."""
    return tuple(
        sorted({sync_id for request in requests for sync_id in (request.sync_id, *request.coalesced_sync_ids)})
    )


def derive_read_id(requests: Iterable[SyncRequested]) -> UUID:
    """Return the id of a read of these requests.

    It is the same when they are delivered again. The next attempt gets another one, because it has a result of its own.
    """
    attempts = sorted({f"{sync_id}:{r.attempt}" for r in requests for sync_id in (r.sync_id, *r.coalesced_sync_ids)})
    return derive_id("read", *attempts)
