"""Estimates when a record was read, so that the times of workers with different clocks can be compared."""

from email.utils import parsedate_to_datetime

TOLERANCE_MS = 2_000
"""The difference between the worker's and the platform's clock up to which the worker's own clock is used.

The platform's `Date` header has whole seconds and includes network delay, so that it is not more precise than this."""


def estimate_read_at(sent: int, received: int, date: str | None) -> int:
    """Return when a request to a platform was sent, in ms since the Unix epoch.

    `sent` and `received` are the times (ms) of the request and its response by the worker's clock, `date` is the
    response's `Date` header. Returns `sent` when `date` lies between `sent` and `received`, give or
    take TOLERANCE_MS; otherwise `sent` is converted to the platform's clock. A missing or malformed header is ignored.
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
