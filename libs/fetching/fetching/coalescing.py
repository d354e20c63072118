"""Coalescing: the records requests of one connection that have gathered are fetched together.

A request that carries a cursor goes on by itself, for its place is in its own list of ids. All others become one
group: the union of their ids. Nothing else merges, and each request keeps its own end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contracts.events import Ids, SyncRequested
from contracts.headers import derived_id
from fetching.cursors import Place

NO_EFFECT = "test"
"""The cause of requests that prove the way to Kafka and ask for nothing."""


@dataclass(frozen=True)
class Group:
    """Requests that are fetched together, in the order in which they came."""

    requests: tuple[SyncRequested, ...]
    place: Place = field(default_factory=Place)

    @property
    def ids(self) -> Ids:
        """The union of all ids, sorted, by resource."""
        return union(self.requests)

    @property
    def source(self) -> UUID:
        """The fetch's id: the one that it goes on under, or its requests' own."""
        return self.place.source or source_of(self.requests)

    @property
    def epoch(self) -> int:
        """The lowest epoch that will do."""
        return max(request.epoch for request in self.requests)

    @property
    def attempt(self) -> int:
        """The number of the attempt that is furthest on."""
        return max(request.attempt for request in self.requests)


def groups(requests: Sequence[SyncRequested]) -> list[Group]:
    """How `requests` of one connection are fetched: those without a cursor first, together."""
    wanted = [request for request in requests if request.cause != NO_EFFECT]
    fresh = tuple(request for request in wanted if request.cursor is None)
    resumed = [Group((request,), Place.decoded(request.cursor)) for request in wanted if request.cursor is not None]
    return ([Group(fresh)] if fresh else []) + resumed


def union(requests: Iterable[SyncRequested]) -> Ids:
    """The union of the requests' ids by resource, each sorted."""
    found: dict[str, set[str]] = {}
    for request in requests:
        for resource, ids in request.records.items():
            found.setdefault(resource, set()).update(ids)
    return {resource: tuple(sorted(found[resource])) for resource in sorted(found)}


def sync_ids(requests: Iterable[SyncRequested]) -> tuple[UUID, ...]:
    """All syncs that the requests stand for, sorted, each once."""
    return tuple(sorted({sync_id for request in requests for sync_id in (request.sync_id, *request.covers)}))


def source_of(requests: Iterable[SyncRequested]) -> UUID:
    """The id of a fetch of these requests: the same when they are delivered again, another in their next attempt,
    whose verdict is its own."""
    attempts = sorted({f"{sync_id}:{r.attempt}" for r in requests for sync_id in (r.sync_id, *r.covers)})
    return derived_id("fetch", *attempts)
