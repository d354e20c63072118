"""The events of a stream of changes, as bytes that are the same for all streams with the same options."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.events import SyncState
from contracts.feed_cursors import FeedCursor
from data_api.representations import Fields, build_change, build_sync, encode_json
from data_api.server_sent_events import encode_event


class StreamOptions(NamedTuple):
    """What a reader wants of the changes: of some resources only (None: of all), and with their data or without."""

    resources: frozenset[str] | None = None
    with_data: bool = True


def encode_changes(rows: Iterable[Fields], after: FeedCursor, options: StreamOptions) -> bytes:
    """Return an event `change` for each row that the reader wants, with the cursor after it as id."""
    return b"".join(
        encode_event(
            "change",
            encode_json(build_change(row, after.sequence, with_data=options.with_data)),
            event_id=FeedCursor(after.feed, after.epoch, row["sequence"]).encode(),
        )
        for row in rows
        if options.resources is None or row["resource"] in options.resources
    )


def encode_syncs(connection: str, syncs: Iterable[SyncState]) -> bytes:
    """Return an event `sync` with the state of each sync. They have no ids: they are no part of the feed."""
    return b"".join(encode_event("sync", encode_json(build_sync(connection, sync))) for sync in syncs)


def encode_end(reason: str, cursor: FeedCursor) -> bytes:
    """Return the event `end`: why the stream ends, and the cursor from which the reader can go on."""
    return encode_event("end", encode_json({"reason": reason, "cursor": cursor.encode()}), event_id=cursor.encode())


def encode_reset(restart: str) -> bytes:
    """Return the event `reset`: the reader's copy cannot be brought up to date by changes, but must be read anew.

    `restart` is the address of the head from which changes follow the new copy.
    """
    return encode_event("reset", encode_json({"status": "reset", "restart": restart}))
