"""How far a link has read the change feed of one of its connections, and when it must read the whole state again.

These are the rules for readers of change feeds: pages follow each other without a gap, pages of another feed cannot be
compared, and the changes that arrive while the whole state is read are counted when the read has ended.
"""

from dataclasses import dataclass, replace
from uuid import UUID


@dataclass(frozen=True)
class FeedPosition:
    """A position on a connection's change feed.

    `sequence` is the number up to which all changes are known, once the state `is_whole`. While a read is under way,
    `read_id` is its id, and `pages_after` to `pages_through` are the pages of changes that have arrived since, as far
    as they are connected. `must_read_again` says that this read cannot be continued by the feed.
    """

    feed: UUID | None = None
    sequence: int = 0
    is_whole: bool = False
    read_id: UUID | None = None
    pages_after: int | None = None
    pages_through: int | None = None
    must_read_again: bool = False


def begin_read(position: FeedPosition, read_id: UUID) -> FeedPosition:
    """Return the position while the read `read_id` of the whole state is under way."""
    return replace(
        position, is_whole=False, read_id=read_id, pages_after=None, pages_through=None, must_read_again=False
    )


def follow_changes(position: FeedPosition, feed: UUID, after: int, through: int) -> FeedPosition | None:
    """Return the position after a page of changes; None if pages are missing before it, or it is of another feed.

    The entries of a page that is followed are applied by their own sequence numbers. While a read is under way, a page
    of another feed leads to another read, and its entries must not be applied: the returned position has that feed no
    more than before.
    """
    if position.read_id is not None:
        return _follow_during_read(position, feed, after, through)
    if feed != position.feed or after > position.sequence:
        return None
    return replace(position, sequence=max(position.sequence, through))


def _follow_during_read(position: FeedPosition, feed: UUID, after: int, through: int) -> FeedPosition:
    if position.feed not in (None, feed):
        return replace(position, must_read_again=True)
    if position.pages_after is None or position.pages_through is None or after > position.pages_through:
        # After a gap the newest pages count: whether they continue the read is seen when it has ended.
        return replace(position, feed=feed, pages_after=after, pages_through=through)
    return replace(
        position,
        feed=feed,
        pages_after=min(position.pages_after, after),
        pages_through=max(position.pages_through, through),
    )


def is_followed(position: FeedPosition, feed: UUID) -> bool:
    """Return whether the entries of a page of `feed` can be compared with what is known at this position."""
    return position.feed in (None, feed)


def follow_read(position: FeedPosition, feed: UUID, page: int) -> FeedPosition:
    """Return the position with a page of the read that is under way. The caller has compared the read's id.

    If the page is of another feed than what is known, the sequence numbers of everything known are worth nothing.
    """
    if feed == position.feed:
        return position
    is_new_midway = position.feed is not None and page > 0
    return replace(
        position,
        feed=feed,
        sequence=0,
        pages_after=None,
        pages_through=None,
        must_read_again=position.must_read_again or is_new_midway,
    )


def finish_read(position: FeedPosition, changes_follow: int) -> FeedPosition | None:
    """Return the position after the last page of a read; None if it must be read again.

    `changes_follow` is the number from which the feed continues the read.
    """
    if position.must_read_again:
        return None
    through = changes_follow
    if position.pages_after is not None and position.pages_through is not None:
        if position.pages_after > changes_follow:
            return None
        through = max(through, position.pages_through)
    return FeedPosition(position.feed, through, is_whole=True)
