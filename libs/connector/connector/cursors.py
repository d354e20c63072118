"""The cursors that travel in events: the lanes' own envelope around the platform's opaque place."""

from dataclasses import dataclass
from uuid import UUID

import orjson


@dataclass(frozen=True)
class CursorState:
    """Where work goes on: `at` is the platform's cursor (None: the start), `tries` how often it was put off.

    A records fetch that goes on keeps its `source`, for what it has listed so far is listed under that.
    """

    attempts: int = 0
    position: str | None = None
    read_id: UUID | None = None

    def encode(self) -> str:
        """The cursor as events carry it."""
        read_id = str(self.read_id) if self.read_id else None
        return orjson.dumps({"v": 1, "attempts": self.attempts, "position": self.position, "read_id": read_id}).decode()

    @classmethod
    def decode(cls, cursor: str | None) -> "CursorState":
        """The place in a cursor; None is the start. Raises `ValueError` for what is no cursor of ours."""
        if cursor is None:
            return cls()
        try:
            body = orjson.loads(cursor)
            if body["v"] != 1:
                raise ValueError(f"cursor of version {body['v']}")
            return cls(int(body["attempts"]), body["position"], UUID(body["read_id"]) if body["read_id"] else None)
        except (KeyError, TypeError) as error:
            raise ValueError("not a cursor") from error
