"""Measure what the change feed costs: the first sync of a shop and a burst of webhooks, with the feed and without.

Without, there is no index of the sequence numbers, and the benchmark itself holds the lease of the feed's relay, so
that nothing is published. Both are measured in turns on one stack.

`python -m benchmarks.feed_cost [--products 20000] [--edits 5000] [--rounds 2]`

The exit code is 1 when an object differs from the sandbox's truth. Times do not affect it.
"""

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from benchmarks.benchmark_stack import OPEN_STATES, BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.formatting import format_spread, format_table
from benchmarks.resource_usage import measure_cpu_seconds, measure_other_load
from merchant_sync import parts

PHASES = ("first sync", "burst of webhooks")
_SECONDS = 900.0
_SCHEMA = "spaces_writer"
_INDEX = "CREATE UNIQUE INDEX records_by_sequence ON records (connection, sequence) WHERE sequence > 0"


@dataclass(frozen=True)
class Cost:
    """What one phase took: seconds until all was stored and published, and CPU seconds of the writer and Postgres."""

    seconds: float
    writer: float
    postgres: float


class FeedSwitch:
    """Takes the feed away while `take_feed_away` lasts, by a session of its own that holds the relay's lease."""

    def __init__(self, stack: BenchmarkStack) -> None:
        self._url = stack.stack.build_admin_database_url()

    @contextmanager
    def take_feed_away(self) -> Iterator[None]:
        """Let no relay publish, and drop the index of the sequence numbers, while the context lasts."""
        held, released = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._hold(held, released)))
        thread.start()
        held.wait()
        try:
            yield
        finally:
            released.set()
            thread.join()

    async def _hold(self, held: threading.Event, released: threading.Event) -> None:
        connection = await asyncpg.connect(self._url, server_settings={"search_path": _SCHEMA})
        await connection.execute("SELECT pg_advisory_lock(hashtext(current_schema() || '.feed'))")
        await connection.execute("DROP INDEX records_by_sequence")
        held.set()
        await asyncio.to_thread(released.wait)
        await connection.execute(_INDEX)
        # The next phase must not publish what this one has left.
        await connection.execute("UPDATE feed_positions SET published = sequence")
        await connection.close()


def measure_phases(
    stack: BenchmarkStack, products: int, edits: int, *, has_feed: bool
) -> tuple[list[Cost], str | None]:
    """Measure both phases on a new shop. Return their costs, and a fault if there is one."""
    shop = stack.make_shop(plan="plus", products=products, variants=3)
    connection = stack.shops.connect(shop)
    costs = [_measure(stack, lambda: connection.load_sync()["state"] not in OPEN_STATES, shop, has_feed=has_feed)]
    fault = stack.find_difference(stack.visit.load_object(connection.key), stack.fetch_truth(shop))
    stack.request_control(shop, "POST", "/burst", {"edits": edits, "products": products, "seed": 5})

    def is_over() -> bool:
        pending = stack.request_control(shop, "GET", "/statistics")["pending_deliveries"]
        return not pending and stack.is_idle(shop)

    costs.append(_measure(stack, is_over, shop, has_feed=has_feed))
    return costs, fault


def _measure(stack: BenchmarkStack, is_over: Callable[[], bool], shop: str, *, has_feed: bool) -> Cost:
    pids, started = stack.list_pids(), time.monotonic()
    before = {name: measure_cpu_seconds(pids[name]) for name in (parts.SPACES_WRITER, parts.POSTGRES)}
    wait_until(lambda: is_over() or None, _SECONDS, 0.2)
    if has_feed:
        sql = f"SELECT 1 FROM {_SCHEMA}.feed_positions WHERE connection = $1 AND published < sequence"
        wait_until(lambda: not stack.select_rows(sql, f"shopify:{shop}") or None, _SECONDS, 0.1)
    after = {name: measure_cpu_seconds(pids[name]) for name in before}
    writer, postgres = (after[name] - before[name] for name in before)
    return Cost(time.monotonic() - started, writer, postgres)


def print_phase(phase: str, with_feed: Sequence[Cost], without: Sequence[Cost]) -> None:
    """Print the figures of one phase, and the ratios of the rounds."""
    fields = (("seconds", "elapsed"), ("writer", "CPU of the writer"), ("postgres", "CPU of Postgres"))
    rows = [
        (label, *(format_spread([getattr(cost, field) for cost in costs]) for costs in (with_feed, without)))
        for field, label in fields
    ]
    print(f"\n{phase} (seconds)\n{format_table(['', 'with the feed', 'without'], rows)}")
    for field, label in fields:
        ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(with_feed, without, strict=True)]
        print(f"  {label}, with / without: {format_spread(ratios)}")


def main() -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--edits", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    results: dict[bool, list[list[Cost]]] = {True: [], False: []}
    faults = []
    with run_benchmark_stack() as stack, measure_other_load() as describe_other_load:
        switch = FeedSwitch(stack)
        # The first sync of a stack pays for the caches of all others.
        measure_phases(stack, 500, 100, has_feed=True)
        for _ in range(options.rounds):
            with switch.take_feed_away():
                costs, fault = measure_phases(stack, options.products, options.edits, has_feed=False)
            results[False].append(costs)
            faults.append(fault)
            costs, fault = measure_phases(stack, options.products, options.edits, has_feed=True)
            results[True].append(costs)
            faults.append(fault)
    for number, phase in enumerate(PHASES):
        print_phase(phase, [costs[number] for costs in results[True]], [costs[number] for costs in results[False]])
    print(f"  {describe_other_load()}")
    for fault in filter(None, faults):
        print(fault, file=sys.stderr)
    return int(any(faults))


if __name__ == "__main__":
    sys.exit(main())
