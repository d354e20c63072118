"""Decides when the volatile fields of a record are stored. Volatile fields change by themselves: counters, signed URLs.

The snapshot shows the volatile fields, but a difference in them does not count as a change of the record. New values
are stored whenever the record changes. If the record does not change, a full read stores new values at most once a day
(UTC), so that they cause at most one upload of the object a day.
"""

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class VolatileFields:
    """A record's volatile fields (they change without an edit) as canonical JSON, and when they were read (ms)."""

    json: str
    read_at: int


NO_VOLATILE_FIELDS = VolatileFields("{}", 0)
"""The volatile fields of a record that has none."""


def should_renew(incoming: VolatileFields, stored: VolatileFields) -> bool:
    """Return whether the volatile fields that a full read found replace the stored ones.

    They do if they differ from the stored ones and were read on a later day (UTC).
    """
    return incoming.json != stored.json and stored.read_at // DAY_MS < incoming.read_at // DAY_MS
