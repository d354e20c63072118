"""Measure a burst of ten thousand product webhooks of one shop, compared with one read of the API for each edit.

`python -m benchmarks.burst [--edits 10000] [--products 2500] [--nodes flat linear]`

The exit code is 1 when the object differs from the sandbox's truth, when a list was read from its root field, or when
a sync is not a success. Times do not affect the exit code.
"""

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from benchmarks.benchmark_stack import BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.first_sync import compute_limit_seconds, format_operations
from benchmarks.formatting import format_megabytes
from benchmarks.resource_usage import measure_cpu_seconds, measure_other_load

PLAN = "plus"
_BURST_SECONDS = 600.0
_OTHER_EDIT_SECONDS = 60.0
_LAST_UPLOAD_SECONDS = 90.0
"""The seconds after the last sync result by which the pacing of uploads may delay the last upload."""
_FIELDS_BY_ID = {"node", "nodes", "shop"}
"""Root fields that read by id and return no list."""


@dataclass
class BurstObserver:
    """Observes a burst in background threads while the context lasts. All times are seconds since its start."""

    stack: BenchmarkStack
    shop: str
    other_shop: str
    started: float = 0.0
    started_at: float = 0.0
    objects: dict[str, float] = field(default_factory=dict)
    """The time at which each version of the shop's object was first seen, by its hash."""
    first_change_stored: float | None = None
    """The time at which a webhook sync that changed a record was first a success; None if none was."""
    other_edit_seconds: float | None = None
    """The seconds from an edit of the other shop until that shop's object has changed; None if it never did."""

    def __enter__(self) -> Self:
        self.started, self.started_at, self._stop = time.monotonic(), time.time(), threading.Event()
        checks = ((self._check_object, 0.5), (self._check_ledger, 0.1), (self._edit_other_shop, 1.0))
        self._threads = [threading.Thread(target=self._repeat_check, args=check, daemon=True) for check in checks]
        self._first_hash = self.stack.read_metadata(self._get_object_key(self.shop)).get("sha256")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_OTHER_EDIT_SECONDS)

    def measure_elapsed(self) -> float:
        """Return the seconds since the burst started."""
        return time.monotonic() - self.started

    def _repeat_check(self, check: Callable[[], bool], pause: float) -> None:
        """Call `check` with pauses until it returns False."""
        while not self._stop.wait(pause) and check():
            pass

    def _check_object(self) -> bool:
        current = self.stack.read_metadata(self._get_object_key(self.shop)).get("sha256")
        if current is not None and current != self._first_hash:
            self.objects.setdefault(current, self.measure_elapsed())
        return True

    def _check_ledger(self) -> bool:
        sql = (
            "SELECT 1 FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' "
            "AND state IN ('storing', 'success') AND changed > 0 "
            "AND requested_at > now() - make_interval(secs => $2) LIMIT 1"
        )
        if self.stack.select_rows(sql, f"shopify:{self.shop}", self.measure_elapsed()):
            self.first_change_stored = self.measure_elapsed()
        return self.first_change_stored is None

    def _edit_other_shop(self) -> bool:
        """Edit a product of the other shop once, and wait until that shop's object has changed. Return False."""
        key, started = self._get_object_key(self.other_shop), time.monotonic()
        before = self.stack.read_metadata(key).get("sha256")
        products = self.stack.request_control(self.other_shop, "GET", "/products", limit=1)["products"]
        title = f"Edited during a burst {started}"
        self.stack.request_control(self.other_shop, "PATCH", f"/products/{products[0]['number']}", {"title": title})
        wait_until(lambda: self.stack.read_metadata(key).get("sha256", before) != before or None, _OTHER_EDIT_SECONDS)
        self.other_edit_seconds = time.monotonic() - started
        return False

    @staticmethod
    def _get_object_key(shop: str) -> str:
        return f"{shop}/shopify_data.json"


@dataclass(frozen=True)
class BurstResult:
    """The measurements of one burst. All times are seconds since its start."""

    nodes: str
    observer: BurstObserver
    all_delivered: float
    all_finished: float
    first_sent: float
    usage: dict[str, float]
    """CPU seconds by part."""
    object_equal: float | None
    statistics: dict[str, Any]
    states: Counter[str]
    size: int
    faults: tuple[str, ...]


def measure_burst(
    stack: BenchmarkStack, shop: str, other_shop: str, nodes: str, edits: int, products: int
) -> BurstResult:
    """Run one burst on a shop without open syncs and observe it until its object is complete.

    `nodes` is how the sandbox charges for the field `nodes`: `flat` or `linear`.
    """
    stack.request_control(shop, "PUT", "/faults", {"nodes_cost": nodes})
    stack.request_control(shop, "DELETE", "/statistics")
    states_before, cpu_before = count_states(stack, shop), _measure_cpu(stack)
    with BurstObserver(stack, shop, other_shop) as observer:
        stack.request_control(shop, "POST", "/burst", {"edits": edits, "products": products, "seed": int(time.time())})
        wait_until(lambda: _count_pending(stack, shop) == 0 or None, _BURST_SECONDS, 0.2)
        all_delivered = observer.measure_elapsed()
        wait_until(lambda: stack.is_idle(shop) or None, _BURST_SECONDS, 0.2)
        all_finished, truth = observer.measure_elapsed(), stack.fetch_truth(shop)
        final_hash = sha256(truth).hexdigest()
        last_moment = all_finished + _LAST_UPLOAD_SECONDS
        wait_until(
            lambda: final_hash in observer.objects or observer.measure_elapsed() > last_moment or None,
            _BURST_SECONDS,
            0.2,
        )
    usage = {name: seconds - cpu_before[name] for name, seconds in _measure_cpu(stack).items()}
    statistics, states = stack.request_control(shop, "GET", "/statistics"), count_states(stack, shop) - states_before
    first_sent, object_equal = _find_first_delivery(stack, shop, observer, edits), observer.objects.get(final_hash)
    difference = stack.find_difference(stack.visit.load_object(f"{shop}/shopify_data.json"), truth)
    faults = tuple(find_faults(difference, statistics["root_fields"], states, edits))
    return BurstResult(
        nodes,
        observer,
        all_delivered,
        all_finished,
        first_sent,
        usage,
        object_equal,
        statistics,
        states,
        len(truth),
        faults,
    )


