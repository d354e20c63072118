"""From an edit in a shop to the object that shows it, beside glue code that reads the product and puts the object.

`python -m benchmarks.latency [--edits 100] [--products 50] [--every 0.7]`. Edits are spaced so that the pacing of
uploads does not bind. The glue has no webhook, no queue and no order: it is told of the edit by the function that
made it, reads that product, and puts bytes of the same size. Edits of both take turns.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.figures import milliseconds, percentile, table
from benchmarks.stand import Stand, running, until
from benchmarks.usage import others_work

_MOST_SECONDS = 20.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Edit:
    """One edit's moments, in seconds since the epoch: made, seen in the object, and the object's own `stored-at`."""

    made: float
    seen: float
    stored: float


def measured_edit(stand: Stand, shop: str, number: int, title: str) -> Edit:
    """Edit a product, and ask for the object until it is another one."""
    key = f"{shop}/shopify_data.json"
    before = stand.head(key).get("sha256")
    made = time.time()
    stand.tell(shop, "PATCH", f"/products/{number}", {"title": title})
    # While an object is being replaced, the local store shows it without metadata.
    until(lambda: stand.head(key).get("sha256", before) != before or None, _MOST_SECONDS, _POLL_SECONDS)
    seen = time.time()
    stored = stand.visit.load_object(key)
    if stored is None or title.encode() not in stored.body:
        raise RuntimeError(f"the object changed, and does not show {title!r}")
    return Edit(made, seen, datetime.fromisoformat(stored.metadata["stored-at"]).timestamp())


def glue_edit(stand: Stand, shop: str, number: int, title: str, body: bytes) -> float:
    """Edit a product of a shop that nobody listens to, read it, put the object: seconds from the edit to the answer."""
    began = time.time()
    stand.tell(shop, "PATCH", f"/products/{number}", {"title": title})
    stand.tell(shop, "GET", f"/products/{number}")
    stand.put(f"glue/{shop}.json", body)
    return time.time() - began


def edits(stand: Stand, shop: str, other: str, count: int, every: float) -> tuple[list[Edit], list[float]]:
    """Both in turns, `every` so many seconds."""
    own, glue = _numbers(stand, shop), _numbers(stand, other)
    stored = stand.visit.load_object(f"{shop}/shopify_data.json")
    assert stored is not None
    done: list[Edit] = []
    glued: list[float] = []
    for turn in range(count):
        began = time.monotonic()
        done.append(measured_edit(stand, shop, own[turn % len(own)], f"Edited {turn}"))
        glued.append(glue_edit(stand, other, glue[turn % len(glue)], f"Edited {turn}", stored.body))
        time.sleep(max(0.0, every - (time.monotonic() - began)))
    return done, glued


def _numbers(stand: Stand, shop: str) -> list[int]:
    return [int(product["number"]) for product in stand.tell(shop, "GET", "/products", limit=50)["products"]]


def stages(stand: Stand, shop: str, done: list[Edit]) -> dict[str, list[float]]:
    """The seconds of each stage of each edit, from the sandbox's deliveries, the ledger and the object itself."""
    told = stand.tell(shop, "GET", "/deliveries", topic="PRODUCTS_UPDATE")["deliveries"]
    posts = sorted((d["history"][0] for d in told), key=lambda post: post["at"])
    ledger = stand.rows(
        "SELECT finished_at FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' ORDER BY requested_at",
        f"shopify:{shop}",
    )
    if not len(posts) == len(ledger) == len(done):
        raise RuntimeError(f"{len(done)} edits, {len(posts)} webhooks, {len(ledger)} syncs")
    found: dict[str, list[float]] = {}
    for edit, post, sync in zip(done, posts, ledger, strict=True):
        for name, seconds in _of_one(edit, post, sync["finished_at"].timestamp()).items():
            found.setdefault(name, []).append(seconds)
    return found


def _of_one(edit: Edit, post: dict[str, Any], verdict: float) -> dict[str, float]:
    accepted = post["at"] + post["seconds"]
    return {
        "edit → webhook sent (sandbox)": post["at"] - edit.made,
        "webhook sent → 200 (gateway, Kafka)": post["seconds"],
        "200 → object composed (fetch, store, compose)": edit.stored - accepted,
        "object composed → seen (PUT, and our asking)": edit.seen - edit.stored,
        "beside it: 200 → verdict in the ledger": verdict - accepted,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--products", type=int, default=50)
    parser.add_argument("--every", type=float, default=0.7)
    asked = parser.parse_args()
    with running() as stand:
        shop, other = (stand.make_shop(products=asked.products) for _ in range(2))
        stand.synced(shop)
        with others_work() as others:
            done, glued = edits(stand, shop, other, asked.edits, asked.every)
        until(lambda: stand.quiet(shop) or None, 30)
        print(report(done, glued, stages(stand, shop, done)))
        print(f"  {others()}")


def report(done: list[Edit], glued: list[float], parts: dict[str, list[float]]) -> str:
    """Percentiles of the whole, of its stages and of the baseline."""
    whole = [edit.seen - edit.made for edit in done]
    rows = [
        _row(f"edit → object, {len(done)} edits", whole),
        *(_row(f"  {name}", seconds) for name, seconds in parts.items()),
        _row("glue: edit, read, put", glued),
    ]
    ratios = [percentile(whole, share) / percentile(glued, share) for share in (0.5, 0.99)]
    return "\n".join(
        [table(["", "p50", "p99"], rows), f"  edit → object / glue: p50 {ratios[0]:.1f}, p99 {ratios[1]:.1f}"]
    )


def _row(name: str, seconds: list[float], show: Callable[[float], str] = milliseconds) -> tuple[str, str, str]:
    return name, show(percentile(seconds, 0.5)), show(percentile(seconds, 0.99))


if __name__ == "__main__":
    main()
