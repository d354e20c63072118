"""The layout of a platform that needs none of its own: `{"data": [record, …]}` by resource, then rank."""

from collections.abc import AsyncIterator

from spaces_writer.layouts import Layout, Records


def layout_of(*resources: str) -> Layout:
    """A plain layout of these resources' records."""

    async def pieces(records: Records) -> AsyncIterator[bytes]:
        yield b'{"data":['
        comma = b""
        for resource in resources:
            async for chunk in records.stored(resource, await records.ids(resource)):
                yield comma + b",".join(row.body for row in chunk)
                comma = b","
        yield b"]}"

    return pieces
