"""What the lanes say, as messages whose ids tell their story: said twice, they are known to be the same."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from connector.coalescing import list_sync_ids, union_ids
from connector.cursors import CursorState
from connector.source import FullReadEnd, RangeEnd, RecordBatch, SyncContext, UnreadableRecord
from connector.tokens import AccessToken
from contracts.events import (
    FullReadCompleted,
    FullSyncStepRequested,
    IncrementalReadCompleted,
    RangeCompleted,
    Record,
    RecordsPage,
    SyncProgressed,
    SyncRequested,
    parse_platform,
)
from contracts.headers import derive_id
from contracts.topics import SYNC_PROGRESSED, get_fetched_topic
from messaging.publisher import OutboundMessage


def build_page(
    topic: str, errand: SyncContext, step: int, number: int, of: RecordBatch, records: tuple[Record, ...]
) -> OutboundMessage:
    """A page of records; `of` says what they are records of."""
    access, source = errand.token, errand.read_id
    event = RecordsPage(
        connection=access.connection,
        epoch=access.epoch,
        read_id=source,
        step=step,
        page=number,
        resource=of.resource,
        id_range=of.id_range,
        attempt=of.attempt,
        records=records,
    )
    return OutboundMessage(topic, access.connection, event, str(derive_id("page", str(source), str(step), str(number))))


def build_range_completed(topic: str, errand: SyncContext, done: RangeEnd) -> OutboundMessage:
    """The end marker of a window."""
    event = RangeCompleted(
        connection=errand.token.connection,
        epoch=errand.token.epoch,
        read_id=errand.read_id,
        resource=done.resource,
        id_range=done.id_range,
        attempt=done.attempt,
        retry_cursor=CursorState(0, done.retry_cursor).encode(),
        sent_count=done.sent_count,
        count_before=done.count_before,
        count_after=done.count_after,
    )
    story = ("range", str(errand.read_id), done.resource, str(done.id_range), str(done.attempt))
    return OutboundMessage(topic, event.connection, event, str(derive_id(*story)))


def build_full_read_completed(topic: str, errand: SyncContext, done: FullReadEnd) -> OutboundMessage:
    """The walk's marker."""
    event = FullReadCompleted(
        connection=errand.token.connection,
        epoch=errand.token.epoch,
        read_id=errand.read_id,
        id_ranges=done.id_ranges,
        child_resources=done.child_resources,
        skipped_resources=done.skipped_resources,
        started_at=done.started_at,
    )
    return OutboundMessage(topic, event.connection, event, str(derive_id("full_read", str(errand.read_id))))


def build_incremental_read_completed(
    access: AccessToken, source: UUID, requests: Sequence[SyncRequested], unread: Iterable[UnreadableRecord] = ()
) -> OutboundMessage:
    """The end marker of a records fetch, for these of its requests; `unread` fails those that asked for it."""
    asked = union_ids(requests)
    event = IncrementalReadCompleted(
        connection=access.connection,
        epoch=access.epoch,
        read_id=source,
        sync_ids=list_sync_ids(requests),
        requested=asked,
        unreadable={u.id: u.reason for u in unread if u.id in asked.get(u.resource, ())},
    )
    event_id = derive_id("incremental_read", str(source), *map(str, event.sync_ids))
    return OutboundMessage(get_fetched_topic(parse_platform(event.connection)), event.connection, event, str(event_id))


def build_progressed(event: SyncProgressed, *story: object) -> OutboundMessage:
    """How a step or a fetch went on; `story` tells this saying from others of the same syncs.

    A postponement with a `reason` that is not `throttled` was a try in vain: the scheduler counts those.
    """
    event_id = derive_id("progressed", *map(str, event.sync_ids), *map(str, story), event.outcome)
    return OutboundMessage(SYNC_PROGRESSED, event.connection, event, str(event_id))


def build_step_progressed(
    request: FullSyncStepRequested, errand: SyncContext | None, outcome: str, **more: object
) -> OutboundMessage:
    """How a walk's step went on; `errand` None: it was not begun."""
    event = SyncProgressed.model_validate(
        {
            "connection": request.connection,
            "epoch": errand.token.epoch if errand else request.epoch,
            "outcome": outcome,
            "sync_ids": (request.sync_id,),
            "step": request.step,
            "calls": errand.calls if errand else 0,
            "points": errand.points if errand else 0,
            **more,
        }
    )
    return build_progressed(event, request.step)


def build_records_progressed(
    connection: str, epoch: int, requests: Sequence[SyncRequested], errand: SyncContext | None, **more: object
) -> OutboundMessage:
    """How a records fetch went on for `requests`: they were postponed or have failed."""
    attempt = max(request.attempt for request in requests)
    event = SyncProgressed.model_validate(
        {
            "connection": connection,
            "epoch": epoch,
            "sync_ids": list_sync_ids(requests),
            "records": union_ids(requests),
            "attempt": attempt,
            "calls": errand.calls if errand else 0,
            "points": errand.points if errand else 0,
            **more,
        }
    )
    return build_progressed(event, attempt, event.cursor)
