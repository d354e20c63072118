"""How many rows of a table are asked for at once: more while answers are quick and small, fewer where they are not."""

FIRST_ROWS, MAX_ROWS = 500, 10_000
SLOW_SECONDS, LARGE_BYTES = 2.0, 4 * 1024 * 1024
"""An answer that takes longer or is larger halves the number."""


class RangeSizes:
    """The number of rows to ask for, by connection: `first_rows`, then at most `max_rows`.

    It is forgotten with the process.
    """

    def __init__(self, *, first_rows: int = FIRST_ROWS, max_rows: int = MAX_ROWS) -> None:
        self._first_rows = min(first_rows, max_rows)
        self._max_rows = max_rows
        self._rows: dict[str, int] = {}

    def get(self, connection: str) -> int:
        """Return how many rows to ask for."""
        return self._rows.get(connection, self._first_rows)

    def adjust(self, connection: str, *, seconds: float, size: int) -> None:
        """Take in how long the last answer took, and how large it was in bytes."""
        rows = self.get(connection)
        if seconds > SLOW_SECONDS or size > LARGE_BYTES:
            self._rows[connection] = max(1, rows // 2)
        elif seconds < SLOW_SECONDS / 2 and size < LARGE_BYTES / 2:
            self._rows[connection] = min(self._max_rows, rows * 2)

    def shrink(self, connection: str) -> bool:
        """Ask for far fewer rows, after an answer that was not whole. Return False if one row is asked for already."""
        rows = self.get(connection)
        self._rows[connection] = max(1, rows // 4)
        return rows > 1
