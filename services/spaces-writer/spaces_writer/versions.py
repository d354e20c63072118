"""Decides which of two readings of a record is the newer one, and whether it replaces the stored one.

Readings are compared by `updated_at`, the time of the last change according to the platform. If these times are equal,
the readings are compared by `read_at`, the time of the reading. Tombstones (readings that found no record) and records
without `updated_at` are compared by `read_at` alone.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

INDISTINGUISHABLE_MS = 5_000
"""The order of two different readings with the same `updated_at` is unknown if their `read_at` differ by less than
this, because the clocks of workers differ. The record is then read again, until two readings agree. The same holds if
one of two readings found the record and the other one did not."""


class Disposition(Enum):
    """The effect of an incoming reading on the stored record. STALE means that a newer reading is already stored."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DELETED = "deleted"


@dataclass(frozen=True)
class Version:
    """The version of a record in one reading. `read_at` is in milliseconds since 1970.

    `content_hash` is the hash of the canonical body, or None for a tombstone (a reading that found no record).
    """

    updated_at: datetime | None
    read_at: int
    content_hash: bytes | None


@dataclass(frozen=True)
class VersionComparison:
    """The result of comparing an incoming version with the stored one.

    `needs_verification` says that the record must be read again, because the order of the two versions is unknown.
    """

    disposition: Disposition
    replaces_stored: bool
    needs_verification: bool = False


@dataclass(frozen=True)
class DispositionCounts:
    """How many readings changed the stored record, left it unchanged, were stale, or marked it as deleted.

    `records` is the sum. A reading is stale if a newer and different one is already stored.
    """

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
    """Count readings of records by their disposition (their effect on the stored record)."""
    counts = Counter(dispositions)
    return DispositionCounts(
        records=counts.total(),
        changed=counts[Disposition.CHANGED],
        unchanged=counts[Disposition.UNCHANGED],
        stale=counts[Disposition.STALE],
        deleted=counts[Disposition.DELETED],
    )


def compare_versions(incoming: Version, stored: Version | None) -> VersionComparison:
    """Decide whether the `incoming` version of a record replaces the `stored` one, and what that changes.

    `stored` is None if the record was never stored.
    """
    if stored is None:
        return VersionComparison(_get_disposition_of_newer(incoming, None), replaces_stored=True)
    needs_verification = _is_undecidable(incoming, stored)
    if _is_older(incoming, stored):
        is_equal = incoming.content_hash == stored.content_hash
        disposition = Disposition.UNCHANGED if is_equal else Disposition.STALE
        return VersionComparison(disposition, replaces_stored=False, needs_verification=needs_verification)
    return VersionComparison(
        _get_disposition_of_newer(incoming, stored), replaces_stored=True, needs_verification=needs_verification
    )


def _get_disposition_of_newer(incoming: Version, stored: Version | None) -> Disposition:
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
