"""Counts the records of connections, again only when something has changed."""

from collections import OrderedDict
from dataclasses import dataclass

from contracts.events import ConnectionChanged
from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases
from data_api.store.heads import load_head
from data_api.store.record_counts import load_counts

MAX_CONNECTIONS = 10_000
"""Of how many connections the counts are kept in memory."""


@dataclass(frozen=True, slots=True)
class CountedRecords:
    """How many records a connection has, by resource, at the number `sequence` of its feed."""

    sequence: int
    records: dict[str, int]


class RecordCounts:
    """Keeps the latest counts of each connection for as long as its feed stands still."""

    def __init__(self, databases: ReadDatabases) -> None:
        self._databases = databases
        self._counts: OrderedDict[str, tuple[FeedCursor, CountedRecords]] = OrderedDict()

    async def count(self, connection: ConnectionChanged) -> CountedRecords | None:
        """Return the counts of a connection; None before its first full sync has succeeded."""
        name = connection.connection
        head = await load_head(self._databases, name)
        if head is None or not head.is_fully_read or head.epoch != connection.epoch:
            return None
        kept = self._counts.get(name)
        if kept is None or kept[0] != head.cursor:
            records = await load_counts(self._databases, name, reached=head.cursor)
            kept = self._counts[name] = head.cursor, CountedRecords(head.sequence, records)
        self._counts.move_to_end(name)
        if len(self._counts) > MAX_CONNECTIONS:
            self._counts.popitem(last=False)
        return kept[1]
