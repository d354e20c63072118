"""The doctor's checks. Each module has one `check`, which yields findings and raises no error that it expects."""

from dataclasses import dataclass

GOOD, WARNING, BAD = "good", "warning", "bad"


@dataclass(frozen=True)
class Finding:
    """The result of one check: GOOD, WARNING or BAD, with details, and an action where it is not GOOD."""

    subject: str
    result: str
    details: str
    action: str = ""


def report_good(subject: str, details: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(subject, GOOD, details)


def report_warning(subject: str, details: str, action: str) -> Finding:
    """Return a finding that something works, but not as it should."""
    return Finding(subject, WARNING, details, action)


def report_bad(subject: str, details: str, action: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(subject, BAD, details, action)
