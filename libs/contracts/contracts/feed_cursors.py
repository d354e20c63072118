"""The cursors of change feeds: how far a reader has read the changes of one connection."""

import re
from dataclasses import dataclass
from uuid import UUID

CURSOR_PATTERN = r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,18})"
"""A regular expression for cursors as text."""
MAX_SEQUENCE = 2**63 - 1
"""The greatest sequence number that can be stored."""
_CURSOR = re.compile(CURSOR_PATTERN, re.ASCII)


@dataclass(frozen=True)
class FeedCursor:
    """A position on the change feed of one connection: after the change with the number `sequence`.

    Positions of another feed or another epoch cannot be compared with it.
    """

    feed: UUID
    epoch: int
    sequence: int

    def encode(self) -> str:
        """Return the cursor as text: `<feed>.<epoch>.<sequence>`, which needs no escaping in an address."""
        return f"{self.feed.hex}.{self.epoch}.{self.sequence}"

    @classmethod
    def decode(cls, text: str) -> "FeedCursor":
        """Return the cursor that `encode` wrote. Raises `ValueError` for any other text."""
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[3]) > MAX_SEQUENCE:
            raise ValueError("not a cursor")
        return cls(UUID(hex=match[1]), int(match[2]), int(match[3]))
