"""Compares positions on the feed of one connection."""

from contracts.feed_cursors import FeedCursor


def is_behind(position: FeedCursor, noticed: FeedCursor | None) -> bool:
    """Return whether `noticed` may be news to a reader who stands at `position`: of another feed or epoch it is."""
    if noticed is None:
        return False
    if (position.feed, position.epoch) != (noticed.feed, noticed.epoch):
        return True
    return position.sequence < noticed.sequence


def choose_reached(position: FeedCursor, noticed: FeedCursor | None) -> FeedCursor:
    """Return what a database must have reached to answer a reader at `position`: what was noticed, if that is later."""
    return noticed if noticed is not None and is_behind(position, noticed) else position
