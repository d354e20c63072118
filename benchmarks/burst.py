"""Ten thousand product webhooks of one shop at once, beside the same number of edits read one by one.

`python -m benchmarks.burst [--edits 10000] [--products 2500] [--nodes flat linear]`: exit 1 when the object differs
from the truth, a list was read from its root, or a sync of the ledger is no success; times are printed.
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

from benchmarks.figures import megabytes
from benchmarks.first_sync import limit_seconds, operations
from benchmarks.stand import Stand, running, until
from benchmarks.usage import cpu_seconds, others_work

PLAN = "plus"
_MOST_SECONDS = 600.0
_OTHER_SECONDS = 60.0
_UPLOAD_SECONDS = 90.0
"""How long after the last verdict the final upload may be held back by its pacing."""
_BY_ID = {"node", "nodes", "shop"}
"""Root fields that read what was named, and no list."""


@dataclass
class Watch:
    """What was seen since the burst began, in seconds from then; it is at work while it is entered."""

    stand: Stand
    shop: str
    other: str
    began: float = 0.0
    began_at: float = 0.0
    objects: dict[str, float] = field(default_factory=dict)
    """Every object that the shop had, by its hash, and when it was first seen."""
    stored: float | None = None
    """When the ledger had the first webhook's verdict with a change."""
    other_took: float | None = None
    """How long the other shop's edit took to its object."""

    def __enter__(self) -> Self:
        self.began, self.began_at, self._over = time.monotonic(), time.time(), threading.Event()
        looks = ((self._look_at_object, 0.5), (self._look_at_ledger, 0.1), (self._edit_elsewhere, 1.0))
        self._threads = [threading.Thread(target=self._repeat, args=look, daemon=True) for look in looks]
        self._was = self.stand.head(self._key(self.shop)).get("sha256")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_OTHER_SECONDS)

    def now(self) -> float:
        """Seconds since the burst began."""
        return time.monotonic() - self.began

    def _repeat(self, look: Callable[[], bool], pause: float) -> None:
        """Look again and again, until there is nothing left to see."""
        while not self._over.wait(pause) and look():
            pass

    def _look_at_object(self) -> bool:
        seen = self.stand.head(self._key(self.shop)).get("sha256")
        if seen is not None and seen != self._was:
            self.objects.setdefault(seen, self.now())
        return True

    def _look_at_ledger(self) -> bool:
        sql = (
            "SELECT 1 FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' AND state = 'success' "
            "AND changed > 0 AND requested_at > now() - make_interval(secs => $2) LIMIT 1"
        )
        if self.stand.rows(sql, f"shopify:{self.shop}", self.now()):
            self.stored = self.now()
        return self.stored is None

    def _edit_elsewhere(self) -> bool:
        """One edit, once, of the shop that has no part in the burst."""
        key, began = self._key(self.other), time.monotonic()
        before = self.stand.head(key).get("sha256")
        number = self.stand.tell(self.other, "GET", "/products", limit=1)["products"][0]["number"]
        self.stand.tell(self.other, "PATCH", f"/products/{number}", {"title": f"Edited beside a burst {began}"})
        until(lambda: self.stand.head(key).get("sha256", before) != before or None, _OTHER_SECONDS)
        self.other_took = time.monotonic() - began
        return False

    @staticmethod
    def _key(shop: str) -> str:
        return f"{shop}/shopify_data.json"


@dataclass(frozen=True)
class Burst:
    """What one burst came to."""

    nodes: str
    watch: Watch
    delivered: float
    settled: float
    first_sent: float
    usage: dict[str, float]
    """CPU seconds by part."""
    equal: float | None
    statistics: dict[str, Any]
    states: Counter[str]
    size: int
    trouble: tuple[str, ...]


