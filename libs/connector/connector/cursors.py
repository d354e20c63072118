"""The cursors in events: what the handlers keep, around the platform's own opaque cursor."""

from dataclasses import dataclass
from uuid import UUID

import orjson


@dataclass(frozen=True)
class CursorState:
    """Where work continues: `position` is the platform's cursor (None: the start), `attempts` how often it was
    postponed.

    An incremental read that continues keeps its `read_id`, under which the records read so far are listed.
    """

    attempts: int = 0
    position: str | None = None
    read_id: UUID | None = None

    def encode(self) -> str:
        """Return the cursor as events carry it."""
        read_id = str(self.read_id) if self.read_id else None
        return orjson.dumps({"v": 1, "attempts": self.attempts, "position": self.position, "read_id": read_id}).decode()

    @classmethod
    def decode(cls, cursor: str | None) -> "CursorState":
        """Return the state in a cursor; None is the start. Raises ValueError for text that is no such cursor."""
        if cursor is None:
            return cls()
        try:
            body = orjson.loads(cursor)
            if body["v"] != 1:
                raise ValueError(f"cursor of version {body['v']}")
            return cls(int(body["attempts"]), body["position"], UUID(body["read_id"]) if body["read_id"] else None)
        except (KeyError, TypeError) as error:
            raise ValueError("not a cursor") from error
