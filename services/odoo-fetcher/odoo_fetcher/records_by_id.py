"""Reads the records that a sync requests by their ids."""

from collections.abc import AsyncGenerator, Sequence

from connector.source import Checkpoint, IncrementalReadStep, RecordBatch, UnreadableRecord
from contracts.events import Record, RecordIds
from odoo_fetcher.database_reader import DatabaseReader
from odoo_fetcher.mappers.stock import split_key
from odoo_fetcher.small_readers import MODELS
from odoo_fetcher.watched_models import PRODUCTS, STOCK
from platform_sdk.errors import AccessDeniedError

IDS_PER_READ = 100
MAX_DIGITS = 9
"""An id of Odoo has 32 bits: a longer number is none, and would be an error of its database."""
KNOWN_RESOURCES = frozenset({PRODUCTS, STOCK, *MODELS})


class RecordsById:
    """Reads records of a database by their ids."""

    def __init__(self, reader: DatabaseReader) -> None:
        self._reader = reader

    async def read(self, ids: RecordIds, cursor: str | None) -> AsyncGenerator[IncrementalReadStep, None]:
        """Yield the records, tombstones, and what cannot be read. `cursor` is the number of ids read before."""
        done = int(cursor or 0)
        for record in self._list_unreadable(ids):
            yield record
        batches = [
            (resource, requested[begin : begin + IDS_PER_READ])
            for resource in self._reader.list_resources()
            if (requested := sorted(one for one in set(ids.get(resource, ())) if is_id_of(resource, one)))
            for begin in range(0, len(requested), IDS_PER_READ)
        ]
        for number, (resource, batch) in enumerate(batches):
            if number < done:
                continue
            try:
                yield RecordBatch(resource, tuple(await self._read_batch(resource, batch)))
            except AccessDeniedError as error:
                for record_id in batch:
                    yield UnreadableRecord(resource, record_id, error.reason)
            if number + 1 < len(batches):
                yield Checkpoint(str(number + 1))

    def _list_unreadable(self, ids: RecordIds) -> list[UnreadableRecord]:
        present = self._reader.list_resources()
        unreadable: list[UnreadableRecord] = []
        for resource in sorted(ids):
            for record_id in sorted(set(ids[resource])):
                if resource not in KNOWN_RESOURCES:
                    unreadable.append(UnreadableRecord(resource, record_id, f"there is no resource {resource}"))
                elif resource not in present:
                    unreadable.append(UnreadableRecord(resource, record_id, f"the database has no {resource}"))
                elif not is_id_of(resource, record_id):
                    unreadable.append(UnreadableRecord(resource, record_id, f"not an id of {resource}"))
        return unreadable

    async def _read_batch(self, resource: str, ids: Sequence[str]) -> list[Record]:
        reader = self._reader
        if resource == STOCK:
            return await reader.stock.read_keys([key for one in ids if (key := split_key(one))])
        numbers = [int(one) for one in ids]
        if resource == PRODUCTS:
            return await reader.products.read(numbers)
        read_at = reader.read_clock()
        records = await reader.small.read(resource, numbers)
        found = {record.id for record in records}
        gone = [
            Record(resource=resource, id=one, read_at=read_at, sort_key=int(one)) for one in ids if one not in found
        ]
        return [*records, *gone]


def is_id_of(resource: str, record_id: str) -> bool:
    """Return whether a text has the form of the id of a record of a resource."""
    if resource == STOCK:
        return split_key(record_id) is not None
    return (
        record_id.isascii()
        and record_id.isdigit()
        and len(record_id) <= MAX_DIGITS
        and str(int(record_id)) == record_id
    )
