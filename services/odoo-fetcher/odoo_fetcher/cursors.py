"""The cursor of a full sync: how far it has come, and what was known when it began."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson

from odoo_fetcher.read_state import ReadState, decode_state
from odoo_fetcher.watched_models import SeenRow

EVERYTHING = "everything"
"""The cursor with which a read of everything begins, in place of one that has continued another full sync."""


@dataclass(frozen=True)
class RangePlace:
    """The place in an id range: behind the id `low`, up to `high` (None while it is not known), read up to `after`.

    `is_open` says that this attempt has begun, with a count. `is_last` says that no range of the resource follows.
    `sent` are the records of this attempt. `missing_before` and `missing_after` are by how much Odoo's counts, before
    and after the read, exceed what was read.
    """

    number: int = 0
    attempt: int = 1
    low: int = 0
    high: int | None = None
    after: int = 0
    is_open: bool = False
    is_last: bool = True
    sent: int = 0
    missing_before: int = 0
    missing_after: int = 0

    def begin_next_attempt(self) -> "RangePlace":
        """Return the beginning of the same range, for another attempt at it."""
        return RangePlace(self.number, self.attempt + 1, self.low, self.high, after=self.low, is_last=self.is_last)


@dataclass(frozen=True)
class ReadCursor:
    """The place of a full read.

    `state` is what was known before the first record was read. `started_at` (ms) is when
    that was asked for. `resources` are those that are
    still to be read, the first of them at `place`; `completed` has the number of ranges of each that was read.
    `ends_read` is False where only one id range is read again. A read that continues the full sync `continues` has the
    groups of the windows in which something is new, by model, and the remembered records that are gone.
    """

    state: ReadState
    started_at: int
    resources: tuple[str, ...]
    place: RangePlace = RangePlace()
    completed: Mapping[str, int] = field(default_factory=dict)
    ends_read: bool = True
    continues: UUID | None = None
    changed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    gone: Mapping[str, tuple[SeenRow, ...]] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        """The resource that is read."""
        return self.resources[0]

    def begin_next_attempt(self) -> "ReadCursor":
        """Return the cursor with which only the present id range is read again."""
        place = self.place.begin_next_attempt()
        return replace(self, resources=self.resources[:1], place=place, completed={}, ends_read=False)

    def complete_range(self) -> "ReadCursor":
        """Return the cursor behind the present id range."""
        completed = {**self.completed, self.resource: self.place.number + 1}
        if self.place.is_last or not self.ends_read:
            return replace(self, resources=self.resources[1:], place=RangePlace(), completed=completed)
        low = self.place.high or 0
        place = RangePlace(self.place.number + 1, low=low, after=low)
        return replace(self, place=place, completed=completed)

    def encode(self) -> str:
        """Return the cursor as text."""
        values = {
            "state": self.state.encode(),
            "started_at": self.started_at,
            "resources": self.resources,
            "place": self.place,
            "completed": dict(self.completed),
            "ends_read": self.ends_read,
            "continues": None if self.continues is None else str(self.continues),
            "changed": dict(self.changed),
            "gone": dict(self.gone),
        }
        return orjson.dumps(values).decode()


def decode_cursor(text: str) -> ReadCursor:
    """Return the cursor that `ReadCursor.encode` has encoded. Raises ValueError for another text."""
    values: dict[str, Any] = orjson.loads(text)
    state = decode_state(values.pop("state"))
    if state is None:
        raise ValueError("not a cursor of this service")
    continues = values.pop("continues")
    return ReadCursor(
        state=state,
        resources=tuple(values.pop("resources")),
        place=RangePlace(**values.pop("place")),
        continues=UUID(continues) if continues else None,
        changed={model: tuple(groups) for model, groups in values.pop("changed").items()},
        gone={model: tuple(map(tuple, rows)) for model, rows in values.pop("gone").items()},
        **values,
    )
