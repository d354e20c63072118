"""The cursors in events, which say where a read of records continues.

Each wraps the platform's own cursor together with what the fetcher's handlers must remember.
"""

from dataclasses import dataclass
from uuid import UUID

import orjson


@dataclass(frozen=True)
class CursorState:
    """The point at which a read of records continues.

    `position` is the platform's cursor; None is the start. `attempts` counts how often the read was postponed; the
    count of a full sync restarts after progress. `read_id` is set for an incremental read that continues: the records
    that this read has published so far are stored under this id.
    """

    attempts: int = 0
    position: str | None = None
    read_id: UUID | None = None

    def encode(self) -> str:
        """Return the state as JSON text, the form in which events carry it."""
        read_id = str(self.read_id) if self.read_id else None
        return orjson.dumps({"v": 1, "attempts": self.attempts, "position": self.position, "read_id": read_id}).decode()

    @classmethod
    def decode(cls, cursor: str | None) -> "CursorState":
        """Return the state that `encode` wrote into `cursor`, or the state of the start when `cursor` is None.

        Raises `ValueError` for any other text.
        """
        if cursor is None:
            return cls()
        try:
            body = orjson.loads(cursor)
            if body["v"] != 1:
                raise ValueError(f"cursor of version {body['v']}")
            return cls(int(body["attempts"]), body["position"], UUID(body["read_id"]) if body["read_id"] else None)
        except (KeyError, TypeError) as error:
            raise ValueError("not a cursor") from error
