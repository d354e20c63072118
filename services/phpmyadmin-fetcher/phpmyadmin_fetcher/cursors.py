"""The cursor of a full sync: how far a table has been read, and what the read began with."""

from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from phpmyadmin_fetcher.measures import ReadState, decode_state
from platforms.phpmyadmin.columns import TableDescription
from platforms.phpmyadmin.statements import KeyPosition


@dataclass(frozen=True)
class ReadCursor:
    """The place of a read in a table.

    `state` is what was known of the table before the first row was read. `started_at` is in ms, of the fetcher's clock.
    `continues` and `since` belong to a read of the changes alone: the full sync that it continues, and the latest
    change that was known then. `sent` counts the rows of this attempt, `hashes` are the sums of their
    hashes. `ends_read` is False where only the id range is read again, because rows of it have not arrived.
    """

    state: ReadState
    started_at: int
    attempt: int = 1
    after: tuple[str, ...] = ()
    sent: int = 0
    hashes: tuple[str, str] = ("0", "0")
    zero_dates: int = 0
    ends_read: bool = True
    continues: UUID | None = None
    since: str = ""

    @property
    def position(self) -> KeyPosition | None:
        """The key of the row that was read last; None at the beginning."""
        return KeyPosition(self.after) if self.after else None

    def advance(
        self, position: KeyPosition | None, rows: int, hashes: tuple[int, int], zero_dates: int
    ) -> "ReadCursor":
        """Return the cursor behind further rows, the last of which has the key `position`. `hashes` are their sums."""
        first, second = (str(int(text) + number) for text, number in zip(self.hashes, hashes, strict=True))
        return replace(
            self,
            after=position.values if position is not None else self.after,
            sent=self.sent + rows,
            hashes=(first, second),
            zero_dates=self.zero_dates + zero_dates,
        )

    def begin_next_attempt(self) -> "ReadCursor":
        """Return the cursor with which the same rows are read once more, because some have not arrived."""
        began = ReadCursor(self.state, self.started_at, continues=self.continues, since=self.since)
        return replace(began, attempt=self.attempt + 1, ends_read=False)

    def restart(self, table: TableDescription) -> "ReadCursor":
        """Return the cursor at the beginning of a table whose columns have changed while it was read.

        All rows are read then, and nothing is known for the next full sync.
        """
        state = ReadState(digest=table.digest, full_at=table.read_at, read_at=table.read_at)
        return ReadCursor(state, self.started_at, attempt=self.attempt + 1, ends_read=self.ends_read)

    def read_everything(self) -> "ReadCursor":
        """Return the cursor with which all rows are read, by a read of its own, in place of the changes alone."""
        state = ReadState(digest=self.state.digest, full_at=self.state.read_at, read_at=self.state.read_at)
        return ReadCursor(state, self.started_at)

    def encode(self) -> str:
        """Return the cursor as text."""
        return orjson.dumps({**asdict(self), "state": self.state.encode()}).decode()


def decode_cursor(text: str) -> ReadCursor:
    """Return the cursor that `ReadCursor.encode` has encoded. Raises ValueError for another text."""
    values: dict[str, Any] = orjson.loads(text)
    state = decode_state(values.pop("state"))
    if state is None:
        raise ValueError("not a cursor of this service")
    continues, after, hashes = values.pop("continues"), tuple(values.pop("after")), tuple(values.pop("hashes"))
    return ReadCursor(
        state=state, continues=UUID(continues) if continues else None, after=after, hashes=hashes, **values
    )
