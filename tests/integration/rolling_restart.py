"""Make edits without a pause while services are replaced, and count the outcomes of the webhooks."""

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
from merchant_sync.stack import Stack
from topic_reader import TopicContents
from world import OPEN_STATES, World

EDITS_PER_SECOND = 20.0
EDITION = re.compile(rb"Edition (\d+)")


@dataclass
class Phase:
    """A period of the test in which webhooks are sent, with the outcomes of these webhooks."""

    name: str
    started_at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    equal_after: float = 0.0
    """The seconds from the end of the edits until all objects equal the truth."""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    without_reason: int = 0
    completed_twice: int = 0
    seconds: list[float] = field(default_factory=list)
    """The seconds from the acceptance of each webhook to the result of its sync."""

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The webhook deliveries that were answered with 200."""
        return [delivery for delivery in self.deliveries if delivery["status"] == "delivered"]

    @property
    def refused(self) -> Counter[str]:
        """The number of webhook deliveries that were not answered with 200, by answer."""
        return Counter(a["outcome"] for d in self.deliveries for a in d["history"] if a["outcome"] != "200")

    def compute_percentile(self, hundredths: int) -> float:
        """Return the percentile of `seconds`: so many hundredths of the webhooks had a result within this time."""
        return quantiles(self.seconds, n=100, method="inclusive")[hundredths - 1]


class EditThread(threading.Thread):
    """Edits products of each shop in turn, without a pause.

    Every third edit sets the title of one product of the shop to a number that only rises. So an object with an earlier
    title than before can be recognised.
    """

    def __init__(self, world: World, shops: Sequence[str], pages: Sequence[str], minimum: int) -> None:
        super().__init__(daemon=True)
        self.edit_count = 0
        self.stop_requested = threading.Event()
        self._world, self._shops, self._pages, self._minimum = world, shops, pages, minimum
        self._numbers = {shop: [p["number"] for p in world.list_products(shop)] for shop in shops}
        self._http = httpx.Client(base_url=world.visit.sandbox_url, timeout=60)

    def run(self) -> None:
        """Edit until a stop is requested, but at least the minimum number of times."""
        started = time.monotonic()
        for number in itertools.count():
            if self.stop_requested.is_set() and number >= self._minimum:
                return
            self._edit(number)
            self.edit_count += 1
            time.sleep(max(0.0, started + number / EDITS_PER_SECOND - time.monotonic()))

    def _edit(self, number: int) -> None:
        shop = self._shops[number % len(self._shops)]
        turn = number // len(self._shops)
        if number % 20 == 0:
            page = self._pages[turn % len(self._pages)]
            self._patch(f"facebook/pages/{page}", {"name": f"Name {time.time():.3f}"})
        rising, *others = self._numbers[shop]
        product, title = (rising, "Edition") if turn % 3 == 0 else (others[turn % len(others)], "Title")
        self._patch(f"shops/{shop}/products/{product}", {"title": f"{title} {time.time_ns() // 1_000_000}"})

    def _patch(self, path: str, fields: dict[str, str]) -> None:
        self._http.patch(f"/control/{path}", json=fields).raise_for_status()


class ObjectWatcher(threading.Thread):
    """Reads the shops' objects again and again, and records each that returned to an earlier edition (title)."""

    def __init__(self, world: World, shops: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.went_back: list[str] = []
        self.edition_counts: Counter[str] = Counter()
        """The number of editions that were seen, by shop."""
        self.stop_requested = threading.Event()
        self._world, self._shops = world, shops
        self._newest: dict[str, int] = {}

    def run(self) -> None:
        """Watch until a stop is requested."""
        for shop in itertools.cycle(self._shops):
            if self.stop_requested.wait(0.1):
                return
            stored = self._world.read_object(shop)
            match = EDITION.search(stored.body) if stored else None
            if match:
                self._record(shop, int(match[1]))

    def _record(self, shop: str, edition: int) -> None:
        if edition < self._newest.get(shop, 0):
            self.went_back.append(f"{shop}: {edition} after {self._newest[shop]}")
        self.edition_counts[shop] += edition != self._newest.get(shop)
        self._newest[shop] = edition


@contextmanager
def watch_objects(world: World, shops: Sequence[str]) -> Iterator[ObjectWatcher]:
    """Watch the shops' objects while the context lasts."""
    watcher = ObjectWatcher(world, shops)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop_requested.set()
        watcher.join(10)


class Reader(threading.Thread):
    """Asks the data API again and again, and records each answer other than 200."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        """The number of answers, by status, or by error."""
        self.stop_requested = threading.Event()
        self._http = httpx.Client(base_url=url, timeout=30)

    def run(self) -> None:
        """Ask until a stop is requested."""
        while not self.stop_requested.wait(0.05):
            try:
                self.answers[str(self._http.get("/ready").status_code)] += 1
            except httpx.HTTPError as error:
                self.answers[repr(error)] += 1


@contextmanager
def read_continuously(url: str) -> Iterator[Reader]:
    """Let a reader ask the data API while the context lasts."""
    reader = Reader(url)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop_requested.set()
        reader.join(30)


@contextmanager
def run_phase(world: World, name: str, shops: Sequence[str], pages: Sequence[str], minimum: int) -> Iterator[Phase]:
    """Make edits while the context lasts, at least `minimum`, then wait until every object equals the truth."""
    phase = Phase(name)
    editor = EditThread(world, shops, pages, minimum)
    editor.start()
    try:
        yield phase
    finally:
        editor.stop_requested.set()
        editor.join(120)
    phase.ended_at = time.time()
    for shop in shops:
        world.wait_until_equal(shop, within=120)
    for page in pages:
        world.wait_until_page_equal(page, within=120)
    phase.equal_after = time.time() - phase.ended_at


def count_outcomes(world: World, phases: Sequence[Phase], shops: Sequence[str], contents: TopicContents) -> None:
    """Set the outcomes of each phase's webhooks. The sandbox's list of deliveries tells which were accepted."""
    deliveries = [
        delivery
        for shop in shops
        for delivery in world.control_sandbox("GET", f"/{shop}/deliveries", limit=100_000)["deliveries"]
    ]
    rows = world.select_rows("SELECT sync_id, state, reason FROM scheduler.syncs WHERE mode = 'incremental'")
    syncs = {row.sync_id: row for row in rows}
    completed = Counter(i for events in contents.completed.values() for e in events for i in e.sync_ids)
    for phase in phases:
        phase.deliveries = [
            d for d in deliveries if d["history"] and phase.started_at <= d["history"][0]["at"] <= phase.ended_at
        ]
        for sync_id in {derive_id("shopify", d["id"]) for d in phase.accepted}:
            row = syncs.get(sync_id)
            phase.lost += row is None or row.state in OPEN_STATES
            phase.states[row.state if row else "lost"] += 1
            phase.without_reason += bool(row and row.state != "success" and not row.reason)
            phase.completed_twice += completed[sync_id] > 1
            if sync_id in contents.result_published_at and sync_id in contents.requests:
                requested_at = contents.requests[sync_id].event.requested_at
                phase.seconds.append((contents.result_published_at[sync_id] - requested_at) / 1000)


def find_reordering(contents: TopicContents) -> list[str]:
    """Return a description of each case in which the order within a merchant's connection is wrong.

    The order is that of completed requests, of sequences, and of uploads. When a request was handled but its offset was
    not committed, Kafka delivers the request again. So only the first completion of each request counts.
    """
    problems, seen = [], set()
    for connection, events in contents.completed.items():
        last = -1
        for event in events:
            requests = [contents.requests[i] for i in event.sync_ids if i in contents.requests and i not in seen]
            seen.update(event.sync_ids)
            offsets = [r.offset for r in requests if r.event.cause == "webhook"]
            if offsets and min(offsets) <= last:
                problems.append(f"{connection}: completed {min(offsets)} after {last}")
            last = max([last, *offsets])
    for connection, stored in contents.stored.items():
        for kind in ("change", "upload"):
            # A state of the merchant's document says nothing about the connection's data.
            events = [e for e in stored if e.merchant_document is None]
            sequences = [e.sequence for e in events if (e.upload is not None) == (kind == "upload")]
            problems += [f"{connection}: {kind} {b} after {a}" for a, b in itertools.pairwise(sequences) if b < a]
    return problems


WorkIntervals = dict[tuple[str, str], list[tuple[float, float, str]]]
"""Start, end and fetcher of each piece of work, sorted, by log event and merchant's connection."""


def read_work_intervals(stack: Stack) -> WorkIntervals:
    """Read from the fetchers' logs when each fetcher worked on which merchant's connection."""
    intervals = defaultdict(list)
    for path in sorted((stack.data_dir / "logs").glob("*-fetcher*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if '"records fetched"' in line or '"step done"' in line:
                entry = json.loads(line)
                end = datetime.fromisoformat(entry["timestamp"]).timestamp()
                intervals[entry["event"], entry["connection"]].append((end - entry["seconds"], end, path.stem))
    return {key: sorted(values) for key, values in intervals.items()}


def find_overlaps(intervals: WorkIntervals) -> list[tuple[float, str]]:
    """Find when two fetchers worked on one merchant's connection at the same time.

    Overlaps of up to 2 ms are ignored, because the clock is not more precise.
    """
    return [
        (b[0], f"{event} of {connection}: {a[2]} until {a[1]:.3f}, {b[2]} from {b[0]:.3f}")
        for (event, connection), values in intervals.items()
        for a, b in itertools.pairwise(values)
        if b[0] < a[1] - 0.002
    ]


HEAD = (
    *("phase", "webhooks", "refused", "accepted", "success", "failed", "cancelled", "lost", "completed twice"),
    *("overlaps", "p50 s", "p99 s", "max s", "pause s", "duration s", "equal after s"),
)


def measure_longest_pause(intervals: WorkIntervals, phase: Phase) -> float:
    """Return the longest time (s) within a phase during which no incremental read ended."""
    ends = sorted(end for (event, _), values in intervals.items() if event == "records fetched" for _, end, _ in values)
    return max(b - a for a, b in itertools.pairwise(ends) if phase.started_at <= a and b <= phase.ended_at)


def format_phases(phases: Sequence[Phase], dead_letter_count: int, intervals: WorkIntervals) -> str:
    """Format a table with one line for each phase.

    Percentiles are from the acceptance of a webhook to the result of its sync; `pause` is the longest time without
    the end of a read.
    """
    rows, overlaps = [HEAD], find_overlaps(intervals)
    for phase in phases:
        states = (str(phase.states[state]) for state in ("success", "failed", "cancelled"))
        delivery_counts = (len(phase.deliveries), phase.refused.total(), len(phase.accepted))
        overlap_count = sum(phase.started_at <= moment <= phase.ended_at for moment, _ in overlaps)
        faults = (phase.lost, phase.completed_twice, overlap_count)
        times = (
            phase.compute_percentile(50),
            phase.compute_percentile(99),
            max(phase.seconds),
            measure_longest_pause(intervals, phase),
            phase.ended_at - phase.started_at,
            phase.equal_after,
        )
        counts = (*map(str, delivery_counts), *states, *map(str, faults))
        rows.append((phase.name, *counts, *(f"{seconds:.2f}" for seconds in times)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, f"dead letters in all: {dead_letter_count}"])
