"""Measure first full syncs of shops that change meanwhile, and check that no shop that lies gets a success.

`python -m benchmarks.completeness [--products 200 2000 20000] [--pairs 0.2 1 10] [--plan plus]`

A pair is one product that is created and one that is deleted. Each size is compared with the same shop without changes,
in the same run. The lies are about lists and counts, apart and together, before the first full sync and after it.

The exit code is 1 when a truthful shop has no success, or a shop that lies has one or loses a record. Times do not
affect it.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.benchmark_stack import OPEN_STATES, BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.formatting import format_table
from benchmarks.resource_usage import measure_other_load
from merchant_sync.demo.shopify_sandbox import ConnectedShop

_SYNC_SECONDS = 900.0
_OVERDUE_SECONDS = 61.0
"""The time after which a truthful list must name a stored record."""
_LYING_SHOP = {"products": 300, "variants": 1, "locations": 1, "collections": 0, "discounts": 0, "plan": "plus"}


@dataclass(frozen=True)
class ChurnResult:
    """The measurements of one first full sync. Times are seconds since the login began."""

    products: int
    pairs_per_second: float
    pairs: int
    stored: float | None
    attempts: int
    points: int
    state: str
    reason: str | None


@contextmanager
def change_products(stack: BenchmarkStack, shop: str, pairs_per_second: float) -> Iterator[list[int]]:
    """Create and delete products at a steady rate, and touch others. Yield the list of the deleted products."""
    numbers, deleted, ended = list_product_numbers(stack, shop), list[int](), threading.Event()
    rng, began = Random(1), time.monotonic()

    def change() -> None:
        while not ended.wait(max(0.0, began + len(deleted) / pairs_per_second - time.monotonic())):
            number = numbers.pop(rng.randrange(len(numbers)))
            stack.request_control(shop, "DELETE", f"/products/{number}")
            stack.request_control(shop, "POST", "/products", {"title": f"In place of {number}"})
            stack.request_control(shop, "POST", f"/products/{rng.choice(numbers)}/touch")
            deleted.append(number)

    thread = threading.Thread(target=change)
    if pairs_per_second:
        thread.start()
    try:
        yield deleted
    finally:
        ended.set()
        if pairs_per_second:
            thread.join()


def list_product_numbers(stack: BenchmarkStack, shop: str) -> list[int]:
    """Return the numbers of all products of a shop."""
    products = stack.request_control(shop, "GET", "/products", limit=100_000)["products"]
    return [int(product["number"]) for product in products]


def measure_churn(stack: BenchmarkStack, plan: str, products: int, pairs_per_second: float) -> ChurnResult:
    """Connect a new shop while it changes, and measure until its first object is in the bucket."""
    shop = stack.make_shop(plan=plan, products=products, variants=3)
    with change_products(stack, shop, pairs_per_second) as deleted:
        started = time.monotonic()
        connection = stack.shops.connect(shop)
        sync = wait_for_end(connection, None)
        stored = None
        if sync["state"] == "success":
            wait_until(lambda: stack.visit.load_object(connection.key), 120)
            stored = time.monotonic() - started
    (row,) = stack.select_rows(
        "SELECT points, (SELECT count(*) FROM scheduler.steps s WHERE s.sync_id = y.sync_id AND s.cursor LIKE $2)"
        " AS repeated FROM scheduler.syncs y WHERE sync_id = $1::text::uuid",
        str(sync["sync_id"]),
        '%\\\\"is_retry\\\\":true%',
    )
    return ChurnResult(
        products,
        pairs_per_second,
        len(deleted),
        stored,
        1 + row["repeated"],
        row["points"],
        sync["state"],
        sync["reason"],
    )


def wait_for_end(connection: ConnectedShop, sync_id: str | None) -> dict[str, Any]:
    """Wait until a sync has ended, and return it; without `sync_id` the first sync of the connection."""
    return wait_until(
        lambda: sync if (sync := connection.load_sync(sync_id))["state"] not in OPEN_STATES else None, _SYNC_SECONDS
    )


def format_churn(results: Sequence[ChurnResult]) -> str:
    """Format the churn table. Ratios are to the shop of the same size without changes."""
    baselines = {result.products: result for result in results if not result.pairs_per_second}
    rows = []
    for result in results:
        baseline = baselines[result.products]
        stored = f"{result.stored:.1f} s" if result.stored else f"{result.state}: {result.reason}"
        ratio = f"{result.stored / baseline.stored:.2f}" if result.stored and baseline.stored else ""
        points = f"{result.points / baseline.points:.2f}"
        name = f"{result.products:,}"
        rows.append(
            (name, result.pairs_per_second, result.pairs, stored, ratio, result.attempts, result.points, points)
        )
    head = ("products", "pairs/s", "pairs", "first object", "/ no churn", "attempts", "points", "/ no churn")
    return format_table(head, rows)


@dataclass(frozen=True)
class Lie:
    """What a shop hides: parts of all lists and counts, or the last or one of its products.

    The two `hides_from` are ranges of positions of products. `polls` is how many full syncs are requested meanwhile.
    """

    name: str
    faults: dict[str, Any] = field(default_factory=dict)
    hides_from_lists: tuple[int, int] = (0, 0)
    hides_from_counts: tuple[int, int] = (0, 0)
    is_first: bool = False
    polls: int = 1

    def build_faults(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return the faults for a shop with these products."""
        hidden = {
            "hidden_from_lists": list(numbers[slice(*self.hides_from_lists)]),
            "hidden_from_counts": list(numbers[slice(*self.hides_from_counts)]),
        }
        return {**hidden, **self.faults, "webhooks_off": True}


