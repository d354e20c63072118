"""What asking a platform takes is counted as it goes on, whatever stops it."""

from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from connector.metrics import InstrumentedSource
from connector.source import FULL, INCREMENTAL, SyncContext
from connector.tokens import AccessToken
from platform_sdk.errors import RetryLaterError


def errand(lane: str) -> SyncContext:
    return SyncContext(AccessToken("fake:1", 1, "shhh"), uuid4(), lane, replace_token=None, refresh_token=None)  # type: ignore[arg-type]


def calls(registry: CollectorRegistry, lane: str) -> float | None:
    return registry.get_sample_value("merchant_sync_platform_calls_total", {"platform": "fake", "lane": lane})


async def test_calls_are_counted_by_lane(bench: Any) -> None:
    registry = CollectorRegistry()
    measured = InstrumentedSource(bench.Things(there={"a", "b"}), "fake", registry)
    assert calls(registry, INCREMENTAL) == 0
    read = [piece async for piece in measured.read_records(errand(INCREMENTAL), {"things": ("a", "b", "c")}, None)]
    walked = [step async for step in measured.read_all(errand(FULL), None)]
    assert (len(read), len(walked)) == (5, 6)
    assert (calls(registry, INCREMENTAL), calls(registry, FULL)) == (3, 2)


async def test_calls_before_an_error_are_counted(bench: Any) -> None:
    registry = CollectorRegistry()
    things = bench.Things(there={"a", "b"}, stop_at={"b": RetryLaterError("down")})
    with pytest.raises(RetryLaterError):
        _ = [step async for step in InstrumentedSource(things, "fake", registry).read_all(errand(FULL), None)]
    assert calls(registry, FULL) == 1


async def test_what_is_left_is_seen_when_it_is_asked_for(bench: Any) -> None:
    registry = CollectorRegistry()
    await InstrumentedSource(bench.Things(), "fake", registry).refresh()
    labels = {"platform": "fake", "budget": "things"}
    assert registry.get_sample_value("merchant_sync_budget_left_ratio", labels) == 0.75
