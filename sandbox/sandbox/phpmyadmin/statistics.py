"""Counts of the requests to the simulated phpMyAdmin, and its log of statements."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

_LOGGED = 10_000


@dataclass(slots=True)
class Statistics:
    """Counts since the start of the process or the last reset. They are not stored.

    - `requests`: requests by kind: `page`, `login`, `export`, `logout`.
    - `logins`: logins by outcome: `accepted`, `refused` (by the database) or `ignored` (no valid token, a captcha).
    - `signed_out`: answers that showed the form for signing in instead of what was asked for.
    - `rows`, `bytes`: what exports have sent; `errors`: refused statements by the database's number for the error.
    - `peak_parallel_requests`: the most requests of one session at the same time.
    - `statements`: the last 10,000 statements, oldest first.
    """

    requests: Counter[str] = field(default_factory=Counter)
    logins: Counter[str] = field(default_factory=Counter)
    signed_out: int = 0
    rows: int = 0
    bytes: int = 0
    errors: Counter[int] = field(default_factory=Counter)
    peak_parallel_requests: int = 0
    statements: deque[str] = field(default_factory=lambda: deque(maxlen=_LOGGED))

    def build_report(self) -> dict[str, Any]:
        """Return all counts as a dictionary that can be serialized as JSON."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            **{name: dict(getattr(self, name)) for name in ("requests", "logins", "errors")},
            "statements": list(self.statements),
        }
