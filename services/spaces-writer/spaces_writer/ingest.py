"""Ingestion: what becomes of pages and markers, inside one transaction of one connection.

Killed before the commit, Kafka says the batch again; killed after it, the batch comes again and every record is
found unchanged, every listing there, every final verdict given: the same words are said once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import (
    DataStored,
    FullReadCompleted,
    IncrementalReadCompleted,
    RangeCompleted,
    Record,
    RecordIds,
    RecordsPage,
    SyncResult,
    SyncTotals,
)
from contracts.headers import derive_id
from spaces_writer import removal, verdicts
from spaces_writer.canonical import canonical, content_hash
from spaces_writer.chains import join
from spaces_writer.store import causes, connections, records
from spaces_writer.store import verdicts as ledger
from spaces_writer.store.connections import Known
from spaces_writer.store.records import Indexed, Written
from spaces_writer.store.verdicts import Counts
from spaces_writer.versions import Judgement, Outcome, Version, judge
from spaces_writer.volatile import NONE, Volatile, renews

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Marker = RangeCompleted | FullReadCompleted | IncrementalReadCompleted


@dataclass
class Ingested:
    """What a batch did: whether the snapshot is dirty, and what is to be said of it."""

    known: Known
    walking: bool = False
    """Whether it is a walk that brought it: walks alone renew what moves by itself."""
    dirty: bool = False
    pages: int = 0
    counts: Counts = field(default_factory=Counts)
    """What became of the records that its pages are about."""
    walked: set[UUID] = field(default_factory=set)
    """Walks whose progress is to be told."""
    verdicts: list[SyncResult] = field(default_factory=list)
    wanted: list[tuple[UUID, RecordIds]] = field(default_factory=list)
    braked: str | None = None

    def said(self, change: int, totals: Sequence[SyncTotals]) -> list[DataStored]:
        """The events that tell it."""
        name, epoch = self.known.connection, self.known.epoch
        told = [
            DataStored(connection=name, epoch=epoch, sequence=change, records_to_verify=ids, verification_id=by)
            for by, ids in self.wanted
        ]
        if self.verdicts or totals or self.braked:
            told.append(
                DataStored(
                    connection=name,
                    epoch=epoch,
                    sequence=change,
                    totals=tuple(totals),
                    results=tuple(self.verdicts),
                    guard_reason=self.braked,
                )
            )
        return told


async def take_page(tx: "AsyncConnection", page: RecordsPage, batch: Ingested) -> None:
    """Store what the page brings, record by record past the version check, and keep what it listed."""
    whole = await _whole_records(tx, page)
    counts = Counts()
    by_resource: dict[str, dict[str, Record]] = {}
    for record in whole:
        by_resource.setdefault(record.resource, {})[record.id] = record
    for resource, incoming in by_resource.items():
        taken = await _store(tx, page.connection, resource, list(incoming.values()), walking=batch.walking)
        counts = _added(counts, taken.counts) if resource == page.resource else counts
        batch.dirty = batch.dirty or taken.shows
        if again := taken.again:
            batch.wanted.append((derive_id("again", str(page.read_id), resource, *sorted(again)), {resource: again}))
    own = [record.id for record in whole if record.resource == page.resource]
    await ledger.list_page(tx, page, own, counts)
    batch.pages, batch.counts = batch.pages + 1, _added(batch.counts, counts)


async def _whole_records(tx: "AsyncConnection", page: RecordsPage) -> list[Record]:
    """The page's whole records, and those whose chain its pieces complete."""
    whole = [record for record in page.records if record.chunk is None]
    for piece in page.records:
        if piece.chunk is None:
            continue
        await records.put_piece(tx, page.connection, piece)
        joined = join(await records.pieces(tx, page.connection, piece)) if piece.chunk.is_last else None
        if joined is not None:
            whole.append(joined)
            await records.drop_pieces(tx, page.connection, piece)
    return whole


