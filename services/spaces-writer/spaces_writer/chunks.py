"""Chunked records: the chunks of one reading are joined, without a gap, from the first to the last."""

from collections.abc import Mapping
from typing import Any

from contracts.events import Record


def join_chunks(chunks: Mapping[str | None, Record]) -> Record | None:
    """Join the whole record from its `chunks` by cursor; None while a chunk is missing.

    `read_at` is the first chunk's. A step that runs twice may cut the record differently, and a chunk with the same
    cursor then replaces the earlier one. Only the chunks that the cursors lead to are used; others are ignored.
    """
    first = chunks.get(None)
    if first is None or first.chunk is None or first.body is None:
        return None
    body = first.body
    current = first
    while current.chunk is not None and not current.chunk.is_last:
        following = chunks.get(current.chunk.next_cursor)
        if following is None or following.chunk is None:
            return None
        _append_items(body, following.chunk.path, following.items)
        current = following
    return first.model_copy(update={"body": body, "chunk": None})


def _append_items(body: dict[str, Any], path: tuple[str, ...], items: tuple[Any, ...]) -> None:
    target: Any = body
    for key in path:
        target = target[key]
    target.extend(items)
