"""The Prometheus metrics of a writer."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from destination.destination import Outcome


class WriteMetrics:
    """Counts the writes to the platform `slug` by outcome. Each outcome is exported also while its number is zero."""

    def __init__(self, registry: CollectorRegistry, slug: str) -> None:
        writes = Counter("merchant_sync_writes", "Writes by outcome.", ("platform", "outcome"), registry=registry)
        self._by_outcome = {outcome: writes.labels(slug, outcome) for outcome in get_args(Outcome)}

    def count_result(self, outcome: Outcome) -> None:
        """Count one write that has ended with `outcome`."""
        self._by_outcome[outcome].inc()
