"""Builds the snapshot of a database: `{"data": {"company": [...], "products": [...], ...}}`, each list by its ids."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from platform_sdk.documents import RecordsView, StoredRecord, render_record
from platforms.odoo.resources import CATALOG


async def build_document(records_view: RecordsView) -> AsyncIterator[bytes]:
    """Yield the document in pieces of canonical JSON: the records of each resource, in the order of their names."""
    opening = b'{"data":{'
    for name in sorted(resource.name for resource in CATALOG):
        yield opening + f'"{name}":['.encode()
        separator = b""
        async for records in records_view.read_all(name):
            yield separator + await asyncio.to_thread(_render_records, records)
            separator = b","
        opening = b"],"
    yield b"]}}"


def _render_records(records: Sequence[StoredRecord]) -> bytes:
    return b",".join(render_record(record) for record in records)
