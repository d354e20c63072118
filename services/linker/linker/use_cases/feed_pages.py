"""Applies pages of change feeds, and of reads of whole states, to what links know of both sides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import BodyChunk, FeedEntry, RecordChanged, RecordsRead
from contracts.topics import RECORD_CHANGED, RECORDS_READ
from linker.feed_positions import finish_read, follow_changes, follow_read, is_followed
from linker.linked_records import note_record_seen
from linker.store import chunks, pairs, records, sides
from linker.store.links import Link
from linker.store.records import SideRecord
from linker.store.sides import LinkSide
from linker.use_cases.reads import request_read
from linker.written_values import apply_written, drop_seen
from linking.records import STOCK, ExtractOptions, LinkedRecord
from linking.settings import LinkSettings

log = structlog.get_logger()


class SideReader(Protocol):
    """Translates the records of a platform into the form that both sides share: the platform's module `linking`.

    `LINKED_RESOURCES` has the shared resource by that of the platform's, for those that links use.
    `extract_record` raises `KeyError`, `TypeError` or `ValueError` for a record whose form it does not know.
    """

    LINKED_RESOURCES: Mapping[str, str]

    def extract_record(
        self, resource: str, record_id: str, body: Mapping[str, Any], options: ExtractOptions
    ) -> LinkedRecord | None:
        """Return a record as a link sees it; None if links do not use the resource."""

    def extract_currency(self, resource: str, body: Mapping[str, Any]) -> str | None:
        """Return the currency of the account's amounts, if this record tells it."""


