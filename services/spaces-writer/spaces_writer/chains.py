"""Records that came in parts: pieces of one reading join, gapless, from the first to the last."""

from collections.abc import Mapping
from typing import Any

from contracts.events import Record


def join(pieces: Mapping[str | None, Record]) -> Record | None:
    """The whole record from its pieces by start cursor, or None while a piece is missing.

    `read_at` is the first piece's. A piece said twice with another cut replaces the earlier one; the chain follows
    the cursors, so pieces that the chain no longer reaches are passed over.
    """
    first = pieces.get(None)
    if first is None or first.chunk is None or first.body is None:
        return None
    body = first.body
    piece = first
    while piece.chunk is not None and not piece.chunk.is_last:
        following = pieces.get(piece.chunk.next_cursor)
        if following is None or following.chunk is None:
            return None
        _extend(body, following.chunk.path, following.items)
        piece = following
    return first.model_copy(update={"body": body, "chunk": None})


def _extend(body: dict[str, Any], path: tuple[str, ...], items: tuple[Any, ...]) -> None:
    target: Any = body
    for key in path:
        target = target[key]
    target.extend(items)
