"""What any fetcher shows to an operator: calls, points, and what is left of the platform's budgets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import Ids
from fetching.readings import QUICK, WALK, Errand, Platform, Reading, Step

T = TypeVar("T")


class MeasuredPlatform:
    """The platform `slug` itself, and what asking it takes, piece by piece as errands go on."""

    def __init__(self, platform: Platform, slug: str, registry: CollectorRegistry) -> None:
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
        for lane in (QUICK, WALK):
            self._calls.labels(slug, lane)
            self._points.labels(slug, lane)

    def read(self, errand: Errand, ids: Ids, cursor: str | None) -> AsyncGenerator[Reading, None]:
        """As the platform's own."""
        return self._measured(errand, self._platform.read(errand, ids, cursor))

    def walk(self, errand: Errand, cursor: str | None) -> AsyncGenerator[Step, None]:
        """As the platform's own."""
        return self._measured(errand, self._platform.walk(errand, cursor))

    def left(self) -> dict[str, float]:
        """As the platform's own."""
        return self._platform.left()

    async def look(self) -> None:
        """See what is left now."""
        for budget, share in self._platform.left().items():
            self._left.labels(self._slug, budget).set(share)

    async def _measured(self, errand: Errand, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        spent = Spent(errand)
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    self._note(errand, spent)
                    yield piece
            finally:
                self._note(errand, spent)

    def _note(self, errand: Errand, spent: "Spent") -> None:
        calls, points = spent.since(errand)
        self._calls.labels(self._slug, errand.lane).inc(calls)
        self._points.labels(self._slug, errand.lane).inc(points)


class Spent:
    """How much of an errand's cost is counted already."""

    def __init__(self, errand: Errand) -> None:
        self._calls, self._points = errand.calls, errand.points

    def since(self, errand: Errand) -> tuple[int, int]:
        """The calls and points since the last look."""
        calls, points = errand.calls - self._calls, errand.points - self._points
        self._calls, self._points = errand.calls, errand.points
        return calls, points
