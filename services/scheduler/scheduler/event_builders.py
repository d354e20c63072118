"""Builds the events and messages with which the scheduler requests reads from fetchers."""

import time
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import FullSyncStepRequested, RecordIds, SyncProgressed, SyncRequested, parse_platform
from contracts.headers import derive_id
from contracts.topics import get_full_sync_topic, get_sync_topic
from messaging.publisher import OutboundMessage

if TYPE_CHECKING:
    from scheduler.store.full_syncs import FullSync
    from scheduler.store.syncs import OpenRequest


def get_time_ms() -> int:
    """Return the current time in milliseconds since 1970 (UTC)."""
    return int(time.time() * 1000)


def build_step(full_sync: "FullSync", step: int, cursor: str | None) -> OutboundMessage:
    """Build the message that requests step number `step` of a full sync from a fetcher.

    A step is a bounded part of a full sync. It begins at `cursor`; None means at the first record. The event id is
    derived from the sync and the step, so that the same step always has the same event id.
    """
    event = FullSyncStepRequested(
        sync_id=full_sync.sync_id,
        connection=full_sync.connection,
        epoch=full_sync.epoch,
        cause=full_sync.cause,
        step=step,
        cursor=cursor,
        requested_at=get_time_ms(),
        previous_sync=full_sync.previous_sync,
        previous_state=full_sync.previous_state,
    )
    topic = get_full_sync_topic(parse_platform(full_sync.connection))
    return OutboundMessage(topic, full_sync.connection, event, f"{full_sync.sync_id}:{step}")


def build_verification(connection: str, epoch: int, verification_id: UUID, records: RecordIds) -> SyncRequested:
    """Build the request to read again the `records` that the spaces-writer wants to have verified.

    `verification_id` becomes the id of the incremental sync that reads them.
    """
    return SyncRequested(
        sync_id=verification_id,
        connection=connection,
        epoch=epoch,
        cause="reconcile",
        records=records,
        requested_at=get_time_ms(),
    )


def build_continuation(event: SyncProgressed, *, attempt: int) -> SyncRequested:
    """Build the request to read the records that a postponed or failed incremental read has not read yet.

    `event` is the fetcher's report on that read, and `attempt` is the attempt number of the new request. The request
    names all syncs that were read together.
    """
    return SyncRequested(
        sync_id=event.sync_ids[0],
        connection=event.connection,
        epoch=event.epoch,
        cause="postponed" if attempt == event.attempt else "retry",
        records=event.records,
        requested_at=get_time_ms(),
        coalesced_sync_ids=event.sync_ids[1:],
        cursor=event.cursor,
        attempt=attempt,
    )


def build_retry(request: "OpenRequest", *, epoch: int) -> SyncRequested:
    """Build the request for another attempt at the records of an incremental sync that failed or got no answer.

    `epoch` is the epoch of the connection: the number that the gateway raises when the connection ends.
    """
    return SyncRequested(
        sync_id=request.sync_id,
        connection=request.connection,
        epoch=epoch,
        cause="retry",
        records={resource: tuple(ids) for resource, ids in request.requested_records.items()},
        requested_at=get_time_ms(),
        attempt=request.attempts + 1,
    )


def build_message(request: SyncRequested, traceparent: str | None = None) -> OutboundMessage:
    """Build the message for the request of an incremental sync.

    `traceparent` is the span that the message continues; None means the current span. Each attempt, and each
    continuation of an attempt, has an event id of its own.
    """
    event_id = derive_id("request", str(request.sync_id), str(request.attempt), str(request.cursor))
    topic = get_sync_topic(parse_platform(request.connection))
    return OutboundMessage(topic, request.connection, request, str(event_id), traceparent)
