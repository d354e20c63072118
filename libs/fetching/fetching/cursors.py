"""The cursors that travel in events: the lanes' own envelope around the platform's opaque place."""

from dataclasses import dataclass
from uuid import UUID

import orjson


@dataclass(frozen=True)
class Place:
    """Where work goes on: `at` is the platform's cursor (None: the start), `tries` how often it was put off.

    A records fetch that goes on keeps its `source`, for what it has listed so far is listed under that.
    """

    tries: int = 0
    at: str | None = None
    source: UUID | None = None

    def encoded(self) -> str:
        """The cursor as events carry it."""
        source = str(self.source) if self.source else None
        return orjson.dumps({"v": 1, "tries": self.tries, "at": self.at, "source": source}).decode()

    @classmethod
    def decoded(cls, cursor: str | None) -> "Place":
        """The place in a cursor; None is the start. Raises `ValueError` for what is no cursor of ours."""
        if cursor is None:
            return cls()
        try:
            body = orjson.loads(cursor)
            if body["v"] != 1:
                raise ValueError(f"cursor of version {body['v']}")
            return cls(int(body["tries"]), body["at"], UUID(body["source"]) if body["source"] else None)
        except (KeyError, TypeError) as error:
            raise ValueError("not a cursor") from error
