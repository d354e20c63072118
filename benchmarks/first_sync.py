"""Measure the first sync of a shop, compared with the shortest time that Shopify's rate limit permits.

`python -m benchmarks.first_sync [--products 2000 20000] [--plan plus standard] [--variants 3]`

The exit code is 1 when a sync is not a success or an object differs from the sandbox's truth. Times do not affect it.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.benchmark_stack import OPEN_STATES, BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.formatting import format_megabytes, format_table
from benchmarks.resource_usage import measure_cpu_seconds, measure_other_load, measure_peak_bytes
from merchant_sync import parts

RESTORE_RATES = {"standard": 100, "advanced": 200, "plus": 1_000, "enterprise": 2_000}
"""Points per second that the rate limit's bucket regains, by plan."""
_BUCKET_SECONDS = 20
"""The seconds in which an empty bucket becomes full."""
_SYNC_SECONDS = 900.0
_REPORTED_PARTS = (*parts.SERVICES, parts.SPACES, parts.SANDBOX, parts.POSTGRES, parts.KAFKA)


def compute_limit_seconds(points: float, plan: str) -> float:
    """Return the least seconds in which `points` can be spent, with a bucket that is full at first."""
    rate = RESTORE_RATES[plan]
    return max(0.0, points - _BUCKET_SECONDS * rate) / rate


@dataclass(frozen=True)
class FirstSyncResult:
    """The measurements of one first sync. Times are seconds since the login began."""

    plan: str
    products: int
    connected: float
    finished: float
    uploaded: float
    sync: dict[str, Any]
    statistics: dict[str, Any]
    size: int
    fault: str | None
    usage: dict[str, tuple[float, int]]
    """CPU seconds and peak memory (bytes) by part."""


def measure_first_sync(stack: BenchmarkStack, plan: str, products: int, variants: int) -> FirstSyncResult:
    """Connect a new shop of this size, and measure from the login until its object is in the bucket."""
    shop = stack.make_shop(plan=plan, products=products, variants=variants)
    stack.request_control(shop, "DELETE", "/statistics")
    pids = stack.list_pids()
    cpu_before = {name: measure_cpu_seconds(pid) for name, pid in pids.items()}
    started = time.monotonic()
    connection = stack.shops.connect(shop)
    connected = time.monotonic() - started
    sync = wait_until(lambda: s if (s := connection.load_sync())["state"] not in OPEN_STATES else None, _SYNC_SECONDS)
    finished = time.monotonic() - started
    stored = wait_until(lambda: stack.visit.load_object(connection.key), 120) if sync["state"] == "success" else None
    uploaded = time.monotonic() - started
    usage = {name: (measure_cpu_seconds(pid) - cpu_before[name], measure_peak_bytes(pid)) for name, pid in pids.items()}
    fault = stack.find_difference(stored, stack.fetch_truth(shop)) if stored else f"{sync['state']}: {sync['reason']}"
    size, statistics = len(stored.body) if stored else 0, stack.request_control(shop, "GET", "/statistics")
    return FirstSyncResult(plan, products, connected, finished, uploaded, sync, statistics, size, fault, usage)


def format_report(result: FirstSyncResult) -> str:
    """Format all figures of one first sync."""
    statistics, points = result.statistics, result.statistics["points_spent"]
    limit_seconds = compute_limit_seconds(points, result.plan)
    restore_seconds = points / RESTORE_RATES[result.plan]
    lines = [
        f"{result.products:,} products, plan {result.plan}: {result.fault or 'equal to the truth'}",
        f"  connected after {result.connected:.1f} s, sync finished after {result.finished:.1f} s, object stored after "
        f"{result.uploaded:.1f} s, {result.products / result.finished:,.0f} products/s",
        f"  {result.sync['records']:,} records in {result.sync['pages']} pages, object {format_megabytes(result.size)}",
        f"  {statistics['calls']} calls, {points:,} points ({points / result.products:.2f} per product), "
        f"{statistics['throttled']} throttled: {format_operations(statistics['operations'])}",
        f"  the rate limit alone: {limit_seconds:.1f} s from a full bucket, {restore_seconds:.1f} s from an empty one; "
        f"sync finished / empty bucket {result.finished / restore_seconds:.1f}",
    ]
    rows = [
        (name, format_megabytes(result.usage[name][1]), f"{result.usage[name][0]:.1f} s") for name in _REPORTED_PARTS
    ]
    return "\n".join([*lines, format_table(["part", "VmHWM", "CPU"], rows)])


def format_operations(counts: dict[str, int]) -> str:
    """Format the number of calls by operation, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def main() -> int:
    """Measure each size on each plan. Return the exit code.

    Each measurement starts a new stack, so that the peak memory is not that of an earlier measurement.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--plan", nargs="+", choices=list(RESTORE_RATES), default=["plus"])
    parser.add_argument("--variants", type=int, default=3)
    options = parser.parse_args()
    has_faults = False
    for plan in options.plan:
        for products in options.products:
            with run_benchmark_stack() as stack, measure_other_load() as describe_other_load:
                result = measure_first_sync(stack, plan, products, options.variants)
            print(f"{format_report(result)}\n  {describe_other_load()}\n", flush=True)
            has_faults = has_faults or result.fault is not None
    return int(has_faults)


if __name__ == "__main__":
    sys.exit(main())
