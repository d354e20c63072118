"""What any fetcher shows to an operator: calls, points, and what is left of the platform's budgets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from connector.source import FULL, INCREMENTAL, FullReadStep, IncrementalReadStep, Source, SyncContext
from contracts.events import RecordIds

T = TypeVar("T")


class InstrumentedSource:
    """The platform `slug` itself, and what asking it takes, piece by piece as errands go on."""

    def __init__(self, platform: Source, slug: str, registry: CollectorRegistry) -> None:
        self._platform = platform
        self._slug = slug
        labels = ("platform", "lane")
        self._calls = Counter("merchant_sync_platform_calls", "Calls to the platform.", labels, registry=registry)
        self._points = Counter("merchant_sync_platform_points", "Points that calls cost.", labels, registry=registry)
        self._left = Gauge(
            "merchant_sync_budget_left_ratio",
            "What is left of a rate limit, from 0 to 1: of each kind that of whom has least left.",
            ("platform", "budget"),
            registry=registry,
        )
        for lane in (INCREMENTAL, FULL):
            self._calls.labels(slug, lane)
            self._points.labels(slug, lane)

    def read_records(
        self, errand: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """As the platform's own."""
        return self._measured(errand, self._platform.read_records(errand, ids, cursor))

    def read_all(self, errand: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """As the platform's own."""
        return self._measured(errand, self._platform.read_all(errand, cursor))

    def measure_budget(self) -> dict[str, float]:
        """As the platform's own."""
        return self._platform.measure_budget()

    async def refresh(self) -> None:
        """See what is left now."""
        for budget, share in self._platform.measure_budget().items():
            self._left.labels(self._slug, budget).set(share)

    async def _measured(self, errand: SyncContext, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        spent = Spent(errand)
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    self._note(errand, spent)
                    yield piece
            finally:
                self._note(errand, spent)

    def _note(self, errand: SyncContext, spent: "Spent") -> None:
        calls, points = spent.since(errand)
        self._calls.labels(self._slug, errand.mode).inc(calls)
        self._points.labels(self._slug, errand.mode).inc(points)


class Spent:
    """How much of an errand's cost is counted already."""

    def __init__(self, errand: SyncContext) -> None:
        self._calls, self._points = errand.calls, errand.points

    def since(self, errand: SyncContext) -> tuple[int, int]:
        """The calls and points since the last look."""
        calls, points = errand.calls - self._calls, errand.points - self._points
        self._calls, self._points = errand.calls, errand.points
        return calls, points
