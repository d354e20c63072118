"""What moves by itself in a record: counters, ratings, signed addresses.

It is shown beside the body and is no change of the record: it goes along with every change, and on its own a walk
renews it, once a UTC day, so that it costs an object at most one upload a day.
"""

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Volatile:
    """Canonical JSON of a record's volatile values, and when they were read (ms)."""

    shown: str
    taken_at: int


NONE = Volatile("{}", 0)
"""Of a record that has none."""


def renews(read: Volatile, stored: Volatile) -> bool:
    """Whether what a walk has read takes the place of what is stored: it differs, and that is of an earlier UTC day."""
    return read.shown != stored.shown and stored.taken_at // DAY_MS < read.taken_at // DAY_MS
