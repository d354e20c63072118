"""Coalescing: incremental sync requests that wait for the same merchant's connection are read together.

A request that carries a cursor is read alone, because its cursor is a position in its own list of ids. All other
requests form one group with the union of their ids. Each request keeps its own result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contracts.cursors import CursorState
from contracts.events import RecordIds, SyncRequested
from contracts.headers import derive_id

PROBE_CAUSE = "probe"
"""The cause of requests that only test whether webhooks reach Kafka. No records are read for them."""
WEBHOOK_CAUSE = "webhook"
"""The cause of requests that the gateway publishes for webhooks, without asking the scheduler."""


@dataclass(frozen=True)
class RequestGroup:
    """Sync requests of one connection that are read together, in order of arrival.

    `start` is the state from which the read of their records begins: that of the cursor if there is one.
    """

    requests: tuple[SyncRequested, ...]
    start: CursorState = field(default_factory=CursorState)

    @property
    def ids(self) -> RecordIds:
        """The union of the requests' record ids by resource. Resources and ids are sorted."""
        return union_ids(self.requests)

    @property
    def read_id(self) -> UUID:
        """The id of the read of this group. A continued read keeps its id; a new one is derived from its requests."""
        return self.start.read_id or derive_read_id(self.requests)

    @property
    def epoch(self) -> int:
        """The highest epoch of the requests. An access token of this epoch or a later one satisfies all of them.

        The epoch is the number that rises when the connection ends.
        """
        return max(request.epoch for request in self.requests)

    @property
    def attempt(self) -> int:
        """The highest attempt number of the requests."""
        return max(request.attempt for request in self.requests)


def group_requests_without_probes(requests: Sequence[SyncRequested]) -> list[RequestGroup]:
    """Return the groups in which `requests` of one merchant's connection are read.

    The first group has all requests without a cursor. Each request with a cursor follows as a group of its own. Webhook
    probes (requests that only test whether webhooks arrive) are left out, because they name nothing to read.
    """
    effective = [request for request in requests if request.cause != PROBE_CAUSE]
    new = tuple(request for request in effective if request.cursor is None)
    continued = [
        RequestGroup((request,), CursorState.decode(request.cursor))
        for request in effective
        if request.cursor is not None
    ]
    return ([RequestGroup(new)] if new else []) + continued


def union_ids(requests: Iterable[SyncRequested]) -> RecordIds:
    """Return the union of the requests' record ids by resource. Resources and ids are sorted."""
    union: dict[str, set[str]] = {}
    for request in requests:
        for resource, ids in request.records.items():
            union.setdefault(resource, set()).update(ids)
    return {resource: tuple(sorted(union[resource])) for resource in sorted(union)}


def list_sync_ids(requests: Iterable[SyncRequested]) -> tuple[UUID, ...]:
    """Return the ids of the requests' syncs and of the syncs that were coalesced into them: sorted, each id once."""
    return tuple(
        sorted({sync_id for request in requests for sync_id in (request.sync_id, *request.coalesced_sync_ids)})
    )


def derive_read_id(requests: Iterable[SyncRequested]) -> UUID:
    """Return the id of a read of `requests`, derived from their sync ids and attempt numbers.

    Requests that Kafka delivers again get the same read id. The next attempt at the same syncs gets a different read
    id, because that attempt has its own result.
    """
    attempts = sorted({f"{sync_id}:{r.attempt}" for r in requests for sync_id in (r.sync_id, *r.coalesced_sync_ids)})
    return derive_id("read", *attempts)