class FeedPages:
    """Applies the pages of both sides' feeds. `readers` has the reader of each platform."""

    def __init__(self, readers: Mapping[str, SideReader]) -> None:
        self._readers = readers

    async def apply_changes(self, tx: AsyncConnection, link: Link, side: LinkSide, page: RecordChanged) -> LinkSide:
        """Apply a page of changes to a side, and request the whole state where pages are missing before it.

        Returns the side with its new position. Pages of an epoch before that of the link's are left out, and those of a
        later one too: such a link is paused as soon as the state of the connection arrives.
        """
        if page.epoch < side.epoch:
            return side
        if page.erased:
            await records.delete_up_to(tx, link.id, side.side, page.through)
        if page.epoch > side.epoch or side.is_waiting:
            return side
        position = follow_changes(side.position, page.feed, page.after, page.through)
        if position is None:
            return await _read_again(tx, side, "pages are missing")
        if is_followed(side.position, page.feed):
            try:
                entries = await _join(tx, side, RECORD_CHANGED, page.changes, page.chunk)
            except ValueError as error:
                return await _read_again(tx, side, str(error))
            await self._store(tx, link, side, entries)
        if position != side.position:
            await sides.save_position(tx, side, position)
        return replace(side, position=position)

    async def apply_read(self, tx: AsyncConnection, link: Link, side: LinkSide, page: RecordsRead) -> LinkSide:
        """Apply a page of the read that the side has requested, and follow the feed of changes from its end.

        Returns the side with its new position. Pages of other reads are left out.
        """
        if page.read_id != side.position.read_id or page.epoch != side.epoch:
            return side
        position = follow_read(side.position, page.feed, page.page)
        if position.feed != side.position.feed:
            await records.forget_numbers(tx, link.id, side.side)
        try:
            entries = await _join(tx, side, RECORDS_READ, page.records, page.chunk)
        except ValueError as error:
            return await _read_again(tx, side, str(error))
        await self._store(tx, link, side, entries, read_id=page.read_id)
        if page.changes_follow is not None:
            await records.delete_unread(tx, link.id, side.side, page.read_id, page.changes_follow)
            finished = finish_read(position, page.changes_follow)
            if finished is None:
                return await _read_again(tx, replace(side, position=position), "changes after the read are missing")
            log.info("side read", link=str(link.id), side=side.side)
            position = finished
        await sides.save_position(tx, side, position)
        return replace(side, position=position)

    async def _store(
        self,
        tx: AsyncConnection,
        link: Link,
        side: LinkSide,
        entries: Sequence[FeedEntry],
        *,
        read_id: UUID | None = None,
    ) -> None:
        """Store each record that links use and that is newer than what is known of it, and the account's currency."""
        settings = LinkSettings.model_validate(link.settings)
        # Without locations in step nobody needs the stock.
        used = {
            resource
            for resource, shared in self._readers[side.side].LINKED_RESOURCES.items()
            if shared != STOCK or settings.locations
        }
        for entry in entries:
            if entry.resource not in used and entry.body is not None:
                await self._store_currency(tx, link, side, entry.resource, entry.body)
        # The last of several entries of one record: a page has each once, but a body in chunks may come again.
        linked = {entry.id: entry for entry in entries if entry.resource in used}
        known = await records.load(tx, link.id, side.side, linked)
        newer = [
            entry for entry in linked.values() if (old := known.get(entry.id)) is None or entry.sequence > old.sequence
        ]
        options = settings.build_extract_options()
        built = [self._build(side, known.get(entry.id), entry, options) for entry in newer]
        await records.upsert(tx, link.id, side.side, [one for one in built if one is not None], read_id=read_id)
        if read_id is not None:
            await records.note_read(tx, link.id, side.side, linked, read_id)

    async def _store_currency(
        self, tx: AsyncConnection, link: Link, side: LinkSide, resource: str, body: Mapping[str, Any]
    ) -> None:
        currency = self._readers[side.side].extract_currency(resource, body)
        if currency is not None and await sides.set_currency(tx, side, currency):
            await pairs.mark_unplanned(tx, link.id, None)

    def _build(
        self, side: LinkSide, old: SideRecord | None, entry: FeedEntry, options: ExtractOptions
    ) -> SideRecord | None:
        """Return the record as the entry has it; None if it cannot be read: then what is known of it stays."""
        resource = self._readers[side.side].LINKED_RESOURCES[entry.resource]
        times = (entry.updated_at, entry.read_at, entry.changed_at)
        if entry.body is None:
            return SideRecord(entry.id, entry.sequence, None, {}, *times, resource=resource)
        try:
            record = self._readers[side.side].extract_record(entry.resource, entry.id, entry.body, options)
        except (KeyError, TypeError, ValueError) as error:
            # Only what kind of error it is: its text may show values of the record.
            log.warning("record left out", link=str(side.link), record=entry.id, error=type(error).__name__)
            return None
        if record is None:
            return None
        written = drop_seen(old.written, entry.updated_at, entry.read_at) if old else {}
        record = apply_written(record, written)
        before = old.record if old else None
        seen_first = entry.changed_at if before or not entry.updated_at else int(entry.updated_at.timestamp() * 1000)
        seen_at = note_record_seen(before, old.seen_at if old else {}, record, seen_first)
        return SideRecord(
            entry.id,
            entry.sequence,
            record,
            seen_at,
            *times,
            has_changed=record != before,
            written=written,
            resource=resource,
        )


async def _read_again(tx: AsyncConnection, side: LinkSide, reason: str) -> LinkSide:
    log.info("reading again", link=str(side.link), side=side.side, reason=reason)
    await request_read(tx, side)
    return next(one for one in await sides.lock_by_link(tx, side.link) if one.side == side.side)


async def _join(
    tx: AsyncConnection, side: LinkSide, topic: str, entries: Sequence[FeedEntry], chunk: BodyChunk | None
) -> Sequence[FeedEntry]:
    """Return the entries of a page; of a chunked body none before the last chunk, and then the entry with the body.

    Raises `ValueError` if a chunk is missing.
    """
    if chunk is None:
        return entries
    body = await chunks.add(tx, side.link, side.side, topic, chunk)
    return () if body is None else [entry.model_copy(update={"body": orjson.loads(body)}) for entry in entries]