@dataclass(frozen=True)
class Taken:
    """What became of some records: their counts, the ids to be read again, whether the document shows a difference."""

    counts: Counts
    again: tuple[str, ...]
    shows: bool


async def _store(
    tx: "AsyncConnection", connection: str, resource: str, incoming: Sequence[Record], *, walking: bool
) -> Taken:
    stored = await records.indexed(tx, connection, resource, [record.id for record in incoming])
    judged = [(w, _judge(w, stored.get(w.record.id))) for w in map(_written, incoming)]
    changed = [w for w, j in judged if j.outcome is Outcome.CHANGED]
    removed = [w for w, j in judged if j.outcome is Outcome.REMOVED]
    unchanged = [w for w, j in judged if j.outcome is Outcome.UNCHANGED and j.moves]
    moved = [_kept(w, stored.get(w.record.id), walking=walking) for w in unchanged]
    if changed:
        await records.write(tx, connection, resource, changed)
    if removed:
        await records.bury(tx, connection, resource, removed)
    if moved:
        await records.write_index(tx, connection, resource, moved)
    renewed = any(w.record.id in stored and w.volatile != stored[w.record.id].volatile for w in moved)
    again = tuple(w.record.id for w, j in judged if j.read_again)
    return Taken(_counted([j for _, j in judged]), again, shows=bool(changed or removed or renewed))


def _judge(written: Written, stored: Indexed | None) -> Judgement:
    return judge(_version(written), stored.version if stored else None)


def _kept(written: Written, stored: Indexed | None, *, walking: bool) -> Written:
    """An unchanged record with the volatile values that it goes on with."""
    if stored is None or (walking and renews(written.volatile, stored.volatile)):
        return written
    return replace(written, volatile=stored.volatile)


def _written(record: Record) -> Written:
    if record.body is None:
        return Written(record, None, None, NONE)
    body = canonical(record.body)
    moving = Volatile(canonical(record.volatile_fields).decode(), record.read_at)
    return Written(record, body, content_hash(body), moving)


def _version(written: Written) -> Version:
    return Version(written.record.updated_at, written.record.read_at, written.hash)


def _counted(judged: Sequence[Judgement]) -> Counts:
    by_outcome = {outcome: sum(j.outcome is outcome for j in judged) for outcome in Outcome}
    return Counts(
        records=len(judged),
        changed=by_outcome[Outcome.CHANGED],
        unchanged=by_outcome[Outcome.UNCHANGED],
        stale=by_outcome[Outcome.STALE],
        removed=by_outcome[Outcome.REMOVED],
    )


def _added(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.records + other.records,
        one.changed + other.changed,
        one.unchanged + other.unchanged,
        one.stale + other.stale,
        one.removed + other.removed,
    )


async def end_window(tx: "AsyncConnection", marker: RangeCompleted, batch: Ingested) -> None:
    """Give the window's verdict; where the walk's marker has come before it, judge the walk again."""
    if await ledger.given(tx, marker.connection, marker.read_id) is not None:
        return
    verdict = verdicts.judge_window(marker, await ledger.listed(tx, marker))
    await ledger.end_window(tx, marker.connection, marker.read_id, verdict)
    walk = await ledger.walk(tx, marker.connection, marker.read_id)
    if walk is not None:
        await _judge_walk(tx, walk, batch)


async def end_walk(tx: "AsyncConnection", marker: FullReadCompleted, batch: Ingested) -> None:
    """Keep the walk's marker and judge the walk."""
    if await _said_already(tx, marker.connection, marker.read_id, batch):
        return
    await ledger.end_walk(tx, marker)
    await _judge_walk(tx, marker, batch)


async def _judge_walk(tx: "AsyncConnection", marker: FullReadCompleted, batch: Ingested) -> None:
    name, source = marker.connection, marker.read_id
    verdict = verdicts.judge_walk(marker.id_ranges, await ledger.windows(tx, name, source))
    match verdict.outcome:
        case "success":
            await _succeed(tx, marker, batch)
        case "failed":
            await _end(
                tx, batch, source, SyncResult(sync_ids=(source,), status="failed", sequence=0, reason=verdict.reason)
            )
        case "incomplete":
            batch.verdicts.append(
                SyncResult(
                    sync_ids=(source,),
                    status="incomplete",
                    sequence=batch.known.change,
                    reason=verdict.reason,
                    retry_cursors=verdict.again,
                )
            )


