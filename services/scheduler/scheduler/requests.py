"""The messages by which the scheduler has work done."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from contracts.events import FullSyncStepRequested, RecordIds, SyncProgressed, SyncRequested, parse_platform
from contracts.headers import derive_id
from contracts.topics import get_full_sync_topic, get_sync_topic
from messaging.publisher import OutboundMessage
from scheduler.store.walks import Walk


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


def step_request(walk: Walk, step: int, cursor: str | None) -> OutboundMessage:
    """Walk step `step` from `cursor`; the same step said twice has the same id."""
    event = FullSyncStepRequested(
        sync_id=walk.sync_id,
        connection=walk.connection,
        epoch=walk.epoch,
        cause=walk.cause,
        step=step,
        cursor=cursor,
        requested_at=now_ms(),
    )
    return OutboundMessage(
        get_full_sync_topic(parse_platform(walk.connection)), walk.connection, event, f"{walk.sync_id}:{step}"
    )


def wanted_request(connection: str, epoch: int, wanted_by: UUID, wanted: RecordIds) -> SyncRequested:
    """What the writer wants read directly, as one request that its wish names."""
    return SyncRequested(
        sync_id=wanted_by,
        connection=connection,
        epoch=epoch,
        cause="reconcile",
        records=wanted,
        requested_at=now_ms(),
    )


def postponed_request(event: SyncProgressed, *, attempt: int) -> SyncRequested:
    """What a fetch has left, covering all requests that were fetched together."""
    return SyncRequested(
        sync_id=event.sync_ids[0],
        connection=event.connection,
        epoch=event.epoch,
        cause="postponed" if attempt == event.attempt else "retry",
        records=event.records,
        requested_at=now_ms(),
        coalesced_sync_ids=event.sync_ids[1:],
        cursor=event.cursor,
        attempt=attempt,
    )


def retry_request(
    connection: str, epoch: int, sync_id: UUID, records: Mapping[str, Sequence[str]], attempt: int
) -> SyncRequested:
    """The same records once more for a sync that failed or fell silent."""
    return SyncRequested(
        sync_id=sync_id,
        connection=connection,
        epoch=epoch,
        cause="retry",
        records={resource: tuple(ids) for resource, ids in records.items()},
        requested_at=now_ms(),
        attempt=attempt,
    )


def records_request(request: SyncRequested, traceparent: str | None = None) -> OutboundMessage:
    """A quick-lane request ready to be said, by the present span unless another is named; its id tells one attempt from
    the next."""
    story = derive_id("request", str(request.sync_id), str(request.attempt), str(request.cursor))
    topic = get_sync_topic(parse_platform(request.connection))
    return OutboundMessage(topic, request.connection, request, str(story), traceparent)
