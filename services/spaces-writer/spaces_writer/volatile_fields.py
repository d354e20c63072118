"""Volatile fields of a record: counters, ratings, signed URLs, which change by themselves.

They are shown in the snapshot, but a difference in them is no change of the record. They are stored with every change
of the record; without one, a full read renews them at most once a UTC day, so that they cost an object at most one
upload a day.
"""

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class VolatileFields:
    """A record's volatile fields as canonical JSON, and when they were read (ms)."""

    json: str
    read_at: int


NO_VOLATILE_FIELDS = VolatileFields("{}", 0)
"""The volatile fields of a record that has none."""


def should_renew(incoming: VolatileFields, stored: VolatileFields) -> bool:
    """Whether fields read by a full read replace the stored ones: they differ, and those are of an earlier UTC day."""
    return incoming.json != stored.json and stored.read_at // DAY_MS < incoming.read_at // DAY_MS
