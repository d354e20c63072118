"""The layout of a platform that needs none of its own: `{"data": [record, …]}` by resource, then rank.

A record shows its body and what moves by itself in it as one object.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import orjson

from spaces_writer.canonical import canonical
from spaces_writer.layouts import Layout, Records, Stored


def layout_of(*resources: str) -> Layout:
    """A plain layout of these resources' records."""

    async def pieces(records: Records) -> AsyncIterator[bytes]:
        yield b'{"data":['
        comma = b""
        for resource in resources:
            async for chunk in records.stored(resource, await records.ids(resource)):
                yield comma + await asyncio.to_thread(_joined, chunk)
                comma = b","
        yield b"]}"

    return pieces


def _joined(chunk: Sequence[Stored]) -> bytes:
    return b",".join(shown(row) for row in chunk)


def shown(row: Stored) -> bytes:
    """The record's canonical bytes in the document: body and volatile values together."""
    if row.volatile == "{}":
        return row.body
    return canonical({**orjson.loads(row.body), **orjson.loads(row.volatile)})
