"""The first sync of a shop, beside the time that Shopify's rate limit alone would take for it.

`python -m benchmarks.first_sync [--products 2000 20000] [--plan plus standard] [--variants 3]`: exit 1 when a sync is
no success or an object differs from the sandbox's truth; times are printed and never judged.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import megabytes, table
from benchmarks.stand import OPEN, Stand, running, until
from benchmarks.usage import cpu_seconds, others_work, peak_bytes
from merchant_sync import parts

RESTORE_RATES = {"standard": 100, "advanced": 200, "plus": 1_000, "enterprise": 2_000}
"""Points that a plan's bucket regains each second; it holds twenty seconds' worth."""
_BUCKET_SECONDS = 20
_MOST_SECONDS = 900.0
_SHOWN = (*parts.SERVICES, parts.SPACES, parts.SANDBOX, parts.POSTGRES, parts.KAFKA)


def limit_seconds(points: float, plan: str) -> float:
    """How long the rate limit alone makes `points` take, beginning with a full bucket."""
    rate = RESTORE_RATES[plan]
    return max(0.0, points - _BUCKET_SECONDS * rate) / rate


@dataclass(frozen=True)
class Sync:
    """What one first sync took."""

    plan: str
    products: int
    connected: float
    verdict: float
    object: float
    shown: dict[str, Any]
    statistics: dict[str, Any]
    size: int
    trouble: str | None
    usage: dict[str, tuple[float, int]]
    """CPU seconds and peak memory by part."""


def measure(stand: Stand, plan: str, products: int, variants: int) -> Sync:
    """Connect a new shop of this size and see it to its object."""
    shop = stand.make_shop(plan=plan, products=products, variants=variants)
    stand.tell(shop, "DELETE", "/statistics")
    used, pids = {name: cpu_seconds(pid) for name, pid in stand.pids().items()}, stand.pids()
    began = time.monotonic()
    connected = stand.shops.connect(shop)
    answered = time.monotonic() - began
    shown = until(lambda: s if (s := connected.load_sync())["state"] not in OPEN else None, _MOST_SECONDS)
    verdict = time.monotonic() - began
    stored = until(lambda: stand.visit.load_object(connected.key), 120) if shown["state"] == "success" else None
    took = time.monotonic() - began
    usage = {name: (cpu_seconds(pid) - used[name], peak_bytes(pid)) for name, pid in pids.items()}
    trouble = stand.difference(stored, stand.truth(shop)) if stored else f"{shown['state']}: {shown['reason']}"
    size, statistics = len(stored.body) if stored else 0, stand.tell(shop, "GET", "/statistics")
    return Sync(plan, products, answered, verdict, took, shown, statistics, size, trouble, usage)


def report(sync: Sync) -> str:
    """All figures of one sync."""
    said, points = sync.statistics, sync.statistics["points_spent"]
    limit = limit_seconds(points, sync.plan)
    restored = points / RESTORE_RATES[sync.plan]
    lines = [
        f"{sync.products:,} products, plan {sync.plan}: {sync.trouble or 'equal to the truth'}",
        f"  connected after {sync.connected:.1f} s, to the verdict {sync.verdict:.1f} s, to the object "
        f"{sync.object:.1f} s, {sync.products / sync.verdict:,.0f} products/s",
        f"  {sync.shown['records']:,} records in {sync.shown['pages']} pages, object {megabytes(sync.size)}",
        f"  {said['calls']} calls, {points:,} points ({points / sync.products:.2f} a product), "
        f"{said['throttled']} throttled: {operations(said['operations'])}",
        f"  the rate limit alone: {limit:.1f} s from a full bucket, {restored:.1f} s from an empty one; "
        f"to the verdict / empty bucket {sync.verdict / restored:.1f}",
    ]
    rows = [(name, megabytes(sync.usage[name][1]), f"{sync.usage[name][0]:.1f} s") for name in _SHOWN]
    return "\n".join([*lines, table(["part", "VmHWM", "CPU"], rows)])


def operations(counts: dict[str, int]) -> str:
    """Calls by operation, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def main() -> int:
    """Measure each size on each plan, on a fresh stack each, so that its peaks of memory are its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--plan", nargs="+", choices=list(RESTORE_RATES), default=["plus"])
    parser.add_argument("--variants", type=int, default=3)
    asked = parser.parse_args()
    faults = 0
    for plan in asked.plan:
        for products in asked.products:
            with running() as stand, others_work() as others:
                sync = measure(stand, plan, products, asked.variants)
            print(f"{report(sync)}\n  {others()}\n", flush=True)
            faults += sync.trouble is not None
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
