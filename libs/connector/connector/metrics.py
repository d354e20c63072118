"""The metrics of every fetcher about the calls to its platform.

They are the number of calls, the rate limit points that these cost, and the share of the rate limits that remains.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from connector.source import FullReadStep, IncrementalReadStep, Source
from contracts.events import RecordIds
from platform_sdk.session import FULL, INCREMENTAL, SyncContext

T = TypeVar("T")


class InstrumentedSource:
    """Wraps `source`, which reads the records of the platform `slug`, and measures its calls for the metrics.

    The calls to the platform and their rate limit points are counted while a read runs.
    """

    def __init__(self, source: Source, slug: str, registry: CollectorRegistry) -> None:
        self._source = source
        self._slug = slug
        labels = ("platform", "mode")
        self._calls = Counter("merchant_sync_platform_calls", "Calls to the platform.", labels, registry=registry)
        self._points = Counter("merchant_sync_platform_points", "Points that calls cost.", labels, registry=registry)
        self._remaining = Gauge(
            "merchant_sync_rate_limit_remaining_ratio",
            "What remains of a rate limit, from 0 to 1: of each kind, the account with the least.",
            ("platform", "budget"),
            registry=registry,
        )
        for mode in (INCREMENTAL, FULL):
            self._calls.labels(slug, mode)
            self._points.labels(slug, mode)

    def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Yield what `read_records` of the wrapped source yields, and count its API calls and rate limit points."""
        return self._count_calls(context, self._source.read_records(context, ids, cursor))

    def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield what `read_all` of the wrapped source yields, and count its API calls and rate limit points."""
        return self._count_calls(context, self._source.read_all(context, cursor))

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return the share of each rate limit that remains now, as the wrapped source measures it."""
        return self._source.measure_remaining_rate_limits()

    async def refresh_rate_limit_gauge(self) -> None:
        """Set the Prometheus gauge to the share of each rate limit that remains now."""
        for budget, share in self._source.measure_remaining_rate_limits().items():
            self._remaining.labels(self._slug, budget).set(share)

    async def _count_calls(self, context: SyncContext, steps: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        calls, points = self._calls.labels(self._slug, context.mode), self._points.labels(self._slug, context.mode)
        cost = CostMeter(context)
        async with aclosing(steps):
            try:
                async for step in steps:
                    cost.report(calls, points)
                    yield step
            finally:
                cost.report(calls, points)


class CostMeter:
    """Adds the API calls and rate limit points that `context` counts to Prometheus counters.

    Each call and each point is added only once, however often `report` is called.
    """

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls, self._points = context.calls, context.points

    def report(self, calls: Counter, points: Counter) -> None:
        """Increase the counter `calls` by the API calls, and `points` by the points, since the previous report."""
        calls.inc(self._context.calls - self._calls)
        points.inc(self._context.points - self._points)
        self._calls, self._points = self._context.calls, self._context.points
