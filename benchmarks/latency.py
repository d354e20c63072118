"""Measure the time from an edit in a shop until its object shows the edit, compared with a simple script.

`python -m benchmarks.latency [--edits 100] [--products 50] [--every 0.7]`

Edits are so far apart that the pacing of uploads does not delay them. The script has no webhook, no queue and no
ordering: the function that makes the edit also reads the product and puts an object of the same size. Edits of the
product and of the script take turns.
"""

import argparse
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.benchmark_stack import BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.formatting import compute_percentile, format_milliseconds, format_table
from benchmarks.resource_usage import measure_other_load

_EDIT_SECONDS = 20.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class MeasuredEdit:
    """The times of one edit in Unix seconds: the edit itself, the object that shows it, the object's `stored-at`."""

    edited_at: float
    seen_at: float
    stored_at: float


def measure_edit(stack: BenchmarkStack, shop: str, number: int, title: str) -> MeasuredEdit:
    """Edit a product, and poll the object's metadata until the object has changed.

    Raises RuntimeError when the new object does not show the edit.
    """
    key = f"{shop}/shopify_data.json"
    before = stack.read_metadata(key).get("sha256")
    edited_at = time.time()
    stack.request_control(shop, "PATCH", f"/products/{number}", {"title": title})
    # While an object is being replaced, the local store returns it without metadata.
    wait_until(lambda: stack.read_metadata(key).get("sha256", before) != before or None, _EDIT_SECONDS, _POLL_SECONDS)
    seen_at = time.time()
    stored = stack.visit.load_object(key)
    if stored is None or title.encode() not in stored.body:
        raise RuntimeError(f"the object changed, but does not show {title!r}")
    return MeasuredEdit(edited_at, seen_at, datetime.fromisoformat(stored.metadata["stored-at"]).timestamp())


def measure_script(stack: BenchmarkStack, shop: str, number: int, title: str, body: bytes) -> float:
    """Run the script: edit a product of an unconnected shop, read it, store `body` as an object. Return the seconds."""
    started = time.time()
    stack.request_control(shop, "PATCH", f"/products/{number}", {"title": title})
    stack.request_control(shop, "GET", f"/products/{number}")
    stack.put_object(f"script/{shop}.json", body)
    return time.time() - started


def measure_edits(
    stack: BenchmarkStack, shop: str, script_shop: str, count: int, every: float
) -> tuple[list[MeasuredEdit], list[float]]:
    """Measure the product and the script alternately, `count` times each. A turn starts every `every` seconds."""
    numbers, script_numbers = _list_numbers(stack, shop), _list_numbers(stack, script_shop)
    stored = stack.visit.load_object(f"{shop}/shopify_data.json")
    assert stored is not None
    edits: list[MeasuredEdit] = []
    script_seconds: list[float] = []
    for turn in range(count):
        started = time.monotonic()
        title, script_number = f"Edited {turn}", script_numbers[turn % len(script_numbers)]
        edits.append(measure_edit(stack, shop, numbers[turn % len(numbers)], title))
        script_seconds.append(measure_script(stack, script_shop, script_number, title, stored.body))
        time.sleep(max(0.0, every - (time.monotonic() - started)))
    return edits, script_seconds


def _list_numbers(stack: BenchmarkStack, shop: str) -> list[int]:
    return [int(product["number"]) for product in stack.request_control(shop, "GET", "/products", limit=50)["products"]]


def collect_stages(stack: BenchmarkStack, shop: str, edits: list[MeasuredEdit]) -> dict[str, list[float]]:
    """Return the seconds that each edit spent in each stage, by stage.

    The times come from the sandbox's webhook deliveries, the scheduler's ledger of syncs, and the object.

    Raises RuntimeError unless each edit had exactly one webhook and one sync.
    """
    deliveries = stack.request_control(shop, "GET", "/deliveries", topic="PRODUCTS_UPDATE")["deliveries"]
    posts = sorted((delivery["history"][0] for delivery in deliveries), key=lambda post: post["at"])
    syncs = stack.select_rows(
        "SELECT finished_at FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' ORDER BY requested_at",
        f"shopify:{shop}",
    )
    if not len(posts) == len(syncs) == len(edits):
        raise RuntimeError(f"{len(edits)} edits, {len(posts)} webhooks, {len(syncs)} syncs")
    stages: dict[str, list[float]] = {}
    for edit, post, sync in zip(edits, posts, syncs, strict=True):
        for name, seconds in _compute_stages(edit, post, sync["finished_at"].timestamp()).items():
            stages.setdefault(name, []).append(seconds)
    return stages


def _compute_stages(edit: MeasuredEdit, post: dict[str, Any], finished_at: float) -> dict[str, float]:
    accepted_at = post["at"] + post["seconds"]
    return {
        "edit → webhook sent (sandbox)": post["at"] - edit.edited_at,
        "webhook sent → 200 (gateway, Kafka)": post["seconds"],
        "200 → object built (fetch, store, build)": edit.stored_at - accepted_at,
        "object built → seen (PUT, and our polling)": edit.seen_at - edit.stored_at,
        "in parallel: 200 → sync finished in the ledger": finished_at - accepted_at,
    }


def main() -> None:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--products", type=int, default=50)
    parser.add_argument("--every", type=float, default=0.7)
    options = parser.parse_args()
    with run_benchmark_stack() as stack:
        shop, script_shop = (stack.make_shop(products=options.products) for _ in range(2))
        stack.connect_and_sync(shop)
        with measure_other_load() as describe_other_load:
            edits, script_seconds = measure_edits(stack, shop, script_shop, options.edits, options.every)
        wait_until(lambda: stack.is_idle(shop) or None, 30)
        print(format_report(edits, script_seconds, collect_stages(stack, shop, edits)))
        print(f"  {describe_other_load()}")


def format_report(edits: list[MeasuredEdit], script_seconds: list[float], stages: dict[str, list[float]]) -> str:
    """Format percentiles of the whole time, of each stage, and of the script."""
    total_seconds = [edit.seen_at - edit.edited_at for edit in edits]
    rows = [
        _format_row(f"edit → object, {len(edits)} edits", total_seconds),
        *(_format_row(f"  {name}", seconds) for name, seconds in stages.items()),
        _format_row("script: edit, read, put", script_seconds),
    ]
    ratios = [compute_percentile(total_seconds, p) / compute_percentile(script_seconds, p) for p in (0.5, 0.99)]
    return "\n".join(
        [
            format_table(["", "p50", "p99"], rows),
            f"  edit → object / script: p50 {ratios[0]:.1f}, p99 {ratios[1]:.1f}",
        ]
    )


def _format_row(name: str, seconds: list[float]) -> tuple[str, str, str]:
    p50, p99 = (format_milliseconds(compute_percentile(seconds, share)) for share in (0.5, 0.99))
    return name, p50, p99


if __name__ == "__main__":
    main()
