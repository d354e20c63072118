"""Cursors of change feeds are read as they were written, and nothing else is taken for one."""

from uuid import UUID

import pytest

from contracts.feed_cursors import FeedCursor

FEED = UUID("00000000-0000-4000-8000-00000000000f")


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = FeedCursor(FEED, 3, 2**62)
    assert FeedCursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        f"{FEED.hex}.1",
        f"{FEED}.1.2",
        f"{FEED.hex}.1.-2",
        f"{FEED.hex}.1.02",
        f"{FEED.hex}.1.2\n",
        f"{FEED.hex.upper()}.1.2",
        f"{FEED.hex}.1.\u0662",
        f"{FEED.hex}.1." + "9" * 20,
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        FeedCursor.decode(text)
