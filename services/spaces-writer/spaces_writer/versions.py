"""Which of two readings of a record is the newer one, and what that means for the index.

A version is (`updated_at`, `read_at`): the record's own time of change where the platform has one, then the time of
reading. Tombstones, and records without a time of their own, are compared by the time of reading alone.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

INDISTINGUISHABLE_MS = 5_000
"""Two different readings with the same `updated_at` whose times of reading are closer than this cannot be ordered,
because workers' clocks differ: the record is read again until two readings agree. The same holds for a reading that
found the record and one that did not."""


class Disposition(Enum):
    """What happens to an incoming reading of a record."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DELETED = "deleted"


@dataclass(frozen=True)
class Version:
    """One reading of a record. `content_hash` is the hash of its canonical body, None for a tombstone."""

    updated_at: datetime | None
    read_at: int
    content_hash: bytes | None


@dataclass(frozen=True)
class VersionComparison:
    """The disposition of a reading, whether its version replaces the stored one, and whether the record must be read
    again."""

    disposition: Disposition
    replaces_stored: bool
    needs_verification: bool = False


@dataclass(frozen=True)
class DispositionCounts:
    """How many records had which disposition."""

    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    deleted: int = 0

    def __add__(self, other: "DispositionCounts") -> "DispositionCounts":
        return DispositionCounts(
            self.records + other.records,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.stale + other.stale,
            self.deleted + other.deleted,
        )


def count_dispositions(dispositions: Iterable[Disposition]) -> DispositionCounts:
    """Count records by their disposition."""
    counts = Counter(dispositions)
    return DispositionCounts(
        records=counts.total(),
        changed=counts[Disposition.CHANGED],
        unchanged=counts[Disposition.UNCHANGED],
        stale=counts[Disposition.STALE],
        deleted=counts[Disposition.DELETED],
    )


def compare_versions(incoming: Version, stored: Version | None) -> VersionComparison:
    """Compare `incoming` with the `stored` version; None means that the record was never seen."""
    if stored is None:
        return VersionComparison(_get_disposition(incoming, None), replaces_stored=True)
    needs_verification = _is_undecidable(incoming, stored)
    if _is_older(incoming, stored):
        is_equal = incoming.content_hash == stored.content_hash
        disposition = Disposition.UNCHANGED if is_equal else Disposition.STALE
        return VersionComparison(disposition, replaces_stored=False, needs_verification=needs_verification)
    return VersionComparison(
        _get_disposition(incoming, stored), replaces_stored=True, needs_verification=needs_verification
    )


def _get_disposition(incoming: Version, stored: Version | None) -> Disposition:
    if stored is not None and incoming.content_hash == stored.content_hash:
        return Disposition.UNCHANGED
    if incoming.content_hash is None:
        return Disposition.DELETED if stored is not None else Disposition.UNCHANGED
    return Disposition.CHANGED


def _is_older(incoming: Version, stored: Version) -> bool:
    both_exist = incoming.content_hash is not None and stored.content_hash is not None
    if both_exist and incoming.updated_at and stored.updated_at and incoming.updated_at != stored.updated_at:
        return incoming.updated_at < stored.updated_at
    return incoming.read_at < stored.read_at


def _is_undecidable(incoming: Version, stored: Version) -> bool:
    if incoming.content_hash == stored.content_hash:
        return False
    both_exist = incoming.content_hash is not None and stored.content_hash is not None
    if both_exist and incoming.updated_at != stored.updated_at:
        return False
    return abs(incoming.read_at - stored.read_at) < INDISTINGUISHABLE_MS
