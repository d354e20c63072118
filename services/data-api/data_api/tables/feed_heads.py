"""How far the change feed of each connection is known to reach, from `record.changed`."""

from contracts.feed_cursors import FeedCursor


class FeedHeadTable:
    """The furthest position on each connection's feed that a message has named.

    It is known only of connections with a change since the process started. A missing one says nothing.
    """

    def __init__(self) -> None:
        self._heads: dict[str, FeedCursor] = {}

    def apply(self, connection: str, cursor: FeedCursor) -> bool:
        """Store a position, and return True. Return False if the feed is known to reach at least as far.

        A position of another feed takes the place of the stored one, because the messages of a connection keep their
        order; one of an earlier epoch does not.
        """
        stored = self._heads.get(connection)
        is_same_feed = stored is not None and stored.feed == cursor.feed
        if stored and is_same_feed and (cursor.epoch, cursor.sequence) <= (stored.epoch, stored.sequence):
            return False
        self._heads[connection] = cursor
        return True

    def get(self, connection: str) -> FeedCursor | None:
        """Return the furthest known position; None if no message has named one since the process started."""
        return self._heads.get(connection)