def _measure_cpu(stack: BenchmarkStack) -> dict[str, float]:
    return {name: measure_cpu_seconds(pid) for name, pid in stack.list_pids().items()}


def _find_first_delivery(stack: BenchmarkStack, shop: str, observer: BurstObserver, edits: int) -> float:
    """Return when the sandbox sent the first webhook of the burst, in seconds since the burst's start.

    The sandbox makes all edits before it sends the first webhook. The result is NaN when it sent none.
    """
    response = stack.request_control(shop, "GET", "/deliveries", topic="PRODUCTS_UPDATE", limit=10 * edits)
    moments = [delivery["history"][0]["at"] for delivery in response["deliveries"] if delivery["history"]]
    return min((at - observer.started_at for at in moments if at >= observer.started_at), default=float("nan"))


def _count_pending(stack: BenchmarkStack, shop: str) -> int:
    return int(stack.request_control(shop, "GET", "/statistics")["pending_deliveries"])


def count_states(stack: BenchmarkStack, shop: str) -> Counter[str]:
    """Count the shop's webhook syncs in the ledger by state."""
    sql = "SELECT state, count(*) FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' GROUP BY state"
    return Counter(dict(stack.select_rows(sql, f"shopify:{shop}")))


def find_faults(difference: str | None, root_fields: Iterable[str], states: Counter[str], edits: int) -> Iterator[str]:
    """Yield a description of each fault: a wrong object, a list read from its root field, syncs without success."""
    if difference:
        yield difference
    if lists := set(root_fields) - _FIELDS_BY_ID:
        yield f"lists were read from their root field: {', '.join(sorted(lists))}"
    if states != Counter(success=edits):
        yield f"of {edits} accepted webhooks the ledger has {dict(states)}"


def format_report(result: BurstResult) -> str:
    """Format all figures of one burst."""
    statistics, observer = result.statistics, result.observer
    limit_seconds = compute_limit_seconds(statistics["points_spent"], PLAN)
    edits = result.states.total()
    return "\n".join(
        [
            f"nodes charged {result.nodes}: {'; '.join(result.faults) or 'equal to the truth, every sync success'}",
            f"  {statistics['calls']} calls (one by one: {edits:,}; ratio {statistics['calls'] / max(edits, 1):.4f}): "
            f"{format_operations(statistics['operations'])}",
            f"  root fields {dict(statistics['root_fields'])}, {statistics['points_spent']:,} points, "
            f"{statistics['throttled']} throttled, the rate limit alone {limit_seconds:.1f} s",
            f"  {statistics['ids_read']:,} ids read; first webhook sent after {result.first_sent:.1f} s, all accepted "
            f"after {result.all_delivered:.1f} s ({edits / (result.all_delivered - result.first_sent):,.0f}/s)",
            f"  first change stored after {_format_seconds(observer.first_change_stored)}, in an object after "
            f"{_format_seconds(min(observer.objects.values(), default=None))}",
            f"  another shop's edit in its object after {_format_seconds(observer.other_edit_seconds)}",
            f"  all syncs finished after {result.all_finished:.1f} s, object equal to the truth after "
            f"{_format_seconds(result.object_equal)}: {format_megabytes(result.size)}, "
            f"{len(observer.objects)} uploads",
            f"  CPU: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in result.usage.items())}",
        ]
    )


def _format_seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def main() -> int:
    """Run one burst on the same shop for each way in which the sandbox charges `nodes`. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--products", type=int, default=2_500)
    parser.add_argument("--nodes", nargs="+", choices=["flat", "linear"], default=["flat", "linear"])
    options = parser.parse_args()
    has_faults = False
    with run_benchmark_stack() as stack:
        shop = stack.make_shop(plan=PLAN, products=options.products, variants=10, locations=2)
        other_shop = stack.make_shop(products=50)
        for name in (other_shop, shop):
            stack.connect_and_sync(name)
        for nodes in options.nodes:
            wait_until(lambda: stack.is_idle(shop) or None, 60)
            with measure_other_load() as describe_other_load:
                result = measure_burst(stack, shop, other_shop, nodes, options.edits, options.products)
            print(f"{format_report(result)}\n  {describe_other_load()}\n", flush=True)
            has_faults = has_faults or bool(result.faults)
    return int(has_faults)


if __name__ == "__main__":
    sys.exit(main())
