"""The time at which a record was read, on a clock that all workers share well enough."""

from email.utils import parsedate_to_datetime

TOLERANCE_MS = 2_000
"""The platform's `Date` has whole seconds and network delay: below this difference the worker's own clock is better."""


def estimate_read_at(sent: int, received: int, date: str | None) -> int:
    """Return when a request was sent (ms): by the worker's clock, corrected where the platform's clock disagrees.

    `sent` and `received` are the worker's times (ms) of the request and its response, `date` is the response's `Date`
    header. A missing or malformed header corrects nothing.
    """
    platform = _parse_milliseconds(date)
    if platform is None or sent - TOLERANCE_MS <= platform <= received + TOLERANCE_MS:
        return sent
    return sent + platform - received


def _parse_milliseconds(date: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return None
