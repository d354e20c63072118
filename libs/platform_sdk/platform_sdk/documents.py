"""What a platform's `document` module needs to build the snapshot of a connection from its stored records.

That module declares `build_document`, a `DocumentBuilder`. A platform without one gets `build_plain_document`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson


@dataclass(frozen=True)
class StoredRecord:
    """A stored record: its canonical body, when it was read (ms), and its volatile fields as canonical JSON."""

    id: str
    body: bytes
    read_at: int
    volatile_fields: str = "{}"


class RecordsView(Protocol):
    """A consistent view of the living records of one connection: everything is read as of one moment."""

    async def list_resources(self) -> Sequence[str]:
        """Return the resources that have records, sorted by name."""
        ...

    async def list_ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        """Return ids in the document's order: by sort key, or by the lookup field `title` (code points), then sort
        key."""
        ...

    def read_records(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield the records of `ids`, which `list_ids` has returned, in their order, some megabytes at a time."""
        ...

    async def read_children(self, resource: str, parents: Sequence[str]) -> Sequence[StoredRecord]:
        """Return all records of `resource` whose parent is one of `parents`."""
        ...

    async def read_lookup_fields(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        """Return the lookup fields of all records of `resource` by id."""
        ...


DocumentBuilder = Callable[[RecordsView], AsyncIterator[bytes]]
"""Yields the document's bytes in pieces. The joined pieces are canonical JSON."""


def canonicalize(value: Any) -> bytes:
    """Return `value` as canonical JSON (UTF-8), so that equal data gives equal bytes.

    Keys are sorted, there is no white space, and non-ASCII characters are not escaped.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def hash_content(body: bytes) -> bytes:
    """Return the SHA-256 of canonical bytes, 32 bytes."""
    return hashlib.sha256(body).digest()


async def build_plain_document(view: RecordsView, *resources: str) -> AsyncIterator[bytes]:
    """Yield `{"data": [record, ...]}`: the records of `resources` in that order, each resource by sort key.

    Without `resources` the document shows all that the view has, sorted by name.
    """
    yield b'{"data":['
    separator = b""
    for resource in resources or await view.list_resources():
        async for records in view.read_records(resource, await view.list_ids(resource)):
            yield separator + await asyncio.to_thread(_render_records, records)
            separator = b","
    yield b"]}"


def _render_records(records: Sequence[StoredRecord]) -> bytes:
    return b",".join(render_record(record) for record in records)


def render_record(record: StoredRecord) -> bytes:
    """Return the record's canonical bytes in a plain document: body and volatile fields as one object."""
    if record.volatile_fields == "{}":
        return record.body
    return canonicalize({**orjson.loads(record.body), **orjson.loads(record.volatile_fields)})
