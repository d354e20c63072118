"""Encodes pages of change feeds and of reads as the JSON of their events. Bodies are put in as they are stored.

The events are `RecordChanged` and `RecordsRead`. A body that is too large for a page with others is published alone, in
chunks of its text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from contracts.feed_cursors import FeedCursor

MAX_BODY_BYTES = 4 * 1024 * 1024
CHUNK_CHARACTERS = 2 * 1024 * 1024
"""The characters of a chunk. Their JSON is at most twice as long in characters: canonical JSON has no control
characters, and of the others only quotes and backslashes are escaped."""


@dataclass(frozen=True)
class StoredChange:
    """The last change of a record. `content_hash` and `body` (canonical JSON) are None if the record was deleted."""

    resource: str
    id: str
    sequence: int
    created_sequence: int
    content_hash: bytes | None
    updated_at: datetime | None
    read_at: int
    changed_at: datetime
    changed_by: UUID | None
    parent: str | None
    body: bytes | None


def take_page(changes: Sequence[StoredChange]) -> Sequence[StoredChange]:
    """Return the first of these changes that one page can have: none with a large body, or only one such."""
    for number, change in enumerate(changes):
        if _is_large(change):
            return changes[: max(number, 1)]
    return changes


def encode_changes(
    connection: str, end: FeedCursor, *, after: int, changes: Sequence[StoredChange], is_erased: bool = False
) -> list[bytes]:
    """Return the messages of the page that continues a connection's feed after the sequence number `after` to `end`.

    `take_page` must have cut the `changes`. There are several messages only for a body that is sent in chunks: the last
    one of them reaches `end`.
    """
    head = {"connection": connection, "feed": end.feed, "epoch": end.epoch, "after": after, "erased": is_erased}
    entries = [_build_entry(change, _get_operation(change, after)) for change in changes]
    messages = list(_add_bodies({**head, "changes": entries}, entries, changes))
    reached = [after] * (len(messages) - 1) + [end.sequence]
    return [_encode({**message, "through": through}) for message, through in zip(messages, reached, strict=True)]


def encode_state(
    connection: str, head: FeedCursor, read_id: UUID, page: int, records: Sequence[StoredChange], *, is_last: bool
) -> list[bytes]:
    """Return the messages of a page of a requested read. `take_page` must have cut the `records`.

    `head` is the point from which the feed continues the read; the last page names it.
    """
    shared = {"connection": connection, "feed": head.feed, "epoch": head.epoch, "read_id": read_id, "page": page}
    entries = [_build_entry(record, "read") for record in records]
    messages = list(_add_bodies({**shared, "records": entries}, entries, records))
    if is_last:
        messages[-1] = {**messages[-1], "changes_follow": head.sequence}
    return [_encode(message) for message in messages]


def _encode(message: Mapping[str, Any]) -> bytes:
    # The UUIDs of the database's driver are a class of their own, which orjson does not know.
    return orjson.dumps(message, default=str)


def _is_large(change: StoredChange) -> bool:
    return change.body is not None and len(change.body) > MAX_BODY_BYTES


def _get_operation(change: StoredChange, after: int) -> str:
    if change.content_hash is None:
        return "delete"
    return "create" if change.created_sequence > after else "update"


def _build_entry(change: StoredChange, operation: str) -> dict[str, Any]:
    return {
        "resource": change.resource,
        "id": change.id,
        "sequence": change.sequence,
        "operation": operation,
        "changed_at": int(change.changed_at.timestamp() * 1000),
        "changed_by": change.changed_by,
        "updated_at": change.updated_at,
        "read_at": change.read_at,
        "sha256": change.content_hash.hex() if change.content_hash else None,
        "parent": change.parent,
    }


def _add_bodies(
    message: Mapping[str, Any], entries: Sequence[dict[str, Any]], changes: Sequence[StoredChange]
) -> Iterator[Mapping[str, Any]]:
    """Yield the message with the bodies in its entries, or once for each chunk of the only body."""
    if changes and _is_large(changes[0]):
        body = changes[0].body
        assert body is not None
        text = body.decode()
        count = -(-len(text) // CHUNK_CHARACTERS)
        for number in range(count):
            chunk = text[number * CHUNK_CHARACTERS : (number + 1) * CHUNK_CHARACTERS]
            yield {**message, "chunk": {"number": number, "count": count, "text": chunk}}
        return
    for entry, change in zip(entries, changes, strict=True):
        entry["body"] = None if change.body is None else orjson.Fragment(change.body)
    yield message
