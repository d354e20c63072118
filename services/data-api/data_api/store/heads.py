"""The head of a connection's change feed: where it is now, and whether there is anything to read yet."""

from dataclasses import dataclass
from uuid import UUID

from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases, Row

COLUMNS = "h.feed, h.epoch, h.head, h.erased_sequence, h.fully_read"
"""The columns with which the rows of every statement begin. `h` is the connection's row of the view `snapshots`."""

_LOAD = f"SELECT {COLUMNS} FROM snapshots AS h WHERE h.connection = $1"


@dataclass(frozen=True, slots=True)
class Head:
    """What a database says about the change feed of a connection at one moment."""

    feed: UUID
    epoch: int
    sequence: int
    """The number of the last change."""
    erased_sequence: int
    """The number at which all data of the connection was deleted; 0 if it never was."""
    is_fully_read: bool
    """Whether a full sync has succeeded since the account was connected."""

    @property
    def cursor(self) -> FeedCursor:
        """The position after the last change."""
        return FeedCursor(self.feed, self.epoch, self.sequence)

    def can_resume(self, cursor: FeedCursor) -> bool:
        """Return whether the changes after `cursor` may be read and are all that a reader who stands there lacks."""
        return (
            self.is_fully_read
            and cursor.feed == self.feed
            and cursor.epoch == self.epoch
            and self.erased_sequence <= cursor.sequence <= self.sequence
        )


def parse_head(row: Row) -> Head:
    """Return the head in a row of any statement of this package."""
    return Head(row["feed"], row["epoch"], row["head"], row["erased_sequence"], row["fully_read"])


async def load_head(databases: ReadDatabases, connection: str) -> Head | None:
    """Return the connection's head as the primary knows it; None where the spaces-writer does not know it."""
    rows = await databases.fetch_latest(_LOAD, connection)
    return parse_head(rows[0]) if rows else None
