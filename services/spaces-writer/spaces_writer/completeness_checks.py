"""Checks whether everything that a read published has been stored: without a database, from numbers and ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.events import IdsListed, RangeCompleted, RecordIds

MAX_ATTEMPTS = 3
"""Maximum number of attempts to read one id range. After the last incomplete attempt the sync fails."""


@dataclass(frozen=True)
class RangeStatus:
    """The status of one attempt to read one id range: the records of one resource between two ids.

    `reason` says why the attempt is not complete; None means that it is complete. If another attempt is needed, it
    begins at `retry_cursor`. `is_final` says that another attempt is useless, because the platform contradicts itself.
    """

    resource: str
    id_range: int
    attempt: int
    is_complete: bool
    reason: str | None
    retry_cursor: str
    is_final: bool = False
    sent_count: int = 0
    """The number of distinct ids that the fetcher sent in this attempt."""


def check_range_completeness(event: RangeCompleted, stored_count: int, lists: Sequence[IdsListed] = ()) -> RangeStatus:
    """Return whether the attempt to read an id range that `event` reports is complete, and if not, why.

    An id range is the records of one resource between two ids. `stored_count` is the number of distinct ids of this
    attempt that have been stored. The attempt is complete when as many ids are stored as the fetcher sent, and one of
    these proves that it sent all:

    - The platform counted as many before the read and after it. While it is read, such a range only loses ids.
    - `lists`, the lists of this attempt, cover the range without a gap. Each has as many ids as the platform counted in
      the same response, or was given twice in succession. Whether the listed ids are stored is checked elsewhere.

    A platform that neither counts nor lists needs no proof.
    """
    fault, is_final = _find_range_fault(event, stored_count, lists)
    name = _describe_range(event.resource, event.after, event.up_to)
    return RangeStatus(
        resource=event.resource,
        id_range=event.id_range,
        attempt=event.attempt,
        is_complete=fault is None,
        reason=fault and (fault if is_final else f"{name}: {fault}"),
        retry_cursor=event.retry_cursor,
        is_final=is_final,
        sent_count=event.sent_count,
    )


def _find_range_fault(event: RangeCompleted, stored_count: int, lists: Sequence[IdsListed]) -> tuple[str | None, bool]:
    """Return the reason why the range is incomplete or None, and whether another attempt is useless."""
    if stored_count < event.sent_count:
        return f"{event.sent_count} records were sent, {stored_count} have arrived", False
    if event.has_lists:
        return _find_list_fault(event, lists)
    counts = {event.count_before, event.count_after}
    if counts in ({None}, {event.sent_count}):
        return None, False
    return f"{event.sent_count} records listed, the platform counts {event.count_before}, {event.count_after}", False


def _find_list_fault(event: RangeCompleted, lists: Sequence[IdsListed]) -> tuple[str | None, bool]:
    by_lower_bound = {listed.after: listed for listed in lists}
    after = event.after
    while True:
        listed = by_lower_bound.pop(after, None)
        if listed is None:
            return f"the list of the ids above {after or '0'} has not arrived", False
        difference = _find_difference(listed)
        if difference is not None:
            return f"{_describe_range(listed.resource, listed.after, listed.up_to)}: {difference}", True
        if listed.up_to in (None, event.up_to):
            return None, False
        after = listed.up_to


def _find_difference(listed: IdsListed) -> str | None:
    """Return how the list and the platform's other evidence differ, or None when they agree."""
    if listed.is_repeated or listed.count == len(listed.ids):
        return None
    if listed.count is None:
        return "the platform did not give the same list twice in succession"
    return f"the platform lists {len(listed.ids)} and counts {listed.count}"


def _describe_range(resource: str, after: str, up_to: str | None) -> str:
    """Return the name of an id range, or of a part of it, in words."""
    lower, upper = after and f"above {after}", up_to and f"up to {up_to}"
    bounds = " ".join(bound for bound in (lower, upper) if bound)
    return f"{resource} with ids {bounds}" if bounds else resource


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
    """Return whether the id ranges of a full read are complete, which is when the latest attempt at each is complete.

    `expected_ranges` are the id ranges, as (resource, number), that the full read consists of. `attempts` are the
    attempts at these ranges that have ended.
    """
    latest = _select_latest(attempts)
    missing = [id_range for id_range in expected_ranges if id_range not in latest]
    if missing:
        return FullReadStatus("waiting", f"no end of {missing[0][0]} id range {missing[0][1]} yet")
    incomplete = [latest[id_range] for id_range in expected_ranges if not latest[id_range].is_complete]
    if not incomplete:
        return FullReadStatus("success")
    final = [status.reason or "" for status in incomplete if status.is_final]
    if final:
        return FullReadStatus("failed", "; ".join(final))
    reason = "; ".join(status.reason or "" for status in incomplete)
    if any(status.attempt >= MAX_ATTEMPTS for status in incomplete):
        return FullReadStatus("failed", f"{reason} (after {MAX_ATTEMPTS} attempts)")
    return FullReadStatus("incomplete", reason, tuple(status.retry_cursor for status in incomplete))


def _select_latest(attempts: Sequence[RangeStatus]) -> dict[tuple[str, int], RangeStatus]:
    """Return the latest attempt at each id range."""
    ordered = sorted(attempts, key=lambda status: status.attempt)
    return {(status.resource, status.id_range): status for status in ordered}


def count_sent(expected_ranges: tuple[tuple[str, int], ...], attempts: Sequence[RangeStatus]) -> int:
    """Return how many ids the latest attempts at the id ranges have sent, of which each has ended."""
    latest = _select_latest(attempts)
    return sum(latest[id_range].sent_count for id_range in expected_ranges)


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
