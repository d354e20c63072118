"""Counts of the calls to the simulated Facebook and of its webhooks."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Statistics:
    """Counts of the simulated Facebook since the start of the process or the last reset. They are not stored.

    - `requests`: HTTP requests; a batch of many calls is one request.
    - `calls`: calls by kind of node, edge and method, such as `page.get`; `pages`: calls by page id.
    - `errors`: error responses by Graph's code or HTTP status; `throttled`: calls refused by a rate limit.
    - `batches`: batches by the number of their calls.
    - `peak_app_percent`, `peak_page_percent`: the highest used share of the app's and of a page's rate limit.
    - `changes`: changes of page fields by webhook field; `entries`: webhook entries.
    - `deliveries`: attempts to send webhooks by outcome: `delivered`, `failed` (the last attempt failed) or
      `failed_attempts` (the attempt failed and a retry follows).
    """

    requests: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    batches: Counter[int] = field(default_factory=Counter)
    throttled: int = 0
    peak_app_percent: int = 0
    peak_page_percent: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    deliveries: Counter[str] = field(default_factory=Counter)

    def build_report(self) -> dict[str, Any]:
        """Return all counts as a dictionary that can be serialized as JSON."""
        counters = ("calls", "pages", "errors", "batches", "changes", "deliveries")
        return {name: getattr(self, name) for name in self.__slots__} | {n: dict(getattr(self, n)) for n in counters}
