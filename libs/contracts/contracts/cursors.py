"""The cursors in events, which say where a read of records continues.

Each wraps the platform's own cursor together with what the fetcher's handlers must remember.
"""

from dataclasses import dataclass
from uuid import UUID

import orjson

from contracts.events import RecordIds


@dataclass(frozen=True)
class CursorState:
    """The point at which a read of records continues.

    `position` is the platform's cursor; None is the start. `attempts` counts how often the read was postponed; the
    count of a full sync restarts after progress. `read_id` is set for an incremental read that continues: the records
    that this read has published so far are stored under this id. `records` is set for a step of a full sync that reads
    these records directly, instead of reading on.
    """

    attempts: int = 0
    position: str | None = None
    read_id: UUID | None = None
    records: RecordIds | None = None

    def encode(self) -> str:
        """Return the state as JSON text, the form in which events carry it."""
        read_id = str(self.read_id) if self.read_id else None
        body: dict[str, object] = {"v": 1, "attempts": self.attempts, "position": self.position, "read_id": read_id}
        if self.records is not None:
            body["records"] = {resource: sorted(ids) for resource, ids in sorted(self.records.items())}
        return orjson.dumps(body).decode()

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
            read_id = UUID(body["read_id"]) if body["read_id"] else None
            records = body.get("records")
            if records is not None:
                records = {resource: tuple(ids) for resource, ids in records.items()}
            return cls(int(body["attempts"]), body["position"], read_id, records)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("not a cursor") from error
