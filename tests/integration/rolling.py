"""What a rolling restart is measured by: a burst that goes on meanwhile, and the ledger of what became of it."""

import itertools
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles
from typing import Any

import httpx

from contracts.headers import derive_id
from hearing import Heard
from merchant_sync.stack import Stack
from world import OPEN, World

EDITS_A_SECOND = 20.0
EDITION = re.compile(rb"Edition (\d+)")


@dataclass
class Phase:
    """A stretch of time in which webhooks are accepted, and what became of them."""

    name: str
    began: float = field(default_factory=time.time)
    ended: float = 0.0
    equal_after: float = 0.0
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    without_reason: int = 0
    settled_twice: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The deliveries that were answered with 200."""
        return [delivery for delivery in self.deliveries if delivery["status"] == "delivered"]

    @property
    def refused(self) -> Counter[str]:
        """What other answers there were."""
        return Counter(a["outcome"] for d in self.deliveries for a in d["history"] if a["outcome"] != "200")

    def percentile(self, hundredths: int) -> float:
        """So many of a hundred webhooks were stored at most so long (s) after they were accepted."""
        return quantiles(self.seconds, n=100, method="inclusive")[hundredths - 1]


class Burst(threading.Thread):
    """Edits without a pause: products of each shop in turn, every third time the one whose title only ever rises."""

    def __init__(self, world: World, shops: Sequence[str], pages: Sequence[str], least: int) -> None:
        super().__init__(daemon=True)
        self.edits = 0
        self.enough = threading.Event()
        self._world, self._shops, self._pages, self._least = world, shops, pages, least
        self._numbers = {shop: [p["number"] for p in world.products(shop)] for shop in shops}
        self._http = httpx.Client(base_url=world.visit.sandbox_url, timeout=60)

    def run(self) -> None:
        """Edit until it is enough, but so often at the least."""
        began = time.monotonic()
        for number in itertools.count():
            if self.enough.is_set() and number >= self._least:
                return
            self._edit(number)
            self.edits += 1
            time.sleep(max(0.0, began + number / EDITS_A_SECOND - time.monotonic()))

    def _edit(self, number: int) -> None:
        shop = self._shops[number % len(self._shops)]
        turn = number // len(self._shops)
        if number % 20 == 0:
            page = self._pages[turn % len(self._pages)]
            self._told(f"facebook/pages/{page}", {"name": f"Name {time.time():.3f}"})
        rising, *others = self._numbers[shop]
        product, title = (rising, "Edition") if turn % 3 == 0 else (others[turn % len(others)], "Title")
        self._told(f"shops/{shop}/products/{product}", {"title": f"{title} {time.time_ns() // 1_000_000}"})

    def _told(self, path: str, fields: dict[str, str]) -> None:
        self._http.patch(f"/control/{path}", json=fields).raise_for_status()


class Watch(threading.Thread):
    """Reads the shops' objects again and again, and notes where one has gone back to an earlier edition."""

    def __init__(self, world: World, shops: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.went_back: list[str] = []
        self.seen: Counter[str] = Counter()
        self.over = threading.Event()
        self._world, self._shops = world, shops
        self._newest: dict[str, int] = {}

    def run(self) -> None:
        """Watch until it is over."""
        for shop in itertools.cycle(self._shops):
            if self.over.wait(0.1):
                return
            stored = self._world.object(shop)
            found = EDITION.search(stored.body) if stored else None
            if found:
                self._note(shop, int(found[1]))

    def _note(self, shop: str, edition: int) -> None:
        if edition < self._newest.get(shop, 0):
            self.went_back.append(f"{shop}: {edition} after {self._newest[shop]}")
        self.seen[shop] += edition != self._newest.get(shop)
        self._newest[shop] = edition


@contextmanager
def watching(world: World, shops: Sequence[str]) -> Iterator[Watch]:
    """Watch the shops' objects while the context lasts."""
    watch = Watch(world, shops)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join(10)


@contextmanager
def phase(world: World, name: str, shops: Sequence[str], pages: Sequence[str], least: int) -> Iterator[Phase]:
    """A burst that goes on while the context lasts, then the time until everything equals the truth."""
    made = Phase(name)
    burst = Burst(world, shops, pages, least)
    burst.start()
    try:
        yield made
    finally:
        burst.enough.set()
        burst.join(120)
    made.ended = time.time()
    for shop in shops:
        world.equal(shop, within=120)
    for page in pages:
        world.page_equal(page, within=120)
    made.equal_after = time.time() - made.ended


def count(world: World, phases: Sequence[Phase], shops: Sequence[str], heard: Heard) -> None:
    """Enter what became of each phase's webhooks: by name, each of those that the sandbox knows to be accepted."""
    told = [(shop, d) for shop in shops for d in world.told("GET", f"/{shop}/deliveries", limit=100_000)["deliveries"]]
    rows = world.rows("SELECT sync_id, state, reason FROM scheduler.syncs WHERE mode = 'incremental'")
    states = {row.sync_id: row for row in rows}
    settled = Counter(i for events in heard.settled.values() for e in events for i in e.sync_ids)
    for made in phases:
        made.deliveries = [d for _, d in told if d["history"] and made.began <= d["history"][0]["at"] <= made.ended]
        for sync_id in {derive_id("shopify", d["id"]) for d in made.accepted}:
            row = states.get(sync_id)
            made.lost += row is None or row.state in OPEN
            made.states[row.state if row else "lost"] += 1
            made.without_reason += bool(row and row.state != "success" and not row.reason)
            made.settled_twice += settled[sync_id] > 1
            if sync_id in heard.verdict_at and sync_id in heard.requests:
                since = heard.requests[sync_id].event.requested_at
                made.seconds.append((heard.verdict_at[sync_id] - since) / 1000)


def out_of_order(heard: Heard) -> list[str]:
    """Where a connection's webhooks were settled, or its changes and uploads said, in another order than they came.

    What was done before others of its partition, and comes again to the next owner, is only looked at the first time.
    """
    found, seen = [], set()
    for connection, events in heard.settled.items():
        last = -1
        for event in events:
            asked = [heard.requests[i] for i in event.sync_ids if i in heard.requests and i not in seen]
            seen.update(event.sync_ids)
            offsets = [r.offset for r in asked if r.event.cause == "webhook"]
            if offsets and min(offsets) <= last:
                found.append(f"{connection}: settled {min(offsets)} after {last}")
            last = max([last, *offsets])
    for connection, stored in heard.stored.items():
        for what in ("change", "upload"):
            said = [e.sequence for e in stored if (e.upload is not None) == (what == "upload")]
            found += [f"{connection}: {what} {b} after {a}" for a, b in itertools.pairwise(said) if b < a]
    return found


Worked = dict[tuple[str, str], list[tuple[float, float, str]]]
"""By lane and connection: from when until when which process has worked on it."""


def workings(stack: Stack) -> Worked:
    """From when until when which fetcher has worked on which connection, by lane, as their logs tell."""
    found = defaultdict(list)
    for path in sorted((stack.data_dir / "logs").glob("*-fetcher*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if '"records fetched"' in line or '"step done"' in line:
                told = json.loads(line)
                end = datetime.fromisoformat(told["timestamp"]).timestamp()
                found[told["event"], told["connection"]].append((end - told["seconds"], end, path.stem))
    return {key: sorted(those) for key, those in found.items()}


def at_once(worked: Worked) -> list[tuple[float, str]]:
    """When and where one connection was worked on by two at once; two milliseconds are the clock's."""
    return [
        (b[0], f"{lane} of {connection}: {a[2]} until {a[1]:.3f}, {b[2]} from {b[0]:.3f}")
        for (lane, connection), those in worked.items()
        for a, b in itertools.pairwise(those)
        if b[0] < a[1] - 0.002
    ]


HEAD = (
    *("phase", "webhooks", "not taken", "accepted", "success", "failed", "cancelled", "lost", "settled twice"),
    *("two at once", "p50 s", "p99 s", "max s", "pause s", "lasted s", "equal after s"),
)


def longest_pause(worked: Worked, within: Phase) -> float:
    """How long (s) no fetch of records has ended, at the longest."""
    ends = sorted(end for (lane, _), those in worked.items() if lane == "records fetched" for _, end, _ in those)
    return max(b - a for a, b in itertools.pairwise(ends) if within.began <= a and b <= within.ended)


def ledger(phases: Sequence[Phase], dead: int, worked: Worked) -> str:
    """The ledger as a table, a line a phase: from acceptance to the verdict in seconds, and the longest time without
    any fetch."""
    rows, twice = [HEAD], at_once(worked)
    for p in phases:
        ends = (str(p.states[state]) for state in ("success", "failed", "cancelled"))
        counted = (len(p.deliveries), p.refused.total(), len(p.accepted))
        at_once_here = sum(p.began <= moment <= p.ended for moment, _ in twice)
        whole = (longest_pause(worked, p), p.ended - p.began, p.equal_after)
        times = (p.percentile(50), p.percentile(99), max(p.seconds), *whole)
        wrong = (p.lost, p.settled_twice, at_once_here)
        rows.append((p.name, *map(str, counted), *ends, *map(str, wrong), *(f"{seconds:.2f}" for seconds in times)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, f"dead-lettered in all: {dead}"])
