"""Builds a connection's snapshot, the document of all its current records in the bucket, from its stored records.

A platform's `document` module declares `build_document`, a `DocumentBuilder`. For a platform without that module,
`build_plain_document` is used.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson


@dataclass(frozen=True)
class StoredRecord:
    """A stored record: its body and its volatile fields, both as canonical JSON, and when it was read (ms).

    Volatile fields are those that change without an edit, e.g. counters. They are not in the body.
    """

    id: str
    body: bytes
    read_at: int
    volatile_fields: str = "{}"


class RecordsView(Protocol):
    """Reads the current (not deleted) records of one connection. All methods show the state of the same moment."""

    async def list_resources(self) -> Sequence[str]:
        """Return the resources that have records, sorted by name."""
        ...

    async def list_ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        """Return the ids of the resource's records, ordered by sort key (the field that `Resource.sort_key` names).

        With `by_title` they are ordered by the lookup field `title` (by code points), and only then by sort key.
        """
        ...

    def read_records(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield the records of `ids` in this order, in batches of a few MB. `ids` must come from `list_ids`."""
        ...

    def read_all(self, resource: str) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield all records of the resource, ordered by sort key and then by id, in batches of a few MB.

        Unlike `list_ids`, it takes no memory for each of them.
        """
        ...

    async def read_children(self, resource: str, parents: Sequence[str]) -> Sequence[StoredRecord]:
        """Return all records of `resource` whose parent's id is in `parents`."""
        ...

    async def read_lookup_fields(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        """Return the lookup fields of all records of `resource`: by record id, the value of each field by its name.

        Lookup fields are the few fields that the documents of other records show, e.g. a title.
        """
        ...


DocumentBuilder = Callable[[RecordsView], AsyncIterator[bytes]]
"""A function that yields a document in pieces of bytes. The joined pieces are canonical JSON (see `canonicalize`)."""


def canonicalize(value: Any) -> bytes:
    """Return `value` as canonical JSON (UTF-8), so that equal data gives equal bytes.

    Keys are sorted, there is no white space, and non-ASCII characters are not escaped.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def hash_content(body: bytes) -> bytes:
    """Return the SHA-256 digest (32 bytes) of the body of a record in canonical JSON."""
    return hashlib.sha256(body).digest()


async def build_plain_document(records_view: RecordsView, *resources: str) -> AsyncIterator[bytes]:
    """Yield, in pieces, `{"data": [record, ...]}`: the records of `resources` in that order, each resource by sort key.

    Without `resources` the document shows all resources of the connection, sorted by name.
    """
    yield b'{"data":['
    separator = b""
    for resource in resources or await records_view.list_resources():
        async for records in records_view.read_all(resource):
            yield separator + await asyncio.to_thread(_render_records, records)
            separator = b","
    yield b"]}"


def _render_records(records: Sequence[StoredRecord]) -> bytes:
    return b",".join(render_record(record) for record in records)


def render_record(record: StoredRecord) -> bytes:
    """Return the record as canonical JSON: one object with its body and its volatile fields (e.g. counters)."""
    if record.volatile_fields == "{}":
        return record.body
    return canonicalize({**orjson.loads(record.body), **orjson.loads(record.volatile_fields)})
