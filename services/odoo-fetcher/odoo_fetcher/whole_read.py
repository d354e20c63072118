"""Reads everything, one resource after another: the small ones as one range each, the others in ranges of ids.

Each range is counted by Odoo before and after it is read. New records have higher ids than the range, or are found by
the windows at the next full sync.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

from connector.source import Checkpoint, FullReadStep, RecordBatch
from odoo_fetcher.cursors import RangePlace, ReadCursor
from odoo_fetcher.database_reader import DatabaseReader
from odoo_fetcher.range_ends import build_range_end
from odoo_fetcher.small_lists import digest_records
from odoo_fetcher.small_readers import MODELS
from odoo_fetcher.watched_models import PRODUCTS
from platforms.odoo.calls import Domain
from platforms.odoo.database_fields import TEMPLATE, VARIANT
from platforms.odoo.reading import ALL, ROWS_PER_CALL

RANGE_RECORDS = 5_000


class WholeRead:
    """Reads a database from a cursor on. `cursor` is where it has come."""

    def __init__(self, reader: DatabaseReader, cursor: ReadCursor) -> None:
        self._reader = reader
        self.cursor = cursor

    async def read(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield all records, checkpoints between them, and the end of each range."""
        while self.cursor.resources:
            steps = self._read_small() if self.cursor.resource in MODELS else self._read_range()
            async for step in steps:
                yield step
            yield build_range_end(self.cursor)
            self.cursor = self.cursor.complete_range()
            if self.cursor.resources:
                yield Checkpoint(self.cursor.encode())

    async def _read_small(self) -> AsyncGenerator[FullReadStep, None]:
        resource, small = self.cursor.resource, self._reader.small
        before = await small.count(resource)
        records = await small.read(resource)
        after = await small.count(resource)
        sent = len(records)
        place = replace(
            self.cursor.place, sent=sent, missing_before=before - sent, missing_after=after - sent, is_last=True
        )
        lists = {**self.cursor.state.lists, resource: digest_records(records)}
        self.cursor = replace(self.cursor, place=place, state=replace(self.cursor.state, lists=lists))
        yield RecordBatch(resource, tuple(records), place.number, place.attempt)

    async def _read_range(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield the records of the range, behind the place to which it was read before."""
        is_of_products = self.cursor.resource == PRODUCTS
        if not self.cursor.place.is_open:
            self.cursor = replace(self.cursor, place=await self._open_range(self.cursor.place))
            yield Checkpoint(self.cursor.encode())
        while ids := await self._list_ids(self.cursor.place):
            yield await (self._read_products(ids) if is_of_products else self._read_stock(ids))
            yield Checkpoint(self.cursor.encode())
        if is_of_products:
            place = self.cursor.place
            count = await self._count(place)
            self.cursor = replace(self.cursor, place=replace(place, missing_after=count - place.sent))

    async def _read_products(self, ids: list[int]) -> RecordBatch:
        records = await self._reader.products.read(ids)
        place = self.cursor.place
        place = replace(
            place, after=ids[-1], sent=place.sent + len(ids), missing_before=place.missing_before - len(ids)
        )
        self.cursor = replace(self.cursor, place=place)
        return RecordBatch(self.cursor.resource, tuple(records), place.number, place.attempt)

    async def _read_stock(self, ids: list[int]) -> RecordBatch:
        batch = await self._reader.stock.read_counted(ids)
        place = self.cursor.place
        place = replace(
            place,
            after=ids[-1],
            sent=place.sent + len(batch.records),
            missing_before=place.missing_before + batch.count_before - batch.quants,
            missing_after=place.missing_after + batch.count_after - batch.quants,
        )
        self.cursor = replace(self.cursor, place=place)
        return RecordBatch(self.cursor.resource, batch.records, place.number, place.attempt)

    async def _open_range(self, place: RangePlace) -> RangePlace:
        """Return the place with the range's end and its count. An attempt at a range that is read again keeps its end.

        Quants are counted with each batch instead: in a busy warehouse they change all the time.
        """
        if place.high is None:
            place = await self._find_end(place)
        before = await self._count(place) if self.cursor.resource == PRODUCTS else 0
        return replace(place, is_open=True, missing_before=before)

    async def _find_end(self, place: RangePlace) -> RangePlace:
        """Return the place with the range's end: the id with which it has RANGE_RECORDS, or the last one."""
        session, above = self._reader.session, [("id", ">", place.low)]
        full = await session.search_read(
            self._model, above, ["id"], order="id", limit=1, offset=RANGE_RECORDS - 1, context=ALL
        )
        last = full or await session.search_read(self._model, above, ["id"], order="id desc", limit=1, context=ALL)
        return replace(place, high=last[0]["id"] if last else place.low, is_last=not full)

    async def _count(self, place: RangePlace) -> int:
        return await self._reader.session.search_count(self._model, _build_domain(place, place.low), context=ALL)

    async def _list_ids(self, place: RangePlace) -> list[int]:
        rows = await self._reader.session.search_read(
            self._model, _build_domain(place, place.after), ["id"], order="id", limit=ROWS_PER_CALL, context=ALL
        )
        return [row["id"] for row in rows]

    @property
    def _model(self) -> str:
        return TEMPLATE if self.cursor.resource == PRODUCTS else VARIANT


def _build_domain(place: RangePlace, after: int) -> Domain:
    return [("id", ">", after), ("id", "<=", place.high)]
