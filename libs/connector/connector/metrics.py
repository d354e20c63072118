"""The metrics of every fetcher: calls, rate limit points, and the remaining share of the platform's rate limits."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from connector.source import FullReadStep, IncrementalReadStep, Source
from contracts.events import RecordIds
from platform_sdk.session import FULL, INCREMENTAL, SyncContext

T = TypeVar("T")


class InstrumentedSource:
    """Wraps the source of the platform `slug` and counts the calls and rate limit points of each read as it runs."""

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
        """Yield the steps of the wrapped source's `read_records`, and count their calls and points."""
        return self._count_calls(context, self._source.read_records(context, ids, cursor))

    def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield the steps of the wrapped source's `read_all`, and count their calls and points."""
        return self._count_calls(context, self._source.read_all(context, cursor))

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return the share of each rate limit that remains now, as the wrapped source measures it."""
        return self._source.measure_remaining_rate_limits()

    async def refresh_rate_limit_gauge(self) -> None:
        """Set the gauge to the share of each rate limit that remains now."""
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
    """Adds the calls and the rate limit points that `context` counts to Prometheus counters, each of them once."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls, self._points = context.calls, context.points

    def report(self, calls: Counter, points: Counter) -> None:
        """Add to the counters the calls and points that were made since the previous report."""
        calls.inc(self._context.calls - self._calls)
        points.inc(self._context.points - self._points)
        self._calls, self._points = self._context.calls, self._context.points
