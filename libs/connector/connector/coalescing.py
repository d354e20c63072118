"""Coalescing: the records requests of one connection that have gathered are fetched together.

A request that carries a cursor goes on by itself, for its place is in its own list of ids. All others become one
group: the union of their ids. Nothing else merges, and each request keeps its own end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from connector.cursors import CursorState
from contracts.events import RecordIds, SyncRequested
from contracts.headers import derive_id

NO_EFFECT = "probe"
"""The cause of requests that prove the way to Kafka and ask for nothing."""


@dataclass(frozen=True)
class RequestGroup:
    """Requests that are fetched together, in the order in which they came."""

    requests: tuple[SyncRequested, ...]
    place: CursorState = field(default_factory=CursorState)

    @property
    def ids(self) -> RecordIds:
        """The union of all ids, sorted, by resource."""
        return union_ids(self.requests)

    @property
    def read_id(self) -> UUID:
        """The fetch's id: the one that it goes on under, or its requests' own."""
        return self.place.read_id or derive_read_id(self.requests)

    @property
    def epoch(self) -> int:
        """The lowest epoch that will do."""
        return max(request.epoch for request in self.requests)

    @property
    def attempt(self) -> int:
        """The number of the attempt that is furthest on."""
        return max(request.attempt for request in self.requests)


def group_requests(requests: Sequence[SyncRequested]) -> list[RequestGroup]:
    """How `requests` of one connection are fetched: those without a cursor first, together."""
    wanted = [request for request in requests if request.cause != NO_EFFECT]
    fresh = tuple(request for request in wanted if request.cursor is None)
    resumed = [
        RequestGroup((request,), CursorState.decode(request.cursor)) for request in wanted if request.cursor is not None
    ]
    return ([RequestGroup(fresh)] if fresh else []) + resumed


def union_ids(requests: Iterable[SyncRequested]) -> RecordIds:
    """The union of the requests' ids by resource, each sorted."""
    found: dict[str, set[str]] = {}
    for request in requests:
        for resource, ids in request.records.items():
            found.setdefault(resource, set()).update(ids)
    return {resource: tuple(sorted(found[resource])) for resource in sorted(found)}


def list_sync_ids(requests: Iterable[SyncRequested]) -> tuple[UUID, ...]:
    """All syncs that the requests stand for, sorted, each once."""
    return tuple(
        sorted({sync_id for request in requests for sync_id in (request.sync_id, *request.coalesced_sync_ids)})
    )


def derive_read_id(requests: Iterable[SyncRequested]) -> UUID:
    """The id of a fetch of these requests: the same when they are delivered again, another in their next attempt,
    whose verdict is its own."""
    attempts = sorted({f"{sync_id}:{r.attempt}" for r in requests for sync_id in (r.sync_id, *r.coalesced_sync_ids)})
    return derive_id("fetch", *attempts)
