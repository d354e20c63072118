"""Joins the chunks of a chunked record: a record that is too large for one message and is published in chunks."""

from collections.abc import Mapping
from typing import Any

from contracts.events import Record


def join_chunks(chunks: Mapping[str | None, Record]) -> Record | None:
    """Return the whole record that was published in these chunks, or None while a chunk is missing.

    `chunks` maps the cursor of each chunk (its position in the record) to the chunk. The first chunk has the cursor
    None, and each chunk names the cursor of the next one. Chunks that no other chunk names are ignored: a step of a
    sync that ran twice may have cut the record differently. The whole record has the `read_at` of the first chunk.
    """
    first = chunks.get(None)
    if first is None or first.chunk is None or first.body is None:
        return None
    body, lookup_values = first.body, dict(first.lookup_values)
    current = first
    while current.chunk is not None and not current.chunk.is_last:
        following = chunks.get(current.chunk.next_cursor)
        if following is None or following.chunk is None:
            return None
        _append_items(body, following.chunk.path, following.items)
        for field, values in following.lookup_values.items():
            lookup_values[field] = (*lookup_values.get(field, ()), *values)
        current = following
    return first.model_copy(update={"body": body, "lookup_values": lookup_values, "chunk": None})


def _append_items(body: dict[str, Any], path: tuple[str, ...], items: tuple[Any, ...]) -> None:
    target: Any = body
    for key in path:
        target = target[key]
    target.extend(items)
