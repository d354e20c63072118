"""Check for work that does not come to its end by itself: dead letters."""

from collections.abc import Iterator, Mapping

from merchant_sync.access import Access
from merchant_sync.operating import dead_letters
from merchant_sync.operating.checks import Finding, report_good, report_warning


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
