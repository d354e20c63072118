"""Checks whether everything that a read published has been stored: without a database, from numbers and ids."""

from dataclasses import dataclass
from typing import Literal

from contracts.events import RangeCompleted, RecordIds

MAX_ATTEMPTS = 3
"""Maximum number of attempts to read one id range. After the last incomplete attempt the sync fails."""


@dataclass(frozen=True)
class RangeStatus:
    """The status of one attempt to read one id range: the records of one resource between two ids.

    `reason` says why the attempt is not complete; None means that it is complete. If another attempt is needed, it
    begins at `retry_cursor`.
    """

    resource: str
    id_range: int
    attempt: int
    is_complete: bool
    reason: str | None
    retry_cursor: str


def check_range_completeness(event: RangeCompleted, listed_count: int) -> RangeStatus:
    """Return whether the attempt to read an id range that `event` reports is complete, and if not, why.

    An id range is the records of one resource between two ids. `listed_count` is the number of distinct ids of this
    attempt that have been stored. The attempt is complete when as many ids are stored as the fetcher sent, and this
    number lies between the platform's own counts before and after the read. A platform without counts needs only the
    first condition.
    """
    reason = _find_range_fault(event, listed_count)
    return RangeStatus(
        resource=event.resource,
        id_range=event.id_range,
        attempt=event.attempt,
        is_complete=reason is None,
        reason=reason,
        retry_cursor=event.retry_cursor,
    )


def _find_range_fault(event: RangeCompleted, listed: int) -> str | None:
    name = f"{event.resource} id range {event.id_range}"
    if listed < event.sent_count:
        return f"{name}: {event.sent_count} records were sent, {listed} have arrived"
    if event.count_before is None or event.count_after is None:
        return None
    low, high = sorted((event.count_before, event.count_after))
    if low <= listed <= high:
        return None
    return f"{name}: {listed} records listed, the platform counts {low} to {high}"


@dataclass(frozen=True)
class FullReadStatus:
    """Whether a full read is complete.

    The outcome `incomplete` means that some id ranges must be read again, beginning at `retry_cursors`. The outcome
    `waiting` means that an id range has not ended yet.
    """

    outcome: Literal["success", "incomplete", "failed", "waiting"]
    reason: str | None = None
    retry_cursors: tuple[str, ...] = ()


def check_full_read_completeness(
    expected_ranges: tuple[tuple[str, int], ...], attempts: list[RangeStatus]
) -> FullReadStatus:
    """Return whether a full read is complete, which is when the latest attempt at every id range is complete.

    `expected_ranges` are the id ranges, as (resource, number), that the full read consists of. `attempts` are the
    attempts at these ranges that have ended.
    """
    latest: dict[tuple[str, int], RangeStatus] = {}
    for status in sorted(attempts, key=lambda status: status.attempt):
        latest[(status.resource, status.id_range)] = status
    missing = [id_range for id_range in expected_ranges if id_range not in latest]
    if missing:
        return FullReadStatus("waiting", f"no end of {missing[0][0]} id range {missing[0][1]} yet")
    incomplete = [latest[id_range] for id_range in expected_ranges if not latest[id_range].is_complete]
    if not incomplete:
        return FullReadStatus("success")
    reason = "; ".join(status.reason or "" for status in incomplete)
    if any(status.attempt >= MAX_ATTEMPTS for status in incomplete):
        return FullReadStatus("failed", f"{reason} (after {MAX_ATTEMPTS} attempts)")
    return FullReadStatus("incomplete", reason, tuple(status.retry_cursor for status in incomplete))


def check_incremental_completeness(
    requested: RecordIds, listed: set[tuple[str, str]], unreadable: dict[str, str]
) -> str | None:
    """Return why an incremental read is incomplete, or None when all requested ids have been stored.

    `listed` are the stored ids, as (resource, id). `unreadable` maps each id that could not be read to the reason.
    """
    if unreadable:
        example, reason = next(iter(unreadable.items()))
        return f"{len(unreadable)} could not be read, e.g. {example}: {reason}"
    missing = [
        record_id for resource, ids in requested.items() for record_id in ids if (resource, record_id) not in listed
    ]
    if missing:
        return f"{len(missing)} of the records asked for have not arrived, e.g. {missing[0]}"
    return None
