"""The window of a model: its latest changes, remembered so that each of them is read once.

`write_date` is when the transaction that wrote a record began. A long one appears late, with an early time, so that
nothing may be believed to be over until OVERLAP_SECONDS later. Until then every look reads the ids and times of all
records in the window again. By sums of their hashes, in groups of ids, it finds those that it has not seen.
"""

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

OVERLAP_SECONDS = 600
"""How long a transaction of Odoo may take."""
SETTLED_SECONDS = OVERLAP_SECONDS + 60
"""After this time, everything that was written before a look has been committed: a minute for what clocks round."""
GROUPS = 128
MAX_REMEMBERED = 100
"""How many records of a window are remembered by their ids, which shows that one of them was deleted."""
_SUMS = struct.Struct(f">{GROUPS}I")
_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Window:
    """What is known of a model's latest changes.

    All records with a `write_date` before `since` (as Odoo writes it; empty for the beginning of time) were read as
    they are. `latest` is the latest `write_date` that was known at `seen_at` (Unix time, s, of the fetcher's clock).
    `sums` are those of the records from `since` on, by group. `recent` are these records themselves, with ids in their
    fields, as `WatchedModel.select` returns them; empty where they are too many.
    """

    since: str
    seen_at: float
    latest: str
    sums: tuple[int, ...] = (0,) * GROUPS
    recent: tuple[tuple[int, ...], ...] = ()

    def encode(self) -> list[object]:
        """Return the window as values of JSON."""
        packed = base64.b85encode(zlib.compress(_SUMS.pack(*self.sums), 9)).decode()
        return [self.since, round(self.seen_at), self.latest, packed, self.recent]


def decode_window(values: list[object]) -> Window:
    """Return the window that `Window.encode` has encoded. Raises ValueError or TypeError for other values."""
    since, seen_at, latest, packed, recent = values
    if not isinstance(seen_at, int | float) or not isinstance(recent, list):
        raise TypeError("not a window")
    try:
        sums = _SUMS.unpack(zlib.decompress(base64.b85decode(str(packed))))
    except (zlib.error, struct.error) as error:
        raise ValueError("not the sums of a window") from error
    return Window(str(since), seen_at, str(latest), sums, tuple(tuple(row) for row in recent))


def open_window(latest: str, now: float) -> Window:
    """Return the window of a model of which all records are about to be read.

    `latest` is the latest `write_date`, empty where there is no record.
    """
    since = _shift(latest, -OVERLAP_SECONDS) if latest else ""
    return Window(since, now, latest)


@dataclass
class WindowLook:
    """A look at the records of a window, at the time `now`. What it has seen becomes the next window."""

    before: Window
    now: float
    remembers: bool = True
    _latest: str = field(init=False, default="")
    _old_sums: list[int] = field(init=False, default_factory=lambda: [0] * GROUPS)
    _new_sums: list[int] = field(init=False, default_factory=lambda: [0] * GROUPS)
    _recent: list[tuple[int, ...]] = field(init=False, default_factory=list)
    _gone: dict[int, tuple[int, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Expect the records that are remembered."""
        self._gone.update({row[0]: row for row in self.before.recent})

    @property
    def next_since(self) -> str:
        """From where on the next look reads."""
        if self.before.latest and self.now - self.before.seen_at >= SETTLED_SECONDS:
            return max(self.before.since, _shift(self.before.latest, 1))
        return self.before.since

    def add(self, rows: Iterable[tuple[tuple[int, ...], str]]) -> None:
        """Take in records, each with its id and the ids in its fields, and its `write_date`."""
        next_since = self.next_since
        for row, written in rows:
            group, number = get_group(row[0]), _hash(row[0], written)
            self._gone.pop(row[0], None)
            self._latest = max(self._latest, written)
            self._old_sums[group] = (self._old_sums[group] + number) % 2**32
            if written >= next_since:
                self._new_sums[group] = (self._new_sums[group] + number) % 2**32
                if self.remembers and len(self._recent) <= MAX_REMEMBERED:
                    self._recent.append(row)

    def find_changed_groups(self) -> frozenset[int]:
        """Return the groups in which something is new. All records of the window must have been taken in."""
        pairs = zip(self._old_sums, self.before.sums, strict=True)
        return frozenset(group for group, (seen, known) in enumerate(pairs) if seen != known)

    def list_gone(self) -> list[tuple[int, ...]]:
        """Return the remembered records that are gone: a time only rises, so they cannot have left the window."""
        return list(self._gone.values())

    def build_next(self) -> Window:
        """Return the window for the next look, once everything that is new in this one was read."""
        moved = self.next_since != self.before.since or not self.before.latest
        latest = max(self._latest, self.before.latest)
        recent = tuple(self._recent) if len(self._recent) <= MAX_REMEMBERED else ()
        if moved:
            return Window(self.next_since, self.now, latest, tuple(self._new_sums), recent)
        return Window(self.before.since, self.before.seen_at, self.before.latest, tuple(self._new_sums), recent)


def get_group(record_id: int) -> int:
    """Return the group of a record."""
    return record_id % GROUPS


def _hash(record_id: int, written: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{record_id} {written}".encode(), digest_size=4).digest())


def _shift(written: str, seconds: int) -> str:
    """Return a time of Odoo, some seconds later."""
    return (datetime.strptime(written[:19], _FORMAT) + timedelta(seconds=seconds)).strftime(_FORMAT)
