"""Counts of the calls to a shop, of their cost and of the shop's webhooks."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Statistics:
    """The counts of the API calls, points and webhooks of one shop since the start of the process or the last reset."""

    calls: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    root_fields: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    points_requested: int = 0
    points_spent: int = 0
    throttled: int = 0
    ids_read: int = 0
    token_exchanges: int = 0
    token_refreshes: int = 0
    events: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)

    def build_report(self) -> dict[str, Any]:
        """Return all counts as a dictionary that can be serialized as JSON."""
        return {
            "calls": self.calls, "operations": dict(self.operations), "root_fields": dict(self.root_fields),
            "errors": dict(self.errors), "points_requested": self.points_requested, "points_spent": self.points_spent,
            "throttled": self.throttled, "ids_read": self.ids_read, "token_exchanges": self.token_exchanges,
            "token_refreshes": self.token_refreshes, "events": dict(self.events), "deliveries": dict(self.deliveries),
        }  # fmt: skip