async def _succeed(tx: "AsyncConnection", marker: FullReadCompleted, batch: Ingested) -> None:
    """A walk never removes: it nominates what it has not come across, and that is read directly."""
    name, source = marker.connection, marker.read_id
    resources = sorted({resource for resource, _ in marker.id_ranges})
    nominated = await records.nominated(tx, name, resources, marker.started_at)
    known = await records.known(tx, name, resources)
    batch.braked = removal.braked(len(nominated), known, braked_before=batch.known.braked)
    await connections.note_brake(tx, name, batch.braked is not None)
    if batch.braked is None:
        batch.wanted += _wishes(source, nominated)
    await records.drop_orphans(tx, name, marker.child_resources, resources, marker.started_at)
    change = await connections.complete(tx, name, source)
    await causes.note(tx, name, change)
    verdict = SyncResult(
        sync_ids=(source,), status="success", sequence=change, skipped_resources=marker.skipped_resources
    )
    await _end(tx, batch, source, verdict)


WISH_SIZE = 250


def _wishes(source: UUID, nominated: Sequence[tuple[str, str]]) -> list[tuple[UUID, RecordIds]]:
    """Nominated records as wishes of at most 250 ids of one resource."""
    wishes: list[tuple[UUID, RecordIds]] = []
    for resource in sorted({r for r, _ in nominated}):
        ids = [i for r, i in nominated if r == resource]
        for start in range(0, len(ids), WISH_SIZE):
            story = derive_id("nominated", str(source), resource, str(start))
            wishes.append((story, {resource: tuple(ids[start : start + WISH_SIZE])}))
    return wishes


async def settle(tx: "AsyncConnection", marker: IncrementalReadCompleted, batch: Ingested) -> None:
    """Give the verdict on a records fetch: every id asked for is here in some way, or it failed and says so."""
    if await _said_already(tx, marker.connection, marker.read_id, batch):
        return
    listed = await ledger.listed_ids(tx, marker.connection, marker.read_id)
    reason = verdicts.judge_fetch(marker.requested, listed, marker.unreadable)
    await connections.note_source(tx, marker.connection, marker.sync_ids[0])
    verdict = SyncResult(
        sync_ids=marker.sync_ids, status="failed" if reason else "success", sequence=batch.known.change, reason=reason
    )
    await _end(tx, batch, marker.read_id, verdict)


async def _end(tx: "AsyncConnection", batch: Ingested, source: UUID, verdict: SyncResult) -> None:
    name = batch.known.connection
    change = batch.known.change + (1 if batch.dirty else 0)
    totals = await ledger.totals(tx, name, source)
    final = verdict.model_copy(update={"totals": totals, "sequence": max(verdict.sequence, change)})
    await ledger.give(tx, name, source, final)
    batch.walked.discard(source)
    batch.verdicts.append(final)


async def _said_already(tx: "AsyncConnection", connection: str, source: UUID, batch: Ingested) -> bool:
    """A marker that comes again after the final verdict is answered with the same words."""
    given = await ledger.given(tx, connection, source)
    if given is not None:
        batch.verdicts.append(given)
    return given is not None


def refuse(marker: Marker | RecordsPage, batch: Ingested) -> None:
    """What was read under an ended grant is refused, and its syncs are cancelled, never silently."""
    reason = f"read under epoch {marker.epoch}, which has ended"
    sync_ids = marker.sync_ids if isinstance(marker, IncrementalReadCompleted) else (marker.read_id,)
    batch.verdicts.append(SyncResult(sync_ids=sync_ids, status="cancelled", sequence=batch.known.change, reason=reason))
