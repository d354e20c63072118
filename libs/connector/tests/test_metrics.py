"""Calls are counted while a read is in progress, whatever stops it."""

from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from connector.metrics import InstrumentedSource
from platform_sdk.errors import RetryLaterError
from platform_sdk.session import FULL, INCREMENTAL, SyncContext
from platform_sdk.tokens import AccessToken


def build_context(mode: str) -> SyncContext:
    return SyncContext(AccessToken("fake:1", 1, "shhh"), uuid4(), mode, replace_token=None, refresh_token=None)  # type: ignore[arg-type]


def get_calls(registry: CollectorRegistry, mode: str) -> float | None:
    return registry.get_sample_value("merchant_sync_platform_calls_total", {"platform": "fake", "mode": mode})


async def test_calls_are_counted_by_mode(bench: Any) -> None:
    registry = CollectorRegistry()
    source = InstrumentedSource(bench.ThingSource(existing={"a", "b"}), "fake", registry)
    assert get_calls(registry, INCREMENTAL) == 0
    read = [step async for step in source.read_records(build_context(INCREMENTAL), {"things": ("a", "b", "c")}, None)]
    full = [step async for step in source.read_all(build_context(FULL), None)]
    assert (len(read), len(full)) == (5, 6)
    assert (get_calls(registry, INCREMENTAL), get_calls(registry, FULL)) == (3, 2)


async def test_calls_before_an_error_are_counted(bench: Any) -> None:
    registry = CollectorRegistry()
    source = bench.ThingSource(existing={"a", "b"}, stop_at={"b": RetryLaterError("down")})
    with pytest.raises(RetryLaterError):
        _ = [step async for step in InstrumentedSource(source, "fake", registry).read_all(build_context(FULL), None)]
    assert get_calls(registry, FULL) == 1


async def test_what_remains_is_measured_when_it_is_requested(bench: Any) -> None:
    registry = CollectorRegistry()
    await InstrumentedSource(bench.ThingSource(), "fake", registry).refresh_rate_limit_gauge()
    labels = {"platform": "fake", "budget": "things"}
    assert registry.get_sample_value("merchant_sync_rate_limit_remaining_ratio", labels) == 0.75
