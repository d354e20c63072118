"""What the lanes say, as messages whose ids tell their story: said twice, they are known to be the same."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from contracts.events import (
    Record,
    RecordsPage,
    Settled,
    SyncProgressed,
    SyncRequested,
    WalkEnded,
    WalkStepRequested,
    WindowEnded,
)
from contracts.headers import derived_id
from contracts.topics import DATA_FETCHED, SYNC_PROGRESSED
from fetching.access import Access
from fetching.coalescing import sync_ids, union
from fetching.cursors import Place
from fetching.readings import Batch, Errand, Unread, WalkDone, WindowDone
from messaging.publisher import Outgoing


def page(topic: str, errand: Errand, step: int, number: int, of: Batch, records: tuple[Record, ...]) -> Outgoing:
    """A page of records; `of` says what they are records of."""
    access, source = errand.access, errand.source
    event = RecordsPage(
        connection=access.connection,
        epoch=access.epoch,
        source=source,
        step=step,
        page=number,
        resource=of.resource,
        window=of.window,
        attempt=of.attempt,
        records=records,
    )
    return Outgoing(topic, access.connection, event, str(derived_id("page", str(source), str(step), str(number))))


def window_ended(topic: str, errand: Errand, done: WindowDone) -> Outgoing:
    """The end marker of a window."""
    event = WindowEnded(
        connection=errand.access.connection,
        epoch=errand.access.epoch,
        source=errand.source,
        resource=done.resource,
        window=done.window,
        attempt=done.attempt,
        again=Place(0, done.again).encoded(),
        sent=done.sent,
        count_before=done.count_before,
        count_after=done.count_after,
    )
    story = ("window", str(errand.source), done.resource, str(done.window), str(done.attempt))
    return Outgoing(topic, event.connection, event, str(derived_id(*story)))


def walk_ended(topic: str, errand: Errand, done: WalkDone) -> Outgoing:
    """The walk's marker."""
    event = WalkEnded(
        connection=errand.access.connection,
        epoch=errand.access.epoch,
        source=errand.source,
        windows=done.windows,
        dependents=done.dependents,
        left_out=done.left_out,
        started_at=done.started_at,
    )
    return Outgoing(topic, event.connection, event, str(derived_id("walk", str(errand.source))))


def settled(access: Access, source: UUID, requests: Sequence[SyncRequested], unread: Iterable[Unread] = ()) -> Outgoing:
    """The end marker of a records fetch, for these of its requests; `unread` fails those that asked for it."""
    asked = union(requests)
    event = Settled(
        connection=access.connection,
        epoch=access.epoch,
        source=source,
        sync_ids=sync_ids(requests),
        asked=asked,
        failed={u.id: u.reason for u in unread if u.id in asked.get(u.resource, ())},
    )
    event_id = derived_id("settled", str(source), *map(str, event.sync_ids))
    return Outgoing(DATA_FETCHED, event.connection, event, str(event_id))


def progressed(event: SyncProgressed, *story: object) -> Outgoing:
    """How a step or a fetch went on; `story` tells this saying from others of the same syncs.

    A postponement with a `reason` that is not `throttled` was a try in vain: the scheduler counts those.
    """
    event_id = derived_id("progressed", *map(str, event.sync_ids), *map(str, story), event.outcome)
    return Outgoing(SYNC_PROGRESSED, event.connection, event, str(event_id))


def stepped(request: WalkStepRequested, errand: Errand | None, outcome: str, **more: object) -> Outgoing:
    """How a walk's step went on; `errand` None: it was not begun."""
    event = SyncProgressed.model_validate(
        {
            "connection": request.connection,
            "epoch": errand.access.epoch if errand else request.epoch,
            "outcome": outcome,
            "sync_ids": (request.sync_id,),
            "step": request.step,
            "calls": errand.calls if errand else 0,
            "points": errand.points if errand else 0,
            **more,
        }
    )
    return progressed(event, request.step)


def fetched(
    connection: str, epoch: int, requests: Sequence[SyncRequested], errand: Errand | None, **more: object
) -> Outgoing:
    """How a records fetch went on for `requests`: they were postponed or have failed."""
    attempt = max(request.attempt for request in requests)
    event = SyncProgressed.model_validate(
        {
            "connection": connection,
            "epoch": epoch,
            "sync_ids": sync_ids(requests),
            "records": union(requests),
            "attempt": attempt,
            "calls": errand.calls if errand else 0,
            "points": errand.points if errand else 0,
            **more,
        }
    )
    return progressed(event, attempt, event.cursor)
