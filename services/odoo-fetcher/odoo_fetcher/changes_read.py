"""Reads what has changed since another full sync: one range for each resource in which something has."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import islice

from connector.source import Checkpoint, FullReadStep, RecordBatch
from contracts.events import Record
from odoo_fetcher.changed_records import find_changed
from odoo_fetcher.cursors import ReadCursor
from odoo_fetcher.database_reader import DatabaseReader
from odoo_fetcher.range_ends import build_changes_end
from odoo_fetcher.read_state import ReadState, SmallList
from odoo_fetcher.small_lists import build_tombstones, digest_records
from odoo_fetcher.small_readers import MODELS
from odoo_fetcher.watched_models import PRODUCTS, list_watched_models
from platforms.odoo.reading import ROWS_PER_CALL


class ChangesRead:
    """Reads the changes since the full sync that has left `before`. `cursor` is where it has come."""

    def __init__(self, reader: DatabaseReader, before: ReadState, cursor: ReadCursor) -> None:
        self._reader = reader
        self._before = before
        self.cursor = cursor

    async def read(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield the changed records, tombstones, checkpoints, and the end of each range."""
        while self.cursor.resources:
            if self.cursor.resource in MODELS:
                records = await self._read_small()
                if records is None:
                    self.cursor = replace(self.cursor, resources=self.cursor.resources[1:])
                    continue
                yield self._build_batch(records)
            else:
                async for step in self._read_changed():
                    yield step
            yield build_changes_end(self.cursor)
            self.cursor = self.cursor.complete_range()
            if self.cursor.resources:
                yield Checkpoint(self.cursor.encode())

    async def _read_small(self) -> list[Record] | None:
        """Return all records of a small resource, and tombstones; None where they are as they were listed before."""
        resource, read_at = self.cursor.resource, self._reader.read_clock()
        before = self._before.lists.get(resource, SmallList(""))
        records = await self._reader.small.read(resource)
        listed = digest_records(records)
        if listed == before and self.cursor.ends_read:
            return None
        records += build_tombstones(resource, before, records, read_at)
        lists = {**self.cursor.state.lists, resource: listed}
        place = replace(self.cursor.place, sent=len(records))
        self.cursor = replace(self.cursor, state=replace(self.cursor.state, lists=lists), place=place)
        return records

    async def _read_changed(self) -> AsyncGenerator[FullReadStep, None]:
        models = list_watched_models(self._reader.fields, self._before.skipped)
        while found := await find_changed(self._reader.session, models, self._before, self.cursor):
            waiting = iter(found.items())
            while batch := dict(islice(waiting, ROWS_PER_CALL)):
                records = await self._read_batch(batch)
                place = self.cursor.place
                place = replace(place, after=max(batch), sent=place.sent + len(records))
                self.cursor = replace(self.cursor, place=place)
                yield self._build_batch(records)
                yield Checkpoint(self.cursor.encode())

    async def _read_batch(self, batch: dict[int, set[int]]) -> list[Record]:
        if self.cursor.resource == PRODUCTS:
            return await self._reader.products.read(list(batch))
        return await self._reader.stock.read_changed(batch)

    def _build_batch(self, records: list[Record]) -> RecordBatch:
        place = self.cursor.place
        return RecordBatch(self.cursor.resource, tuple(records), place.number, place.attempt)
