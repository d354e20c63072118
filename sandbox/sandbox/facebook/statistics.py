"""What the sandbox's Facebook was asked for."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Statistics:
    """Counts since the start or the last reset; they are not kept over a restart. A batch is one request of many
    calls.
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

    def report(self) -> dict[str, Any]:
        """All of it as JSON."""
        names = ("calls", "pages", "errors", "batches", "changes", "deliveries")
        return {name: getattr(self, name) for name in self.__slots__} | {n: dict(getattr(self, n)) for n in names}
