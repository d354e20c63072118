"""Counts of the calls to a shop, of their cost and of the shop's webhooks."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_LOG_SIZE = 100_000


@dataclass(slots=True)
class Statistics:
    """The counts of the API calls, points and webhooks of one shop since the start of the process or the last reset.

    `writes`, `refused_writes` and `repeated_writes` count mutations of the shop's data by name: those that were
    executed, those that user errors refused, and those that only repeated the answer for an idempotency key.
    `user_errors` counts user errors by code, or by message where they have no code. `write_log` has the newest
    mutations.
    """

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
    writes: Counter[str] = field(default_factory=Counter)
    refused_writes: Counter[str] = field(default_factory=Counter)
    repeated_writes: Counter[str] = field(default_factory=Counter)
    user_errors: Counter[str] = field(default_factory=Counter)
    write_log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_LOG_SIZE))

    def record_write(
        self, name: str, gids: Sequence[str], codes: Sequence[str], key: str | None, *, is_repeated: bool
    ) -> None:
        """Count a mutation, and log it: with the gids in its arguments, its user errors and its idempotency key."""
        counter = self.repeated_writes if is_repeated else self.refused_writes if codes else self.writes
        counter[name] += 1
        self.user_errors.update(codes)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.write_log.append(
            {"at": at, "mutation": name, "gids": gids, "user_errors": codes, "key": key, "repeated": is_repeated}
        )

    def build_report(self) -> dict[str, Any]:
        """Return all counts as a dictionary that can be serialized as JSON."""
        return {
            "calls": self.calls, "operations": dict(self.operations), "root_fields": dict(self.root_fields),
            "errors": dict(self.errors), "points_requested": self.points_requested, "points_spent": self.points_spent,
            "throttled": self.throttled, "ids_read": self.ids_read, "token_exchanges": self.token_exchanges,
            "token_refreshes": self.token_refreshes, "events": dict(self.events), "deliveries": dict(self.deliveries),
            "writes": dict(self.writes), "refused_writes": dict(self.refused_writes),
            "repeated_writes": dict(self.repeated_writes), "user_errors": dict(self.user_errors),
        }  # fmt: skip
