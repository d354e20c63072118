"""The checks of `merchant-sync doctor`.

Each module has one function `check` that yields findings. A finding says what is right or wrong with one thing.
Expected errors become findings and are not raised.
"""

from dataclasses import dataclass

GOOD, WARNING, BAD = "good", "warning", "bad"


@dataclass(frozen=True)
class Finding:
    """The result of one check: GOOD, WARNING or BAD, with details; unless GOOD, also `action`: what to do about it."""

    subject: str
    result: str
    details: str
    action: str = ""


def report_good(subject: str, details: str) -> Finding:
    """Return a finding for something that works as it should."""
    return Finding(subject, GOOD, details)


def report_warning(subject: str, details: str, action: str) -> Finding:
    """Return a finding for something that works, but not as it should."""
    return Finding(subject, WARNING, details, action)


def report_bad(subject: str, details: str, action: str) -> Finding:
    """Return a finding for something that does not work."""
    return Finding(subject, BAD, details, action)
