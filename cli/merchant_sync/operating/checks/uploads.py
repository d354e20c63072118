"""Check that what is stored reaches the bucket: name the connections whose object is behind."""

from collections.abc import Iterator
from typing import Any

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.uploads import describe_wait

OVERDUE_SECONDS = 300.0
"""How late an upload is when the alert rule UploadsOverdue fires, too."""
_ACTION = "read why in the spaces-writer's log; it is tried again by itself, and nothing has to be sent again"


def check(access: Access) -> Iterator[Finding]:
    """Report the connections whose object in the bucket lacks stored data although its upload was due."""
    with InternalApi(access) as api:
        yield from report_behind(api.load_overview()["behind"])


def report_behind(behind: list[dict[str, Any]]) -> Iterator[Finding]:
    """Yield a finding for each late upload, or one if there is none. `behind` is that of the scheduler's overview.

    An upload that failed is a warning, and wrong once it is five minutes late.
    """
    late = [one for one in behind if one["overdue"] is not None and one["overdue"] > OVERDUE_SECONDS]
    failed = [one for one in behind if one not in late and one["overdue"] is not None and one["wait"]["reason"]]
    for one in late:
        yield report_bad(f"object of {one['connection']}", describe_wait(one["wait"]), _ACTION)
    for one in failed:
        yield report_warning(f"object of {one['connection']}", describe_wait(one["wait"]), _ACTION)
    if not late and not failed:
        yield report_good("uploads", "none is late")