def measure(stand: Stand, shop: str, other: str, nodes: str, edits: int, products: int) -> Burst:
    """One burst on a shop that is at rest, watched to its end."""
    stand.tell(shop, "PUT", "/faults", {"nodes_cost": nodes})
    stand.tell(shop, "DELETE", "/statistics")
    before, used = states(stand, shop), _cpu(stand)
    with Watch(stand, shop, other) as watch:
        stand.tell(shop, "POST", "/burst", {"edits": edits, "products": products, "seed": int(time.time())})
        until(lambda: _pending(stand, shop) == 0 or None, _MOST_SECONDS, 0.2)
        delivered = watch.now()
        until(lambda: stand.quiet(shop) or None, _MOST_SECONDS, 0.2)
        settled, truth = watch.now(), stand.truth(shop)
        final = sha256(truth).hexdigest()
        until(lambda: final in watch.objects or watch.now() > settled + _UPLOAD_SECONDS or None, _MOST_SECONDS, 0.2)
    usage = {name: seconds - used[name] for name, seconds in _cpu(stand).items()}
    statistics, counted = stand.tell(shop, "GET", "/statistics"), states(stand, shop) - before
    sent, equal = _first_sent(stand, shop, watch, edits), watch.objects.get(final)
    difference = stand.difference(stand.visit.load_object(f"{shop}/shopify_data.json"), truth)
    trouble = tuple(troubles(difference, statistics["root_fields"], counted, edits))
    return Burst(nodes, watch, delivered, settled, sent, usage, equal, statistics, counted, len(truth), trouble)


def _cpu(stand: Stand) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in stand.pids().items()}


def _first_sent(stand: Stand, shop: str, watch: Watch, edits: int) -> float:
    """When the sandbox had made all edits and sent the first webhook of them."""
    told = stand.tell(shop, "GET", "/deliveries", topic="PRODUCTS_UPDATE", limit=10 * edits)["deliveries"]
    moments = [delivery["history"][0]["at"] for delivery in told if delivery["history"]]
    return min((at - watch.began_at for at in moments if at >= watch.began_at), default=float("nan"))


def _pending(stand: Stand, shop: str) -> int:
    return int(stand.tell(shop, "GET", "/statistics")["pending_deliveries"])


def states(stand: Stand, shop: str) -> Counter[str]:
    """The shop's webhook syncs in the ledger by state."""
    sql = "SELECT state, count(*) FROM scheduler.syncs WHERE connection = $1 AND cause = 'webhook' GROUP BY state"
    return Counter(dict(stand.rows(sql, f"shopify:{shop}")))


def troubles(difference: str | None, root_fields: Iterable[str], counted: Counter[str], edits: int) -> Iterator[str]:
    """What is not as it must be, in words."""
    if difference:
        yield difference
    if listed := set(root_fields) - _BY_ID:
        yield f"lists were read from their root: {', '.join(sorted(listed))}"
    if counted != Counter(success=edits):
        yield f"of {edits} accepted webhooks the ledger has {dict(counted)}"


def report(burst: Burst) -> str:
    """All figures of one burst."""
    said, watch = burst.statistics, burst.watch
    alone = limit_seconds(said["points_spent"], PLAN)
    edits = burst.states.total()
    return "\n".join(
        [
            f"nodes charged {burst.nodes}: {'; '.join(burst.trouble) or 'equal to the truth, every sync success'}",
            f"  {said['calls']} calls (one by one: {edits:,}; ratio {said['calls'] / max(edits, 1):.4f}): "
            f"{operations(said['operations'])}",
            f"  root fields {dict(said['root_fields'])}, {said['points_spent']:,} points, "
            f"{said['throttled']} throttled, the rate limit alone {alone:.1f} s",
            f"  {said['ids_read']:,} ids read; first webhook sent after {burst.first_sent:.1f} s, all accepted after "
            f"{burst.delivered:.1f} s ({edits / (burst.delivered - burst.first_sent):,.0f}/s)",
            f"  first change stored after {_seconds(watch.stored)}, in an object after "
            f"{_seconds(min(watch.objects.values(), default=None))}",
            f"  another shop's edit in its object after {_seconds(watch.other_took)}",
            f"  ledger settled after {burst.settled:.1f} s, object equal to the truth after {_seconds(burst.equal)}: "
            f"{megabytes(burst.size)}, {len(watch.objects)} uploads",
            f"  CPU: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in burst.usage.items())}",
        ]
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def main() -> int:
    """One shop, one burst for each way of charging."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--products", type=int, default=2_500)
    parser.add_argument("--nodes", nargs="+", choices=["flat", "linear"], default=["flat", "linear"])
    asked = parser.parse_args()
    faults = 0
    with running() as stand:
        shop = stand.make_shop(plan=PLAN, products=asked.products, variants=10, locations=2)
        other = stand.make_shop(products=50)
        for each in (other, shop):
            stand.synced(each)
        for nodes in asked.nodes:
            until(lambda: stand.quiet(shop) or None, 60)
            with others_work() as others:
                burst = measure(stand, shop, other, nodes, asked.edits, asked.products)
            print(f"{report(burst)}\n  {others()}\n", flush=True)
            faults += bool(burst.trouble)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