_ONE, _LAST, _FIRST, _MOST = (140, 141), (290, 300), (0, 1), (150, 300)
_APART: list[tuple[str, dict[str, Any], tuple[int, int], tuple[int, int]]] = [
    ("empty list", {"lists": "empty"}, (0, 0), (0, 0)),
    ("half of each list", {"lists": "half"}, (0, 0), (0, 0)),
    ("list without the first", {}, _FIRST, (0, 0)),
    ("list without one in the middle", {}, _ONE, (0, 0)),
    ("list cut before the last ten", {}, _LAST, (0, 0)),
    ("list cut in the middle", {}, _MOST, (0, 0)),
    ("count too low by one", {}, (0, 0), _ONE),
    ("count of nothing", {"counts": "empty"}, (0, 0), (0, 0)),
    ("list and count without different ones", {}, _ONE, _LAST),
]
LIES = [
    *(Lie(*values, is_first=True) for values in _APART),
    *(Lie(*values) for values in _APART),
    Lie("list and count without the same one", {}, _ONE, _ONE),
    Lie("list and count without the same last ten", {}, _LAST, _LAST),
    Lie("list and count without the same half", {}, _MOST, _MOST, polls=2),
    Lie("list and count of nothing", {"lists": "empty", "counts": "empty"}, polls=2),
]


@dataclass
class LieResult:
    """What became of a shop that lies: the results of its full syncs, and how many stored products were removed."""

    lie: Lie
    shop: str
    connection: ConnectedShop | None = None
    stored: int = 0
    removed: int = 0
    results: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def successes(self) -> int:
        """The number of full syncs under the lie that ended as a success."""
        return sum(state == "success" for state, _ in self.results)


def run_lies(stack: BenchmarkStack, lies: Sequence[Lie]) -> list[LieResult]:
    """Let each shop lie: some at once, the others when their products have been stored long enough."""
    results = [LieResult(lie, stack.make_shop(**_LYING_SHOP)) for lie in lies]
    later = [result for result in results if not result.lie.is_first]
    for result in later:
        result.connection = stack.connect_and_sync(result.shop)
        result.stored = count_stored(stack, result.shop)
    time.sleep(_OVERDUE_SECONDS)
    for result in results:
        numbers = list_product_numbers(stack, result.shop)
        stack.request_control(result.shop, "PUT", "/faults", result.lie.build_faults(numbers))
        if result.lie.is_first:
            result.connection = stack.shops.connect(result.shop)
    for number in range(max(lie.polls for lie in lies)):
        polled = [result for result in later if result.lie.polls > number]
        for result in polled:
            stack.start_poll(result.shop)
        for result in [*polled, *(r for r in results if r.lie.is_first and not number)]:
            _record_result(stack, result)
    return results


def _record_result(stack: BenchmarkStack, result: LieResult) -> None:
    assert result.connection is not None
    sync = wait_for_end(result.connection, None if result.lie.is_first else find_poll(stack, result))
    result.results.append((sync["state"], sync["reason"]))
    result.removed = max(0, result.stored - count_stored(stack, result.shop))


def find_poll(stack: BenchmarkStack, result: LieResult) -> str:
    """Wait until the next poll of the shop has started, and return the id of its sync."""
    sql = "SELECT sync_id FROM scheduler.syncs WHERE connection = $1 AND cause = 'poll' ORDER BY requested_at"
    name, index = f"shopify:{result.shop}", len(result.results)
    return wait_until(lambda: str(r[index]["sync_id"]) if len(r := stack.select_rows(sql, name)) > index else None, 60)


def count_stored(stack: BenchmarkStack, shop: str) -> int:
    """Return how many products of a shop are stored."""
    sql = (
        "SELECT count(*) FROM spaces_writer.records"
        " WHERE connection = $1 AND resource = 'products' AND content_hash IS NOT NULL"
    )
    return int(stack.select_rows(sql, f"shopify:{shop}")[0][0])


def format_lies(results: Sequence[LieResult]) -> str:
    """Format the lie table."""
    rows = [
        (
            result.lie.name,
            "first sync" if result.lie.is_first else "later",
            len(result.results),
            result.successes,
            result.removed,
            (result.results[-1][1] or "")[:70],
        )
        for result in results
    ]
    return format_table(("lie", "when", "syncs", "successes", "removed", "last reason"), rows)


def main() -> int:
    """Print both tables. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, nargs="+", default=[200, 2_000, 20_000])
    parser.add_argument("--pairs", type=float, nargs="+", default=[0.2, 1, 10])
    parser.add_argument("--plan", choices=["standard", "advanced", "plus", "enterprise"], default="plus")
    options = parser.parse_args()
    with run_benchmark_stack() as stack, measure_other_load() as describe_other_load:
        churns = [
            measure_churn(stack, options.plan, products, pairs)
            for products in options.products
            for pairs in (0.0, *options.pairs)
        ]
        print(format_churn(churns), flush=True)
        lies = run_lies(stack, LIES)
        print(format_lies(lies))
    successes, removed = sum(result.successes for result in lies), sum(result.removed for result in lies)
    print(f"  {len(lies)} lies: {successes} successes, {removed} removed\n  {describe_other_load()}")
    is_right = all(result.stored is not None for result in churns) and not successes and not removed
    return int(not is_right)


if __name__ == "__main__":
    sys.exit(main())
