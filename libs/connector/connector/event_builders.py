"""Builds the messages that fetchers publish.

Each message id is derived from what distinguishes the message, such as the id of the read of records, the number of the
step and the number of the page. So a message that is published twice has the same id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from uuid import UUID

from connector.coalescing import list_sync_ids, union_ids
from connector.source import FullReadEnd, IdList, RangeEnd, RecordBatch, UnreadableRecord
from contracts.cursors import CursorState
from contracts.events import (
    DirectReadCompleted,
    FullReadCompleted,
    FullSyncStepRequested,
    IdsListed,
    IncrementalReadCompleted,
    RangeCompleted,
    Record,
    RecordIds,
    RecordsPage,
    SyncProgressed,
    SyncRequested,
    parse_platform,
)
from contracts.headers import derive_id
from contracts.topics import get_fetched_topic, get_progress_topic
from messaging.publisher import OutboundMessage
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken


def build_page(
    topic: str, context: SyncContext, step: int, number: int, batch: RecordBatch, records: tuple[Record, ...]
) -> OutboundMessage:
    """Build the message with one page of `records`. `step` and `number` tell it apart from the read's other pages.

    `batch` gives the resource, id range and attempt that all records of the page share. Its own records are not used.
    """
    token, read_id = context.token, context.read_id
    event = RecordsPage(
        connection=token.connection,
        epoch=token.epoch,
        read_id=read_id,
        step=step,
        page=number,
        resource=batch.resource,
        id_range=batch.id_range,
        attempt=batch.attempt,
        records=records,
    )
    event_id = derive_id("page", str(read_id), str(step), str(number))
    return OutboundMessage(topic, token.connection, event, str(event_id))


def build_ids_listed(topic: str, context: SyncContext, listed: IdList) -> OutboundMessage:
    """Build the message with the ids that the platform lists in a part of an id range."""
    event = IdsListed(
        connection=context.token.connection, epoch=context.token.epoch, read_id=context.read_id, **asdict(listed)
    )
    distinction = (event.resource, str(event.id_range), str(event.attempt), event.after, str(event.up_to))
    event_id = derive_id("ids_listed", str(context.read_id), *distinction)
    return OutboundMessage(topic, event.connection, event, str(event_id))


def build_range_completed(topic: str, context: SyncContext, end: RangeEnd) -> OutboundMessage:
    """Build the end marker of an id range (a part of a full read): the message after the range's last page."""
    event = RangeCompleted(
        connection=context.token.connection,
        epoch=context.token.epoch,
        read_id=context.read_id,
        **{**asdict(end), "retry_cursor": CursorState(0, end.retry_cursor).encode()},
    )
    event_id = derive_id("range", str(context.read_id), end.resource, str(end.id_range), str(end.attempt))
    return OutboundMessage(topic, event.connection, event, str(event_id))


def build_full_read_completed(topic: str, context: SyncContext, end: FullReadEnd) -> OutboundMessage:
    """Build the end marker of a full read: the message after its last page.

    A read of everything that takes the place of one that only continued another full sync has an event id of its own.
    """
    event = FullReadCompleted(
        connection=context.token.connection,
        epoch=context.token.epoch,
        read_id=context.read_id,
        id_ranges=end.id_ranges,
        child_resources=end.child_resources,
        skipped_resources=end.skipped_resources,
        started_at=end.started_at,
        state=end.state,
        continues=end.continues,
        retry_cursor=None if end.continues is None else CursorState(0, end.retry_cursor).encode(),
    )
    distinction = () if end.continues is None else (str(end.continues),)
    event_id = derive_id("full_read", str(context.read_id), *distinction)
    return OutboundMessage(topic, event.connection, event, str(event_id))


def build_direct_read_completed(
    topic: str, context: SyncContext, records: RecordIds, unreadable: Iterable[UnreadableRecord]
) -> OutboundMessage:
    """Build the end marker of the direct read of `records` within a full sync: the message after its last page."""
    event = DirectReadCompleted(
        connection=context.token.connection,
        epoch=context.token.epoch,
        read_id=context.read_id,
        requested=records,
        unreadable={record.id: record.reason for record in unreadable},
    )
    ids = (f"{resource} {record_id}" for resource in sorted(records) for record_id in sorted(records[resource]))
    return OutboundMessage(topic, event.connection, event, str(derive_id("direct_read", str(context.read_id), *ids)))


def build_incremental_read_completed(
    token: AccessToken,
    read_id: UUID,
    requests: Sequence[SyncRequested],
    unreadable: Iterable[UnreadableRecord] = (),
) -> OutboundMessage:
    """Build the end marker of an incremental read of `requests`: the message after the last page of records.

    A request fails if it names an `unreadable` record. Unreadable records that no request names are left out.
    """
    requested = union_ids(requests)
    event = IncrementalReadCompleted(
        connection=token.connection,
        epoch=token.epoch,
        read_id=read_id,
        sync_ids=list_sync_ids(requests),
        requested=requested,
        unreadable={
            record.id: record.reason for record in unreadable if record.id in requested.get(record.resource, ())
        },
    )
    event_id = derive_id("incremental_read", str(read_id), *map(str, event.sync_ids))
    return OutboundMessage(get_fetched_topic(parse_platform(event.connection)), event.connection, event, str(event_id))


def build_step_progressed(
    request: FullSyncStepRequested, context: SyncContext | None, outcome: str, **fields: object
) -> OutboundMessage:
    """Build the event that reports the `outcome` of a step of a full sync.

    `context` is None when the step ended before reading began. `fields` are further fields of `SyncProgressed`.
    """
    event = SyncProgressed.model_validate(
        {
            "connection": request.connection,
            "epoch": context.token.epoch if context else request.epoch,
            "outcome": outcome,
            "sync_ids": (request.sync_id,),
            "step": request.step,
            "calls": context.calls if context else 0,
            "points": context.points if context else 0,
            **fields,
        }
    )
    return _build_progressed(event, request.step)


def build_read_stopped(
    connection: str, epoch: int, requests: Sequence[SyncRequested], context: SyncContext | None, **fields: object
) -> OutboundMessage:
    """Build the event that reports that an incremental read of `requests` was postponed, has failed or is blocked.

    `context` is None when nothing was read. `fields` are further fields of `SyncProgressed`.
    """
    attempt = max(request.attempt for request in requests)
    event = SyncProgressed.model_validate(
        {
            "connection": connection,
            "epoch": epoch,
            "sync_ids": list_sync_ids(requests),
            "records": union_ids(requests),
            "attempt": attempt,
            "calls": context.calls if context else 0,
            "points": context.points if context else 0,
            **fields,
        }
    )
    return _build_progressed(event, attempt, event.cursor)


def _build_progressed(event: SyncProgressed, *distinction: object) -> OutboundMessage:
    """Build the message of `event`. Its id is derived from the sync ids, the outcome and the values in `distinction`.

    `distinction` tells messages about the same syncs apart.
    """
    event_id = derive_id("progressed", *map(str, event.sync_ids), *map(str, distinction), event.outcome)
    return OutboundMessage(get_progress_topic(parse_platform(event.connection)), event.connection, event, str(event_id))
