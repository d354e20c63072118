"""Counts of the requests to the simulated Odoo server."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Statistics:
    """Counts since the start of the process or the last reset. They are not stored.

    - `requests`: requests by transport: `json2`, `jsonrpc`, `xmlrpc`, `web`.
    - `calls`: calls of methods by model and method; `errors`: those that failed, by the name of the error.
    - `logins`: logins by outcome: `accepted`, `refused`, or `blocked` because of too many wrong keys.
    - `hints`: calls of automations that were answered.
    - `peak_parallel_requests`: the most requests at the same time.
    """

    requests: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    logins: Counter[str] = field(default_factory=Counter)
    hints: int = 0
    open_requests: int = 0
    peak_parallel_requests: int = 0

    def begin_request(self, transport: str) -> None:
        """Count a request that begins."""
        self.requests[transport] += 1
        self.open_requests += 1
        self.peak_parallel_requests = max(self.peak_parallel_requests, self.open_requests)

    def end_request(self) -> None:
        """Count a request that ends."""
        self.open_requests -= 1

    def build_report(self) -> dict[str, Any]:
        """Return all counts as a dictionary that can be serialized as JSON."""
        return {
            "requests": dict(self.requests), "calls": dict(self.calls), "errors": dict(self.errors),
            "logins": dict(self.logins), "hints": self.hints,
            "peak_parallel_requests": self.peak_parallel_requests,
        }  # fmt: skip
