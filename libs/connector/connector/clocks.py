"""When a record was read, on a clock that all workers share well enough."""

from email.utils import parsedate_to_datetime

TOLERANCE_MS = 2_000
"""The platform's `Date` has whole seconds and travels: below this difference the worker's own clock is better."""


def estimate_read_at(sent: int, received: int, date: str | None) -> int:
    """The moment (ms) at which a request was sent: the worker's clock, corrected where the platform's disagrees.

    `date` is the answer's `Date` header; a missing or malformed one corrects nothing.
    """
    platform = _milliseconds(date)
    if platform is None or sent - TOLERANCE_MS <= platform <= received + TOLERANCE_MS:
        return sent
    return sent + platform - received


def _milliseconds(date: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return None
