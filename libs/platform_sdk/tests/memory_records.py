"""A view of records in memory, for tests of documents."""

from collections.abc import AsyncIterator, Mapping, Sequence

from contracts.events import Record
from platform_sdk.documents import StoredRecord, canonicalize


class MemoryRecordsView:
    """A `RecordsView` of these records. It yields `portion` records at a time."""

    def __init__(self, *records: Record, portion: int = 2) -> None:
        self._records = records
        self._portion = portion

    async def list_resources(self) -> Sequence[str]:
        return sorted({record.resource for record in self._records})

    async def list_ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        records = [record for record in self._records if record.resource == resource]
        if by_title:
            records.sort(key=lambda record: (record.lookup_fields.get("title") or "", record.sort_key))
        else:
            records.sort(key=lambda record: (record.sort_key, record.id))
        return [record.id for record in records]

    async def read_records(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[StoredRecord]]:
        by_id = {record.id: record for record in self._records if record.resource == resource}
        for start in range(0, len(ids), self._portion):
            yield [_store(by_id[record_id]) for record_id in ids[start : start + self._portion]]

    async def read_all(self, resource: str) -> AsyncIterator[Sequence[StoredRecord]]:
        async for records in self.read_records(resource, await self.list_ids(resource)):
            yield records

    async def read_children(self, resource: str, parents: Sequence[str]) -> Sequence[StoredRecord]:
        return [_store(r) for r in self._records if r.resource == resource and r.parent in parents]

    async def read_lookup_fields(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        return {record.id: record.lookup_fields for record in self._records if record.resource == resource}


def _store(record: Record) -> StoredRecord:
    return StoredRecord(
        record.id, canonicalize(record.body), record.read_at, canonicalize(record.volatile_fields).decode()
    )
