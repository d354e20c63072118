"""What the doctor looks at. Each module has one `look`, which yields what it finds and raises nothing it knows of."""

from dataclasses import dataclass

GOOD, WARNING, BAD = "good", "warning", "bad"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, what was seen, and what to do where it is not good."""

    what: str
    verdict: str
    seen: str
    do: str = ""


def good(what: str, seen: str) -> Finding:
    """It is as it should be."""
    return Finding(what, GOOD, seen)


def warning(what: str, seen: str, do: str) -> Finding:
    """It works, and should be looked at."""
    return Finding(what, WARNING, seen, do)


def bad(what: str, seen: str, do: str) -> Finding:
    """Something is wrong."""
    return Finding(what, BAD, seen, do)
