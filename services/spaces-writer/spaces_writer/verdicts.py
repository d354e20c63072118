"""Verdicts: whether what was said to have been walked, or asked for, is here."""

from dataclasses import dataclass

from contracts.events import RangeCompleted, RecordIds

ATTEMPTS = 3
"""How often one window is walked before its sync fails."""


@dataclass(frozen=True)
class WindowVerdict:
    """One attempt at one window: `reason` says why it is not good, `again` is where to walk it once more."""

    resource: str
    window: int
    attempt: int
    good: bool
    reason: str | None
    again: str


def judge_window(marker: RangeCompleted, listed: int) -> WindowVerdict:
    """Good when all `sent` ids are here and their number lies between the platform's two counts."""
    return WindowVerdict(
        resource=marker.resource,
        window=marker.id_range,
        attempt=marker.attempt,
        good=(reason := _fault(marker, listed)) is None,
        reason=reason,
        again=marker.retry_cursor,
    )


def _fault(marker: RangeCompleted, listed: int) -> str | None:
    name = f"{marker.resource} window {marker.id_range}"
    if listed < marker.sent_count:
        return f"{name}: {marker.sent_count} records were sent, {listed} have arrived"
    if marker.count_before is None or marker.count_after is None:
        return None
    low, high = sorted((marker.count_before, marker.count_after))
    if low <= listed <= high:
        return None
    return f"{name}: {listed} records listed, the platform counts {low} to {high}"


@dataclass(frozen=True)
class WalkVerdict:
    """`success`, `incomplete` (walk `again` from these cursors), `failed`, or `waiting` for a window's end."""

    outcome: str
    reason: str | None = None
    again: tuple[str, ...] = ()


def judge_walk(consists_of: tuple[tuple[str, int], ...], windows: list[WindowVerdict]) -> WalkVerdict:
    """The walk is good when every window that it consists of is, by its latest attempt."""
    latest: dict[tuple[str, int], WindowVerdict] = {}
    for verdict in sorted(windows, key=lambda v: v.attempt):
        latest[(verdict.resource, verdict.window)] = verdict
    missing = [window for window in consists_of if window not in latest]
    if missing:
        return WalkVerdict("waiting", f"no end of {missing[0][0]} window {missing[0][1]} yet")
    bad = [latest[window] for window in consists_of if not latest[window].good]
    if not bad:
        return WalkVerdict("success")
    reason = "; ".join(v.reason or "" for v in bad)
    if any(v.attempt >= ATTEMPTS for v in bad):
        return WalkVerdict("failed", f"{reason} (after {ATTEMPTS} attempts)")
    return WalkVerdict("incomplete", reason, tuple(v.again for v in bad))


def judge_fetch(asked: RecordIds, listed: set[tuple[str, str]], failed: dict[str, str]) -> str | None:
    """Why a records fetch is not good, or None: every id asked for is here in some way."""
    if failed:
        example, reason = next(iter(failed.items()))
        return f"{len(failed)} could not be read, e.g. {example}: {reason}"
    missing = [i for resource, ids in asked.items() for i in ids if (resource, i) not in listed]
    if missing:
        return f"{len(missing)} of the records asked for have not arrived, e.g. {missing[0]}"
    return None
