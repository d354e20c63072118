"""Builds the messages: what has changed since the one before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from contracts.feed_cursors import FeedCursor
from data_api.addresses import build_connection_path, build_restart
from data_api.representations import build_change, encode_json
from data_api.store.changes import find_position
from data_api.store.databases import Row
from data_api.store.records import RowPage
from data_api.webhook_endpoints import ENDPOINT_TEST, FEED_RESET, RECORDS_CHANGED, NewMessage

MAX_BYTES = 256 * 1024
"""The size of a message's body, at most."""
MAX_LISTED = 250
"""How many changes a message lists."""
MAX_CHANGES = 2000
"""How many changes a message without records counts."""
_ENVELOPE_BYTES = 8 * 1024
"""Room for what is around the changes: a connection's name, two cursors, and a count for each resource."""


def build_changes_message(
    connection: str, after: FeedCursor, page: RowPage, now: datetime, *, is_full: bool
) -> NewMessage:
    """Return the message about a page of changes: all of them, or with records as many as there is room for.

    `page` has at least one change, and with `is_full` the records.
    """
    listed, taken = _list_changes(page.rows, after.sequence, is_full=is_full)
    if is_full and taken < len(page.rows):
        page = replace(page, rows=page.rows[:taken], has_more=True)
    through = find_position(page)
    counts = dict(Counter(row["resource"] for row in page.rows))
    data = {
        "connection": connection,
        "after": after.encode(),
        "cursor": through.encode(),
        "changes_url": f"{build_connection_path(connection)}/changes?cursor={after.encode()}",
        "counts": counts,
        "changes": listed,
        "has_all_changes": taken == len(page.rows),
    }
    return _build(RECORDS_CHANGED, after, through, counts, data, now)


def build_reset_message(connection: str, after: FeedCursor, head: FeedCursor, now: datetime) -> NewMessage:
    """Return the message that says that the feed cannot go on from `after`, and that copies must be read anew."""
    data = {"connection": connection, "cursor": head.encode(), "restart": build_restart(connection)}
    return _build(FEED_RESET, after, head, {}, data, now)


def build_test_message(connection: str, now: datetime) -> NewMessage:
    """Return a message for trying out an endpoint."""
    return _build(ENDPOINT_TEST, None, None, {}, {"connection": connection}, now)


def _list_changes(rows: Sequence[Row], after: int, *, is_full: bool) -> tuple[list[orjson.Fragment], int]:
    """Return the changes as JSON, as many as a message lists, and how many these are.

    A record that alone is too large is left out of its change, which then has no `data`.
    """
    listed: list[orjson.Fragment] = []
    room = MAX_BYTES - _ENVELOPE_BYTES
    for row in rows[:MAX_LISTED]:
        encoded = encode_json(build_change(row, after, with_data=is_full))
        if len(encoded) > room and not listed:
            encoded = encode_json(build_change(row, after, with_data=False))
        if len(encoded) > room:
            break
        room -= len(encoded) + 1
        listed.append(orjson.Fragment(encoded))
    return listed, len(listed)


def _build(
    kind: str,
    after: FeedCursor | None,
    through: FeedCursor | None,
    counts: dict[str, int],
    data: dict[str, Any],
    now: datetime,
) -> NewMessage:
    body = encode_json({"type": kind, "timestamp": now, "data": data})
    return NewMessage(uuid4(), kind, after, through, counts, body)
