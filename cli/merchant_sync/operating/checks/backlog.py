"""Check for work that does not come to its end by itself: dead letters, and snapshots that lag behind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from merchant_sync.access import Access
from merchant_sync.operating import dead_letters
from merchant_sync.operating.checks import Finding, report_good, report_warning
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.terminal import format_age

MAX_SNAPSHOT_AGE = 300.0
"""A snapshot that lacks the data of a successful sync for longer (in seconds) is behind: uploads usually take less."""


def check_dead_letters(access: Access) -> Iterator[Finding]:
    """Look for dead letters that were not discarded. Raises UnavailableError when Kafka is unavailable."""
    yield judge_dead_letters(dead_letters.count_dead_letters(access))


def judge_dead_letters(counts: Mapping[str, int]) -> Finding:
    """Return the finding for the numbers of dead letters, by topic."""
    if not counts:
        return report_good("dead letters", "none")
    listed = ", ".join(f"{count} on {topic}" for topic, count in counts.items())
    action = "see their errors with `merchant-sync dlq list`; replay them once the cause is fixed, and discard the rest"
    return report_warning("dead letters", listed, action)


def check_snapshots(access: Access) -> Iterator[Finding]:
    """Look for snapshots that have lacked the data of a successful sync for more than five minutes.

    Raises StackError when the scheduler does not answer.
    """
    with InternalApi(access) as api:
        yield from judge_snapshots(api.load_overview()["dirty_snapshots"])


def judge_snapshots(dirty: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the findings for the scheduler's list of dirty snapshots: their number and greatest age by platform."""
    behind = [row for row in dirty if row["age"] > MAX_SNAPSHOT_AGE]
    for row in behind:
        details = f"{row['snapshots']} of {row['platform']} lack data, the oldest for {format_age(row['age'])}"
        yield report_warning("snapshots", details, "read in the spaces-writer's log why they are not uploaded")
    if not behind:
        yield report_good("snapshots", "none lacks data for more than five minutes")
