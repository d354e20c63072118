"""Decides when a record whose `updated_at` has gone back at the platform replaces the stored version.

A platform that restores a record, or repairs a wrong clock, may give it an earlier `updated_at` than before. One such
reading proves nothing, because it may come from a replica that lags behind. Two equal ones a minute apart, both taken
after the stored version was read, are believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from spaces_writer.versions import Disposition, Version, VersionComparison

CONFIRM_AFTER_MS = 60_000
"""How far apart the two readings must be, in ms: replicas hardly ever lag for longer."""
MAX_NAMED_IDS = 5


@dataclass(frozen=True)
class Rollback:
    """The latest reading of a record with an earlier `updated_at` than the stored version.

    `confirmed_at` (ms) is when the last such reading was taken that has replaced a stored version; None if there is
    none. Readings that were taken before are older than what is stored, whatever their `updated_at` is.
    """

    version: Version
    confirmed_at: int | None = None


class RollbackCheck(Enum):
    """What a reading means for the `updated_at` of its record.

    NONE: it has not gone back. SUSPECTED: it has, and the record must be read again after CONFIRM_AFTER_MS. KNOWN: it
    has, and this will be done already. CONFIRMED: it has, for the second time. OUTDATED: the reading was taken before
    the last confirmed one.
    """

    NONE = "none"
    SUSPECTED = "suspected"
    KNOWN = "known"
    CONFIRMED = "confirmed"
    OUTDATED = "outdated"


def check_rollback(incoming: Version, stored: Version | None, known: Rollback | None) -> RollbackCheck:
    """Compare a reading with the stored version, and with what is `known` of earlier readings that went back."""
    if known is not None and known.confirmed_at is not None and incoming.read_at < known.confirmed_at:
        return RollbackCheck.OUTDATED
    if stored is None or not _has_gone_back(incoming, stored):
        return RollbackCheck.NONE
    if known is None or known.version.read_at <= stored.read_at or not _are_equal(incoming, known.version):
        return RollbackCheck.SUSPECTED
    if incoming.read_at == known.version.read_at:
        # The same reading, delivered again: the request to read the record again may have been lost.
        return RollbackCheck.SUSPECTED
    is_confirmed = incoming.read_at - known.version.read_at >= CONFIRM_AFTER_MS
    return RollbackCheck.CONFIRMED if is_confirmed else RollbackCheck.KNOWN


def apply_rollback_check(
    comparison: VersionComparison, incoming: Version, stored: Version | None, check: RollbackCheck
) -> VersionComparison:
    """Return what follows from `comparison` of the two versions when `check` is taken into account."""
    if check is RollbackCheck.CONFIRMED:
        return VersionComparison(Disposition.CHANGED, replaces_stored=True)
    if check is RollbackCheck.OUTDATED and stored is not None:
        is_equal = incoming.content_hash == stored.content_hash
        return VersionComparison(Disposition.UNCHANGED if is_equal else Disposition.STALE, replaces_stored=False)
    return comparison


def describe_rollbacks(ids: Sequence[str]) -> str | None:
    """Say which records replaced a version with a later `updated_at`; None when there are none."""
    if not ids:
        return None
    more = f" and {len(ids) - MAX_NAMED_IDS} more" if len(ids) > MAX_NAMED_IDS else ""
    return (
        f"{len(ids)} records were restored at the platform: two equal readings a minute apart have an earlier time of "
        f"change than what was stored before: {', '.join(ids[:MAX_NAMED_IDS])}{more}"
    )


def _has_gone_back(incoming: Version, stored: Version) -> bool:
    if incoming.content_hash is None or stored.content_hash is None or incoming.content_hash == stored.content_hash:
        return False
    if incoming.updated_at is None or stored.updated_at is None:
        return False
    return incoming.updated_at < stored.updated_at and incoming.read_at > stored.read_at


def _are_equal(first: Version, second: Version) -> bool:
    return (first.updated_at, first.content_hash) == (second.updated_at, second.content_hash)
