"""What asking a platform takes is counted as it goes on, whatever stops it."""

from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from fetching.access import Access
from fetching.errors import NotNow
from fetching.metrics import MeasuredPlatform
from fetching.readings import QUICK, WALK, Errand


def errand(lane: str) -> Errand:
    return Errand(Access("fake:1", 1, "shhh"), uuid4(), lane, renew=None, anew=None)  # type: ignore[arg-type]


def calls(registry: CollectorRegistry, lane: str) -> float | None:
    return registry.get_sample_value("merchant_sync_platform_calls_total", {"platform": "fake", "lane": lane})


async def test_calls_are_counted_by_lane(bench: Any) -> None:
    registry = CollectorRegistry()
    measured = MeasuredPlatform(bench.Things(there={"a", "b"}), "fake", registry)
    assert calls(registry, QUICK) == 0
    read = [piece async for piece in measured.read(errand(QUICK), {"things": ("a", "b", "c")}, None)]
    walked = [step async for step in measured.walk(errand(WALK), None)]
    assert (len(read), len(walked)) == (5, 6)
    assert (calls(registry, QUICK), calls(registry, WALK)) == (3, 2)


async def test_calls_before_an_error_are_counted(bench: Any) -> None:
    registry = CollectorRegistry()
    things = bench.Things(there={"a", "b"}, stop_at={"b": NotNow("down")})
    with pytest.raises(NotNow):
        _ = [step async for step in MeasuredPlatform(things, "fake", registry).walk(errand(WALK), None)]
    assert calls(registry, WALK) == 1


async def test_what_is_left_is_seen_when_it_is_asked_for(bench: Any) -> None:
    registry = CollectorRegistry()
    await MeasuredPlatform(bench.Things(), "fake", registry).look()
    labels = {"platform": "fake", "budget": "things"}
    assert registry.get_sample_value("merchant_sync_budget_left_ratio", labels) == 0.75
