"""Check that what is stored reaches the bucket: name the connections whose objects are behind.

These are the connection's snapshot, and the document of its merchant, which lists the connection.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from merchant_sync.operating.internal_api import SEE_ALL, InternalApi, count_hidden
from merchant_sync.operating.uploads import describe_document_wait, describe_wait

OVERDUE_SECONDS = 300.0
"""How late an upload is when the alert rule UploadsOverdue fires, too."""
_ACTION = "read why in the spaces-writer's log; it is tried again by itself, and nothing has to be sent again"


class _Upload(NamedTuple):
    """An upload that is not made yet: what it is of, what it waits for, and its row of the overview."""

    subject: str
    details: str
    row: dict[str, Any]


def check(access: Access) -> Iterator[Finding]:
    """Report the connections that an object in the bucket does not show as they are although its upload was due."""
    with InternalApi(access) as api:
        yield from report_behind(api.load_overview())


def report_behind(overview: dict[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each late upload in the scheduler's overview, or one if there is none.

    An upload that failed is a warning, and wrong once it is five minutes late.
    """
    snapshots = [
        _Upload(f"object of {one['connection']}", describe_wait(one["wait"]), one) for one in overview["behind"]
    ]
    documents = [
        _Upload(f"merchant's document of {one['connection']}", describe_document_wait(one["wait"]), one)
        for one in overview["documents_behind"]
    ]
    due = [upload for upload in (*snapshots, *documents) if upload.row["overdue"] is not None]
    late = [upload for upload in due if upload.row["overdue"] > OVERDUE_SECONDS]
    failed = [upload for upload in due if upload not in late and upload.row["wait"]["reason"]]
    for upload in late:
        yield report_bad(upload.subject, upload.details, _ACTION)
    for upload in failed:
        yield report_warning(upload.subject, upload.details, _ACTION)
    if not late and not failed:
        # Those that are left out of the overview are not as late as those that are in it.
        yield report_good("uploads", "none is late")
    elif hidden := sum(count_hidden(overview, name) for name in ("behind", "documents_behind")):
        yield report_warning("uploads", f"{hidden:,} more wait", SEE_ALL)
