"""The metrics of the data API."""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.process import Check


class DataApiMetrics:
    """The metrics of one process. `checks` are the readiness checks of its parts by name."""

    def __init__(self, registry: CollectorRegistry, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._ready = Gauge(
            "merchant_sync_data_api_ready", "Whether a part answers: 1 or 0.", ["part"], registry=registry
        )

        self._requests = Counter(
            "merchant_sync_data_api_requests",
            "Requests of readers, by operation (empty where there is none) and status.",
            ["operation", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "merchant_sync_data_api_request_seconds",
            "How long requests took, by operation; of a stream, how long it was open.",
            ["operation"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 25),
            registry=registry,
        )
        self._webhooks = Counter(
            "merchant_sync_data_api_webhooks",
            "Attempts to send a webhook to an endpoint, by outcome: delivered or failed.",
            ["outcome"],
            registry=registry,
        )
        self._counters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def count_request(self, operation: str, status: int, seconds: float) -> None:
        """Count a request by its operation's id and its status, and the seconds that it took."""
        counters = self._counters.get((operation, status))
        if counters is None:
            counters = self._requests.labels(operation, str(status)), self._seconds.labels(operation)
            self._counters[operation, status] = counters
        counters[0].inc()
        counters[1].observe(seconds)

    def count_webhook(self, outcome: str) -> None:
        """Count an attempt to send a webhook, by the word `delivered` or `failed`."""
        self._webhooks.labels(outcome).inc()

    async def refresh(self) -> None:
        """Run all checks, and set the gauge of each part."""
        errors = await asyncio.gather(*(check() for check in self._checks.values()))
        for part, error in zip(self._checks, errors, strict=True):
            self._ready.labels(part).set(error is None)
