"""The streams of the data API under load: memory of each, and the time until a change has reached all of them."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.benchmark_stack import BenchmarkStack, wait_until
from benchmarks.formatting import compute_percentile, format_milliseconds, format_spread, format_table
from benchmarks.resource_usage import measure_resident_bytes
from benchmarks.workers import ServerProcess, WorkerProcess, build_command
from merchant_sync import parts

STREAMS_PER_KEY = 20
"""The limit of the data API."""
BROADCASTS = 10
"""How many changes are sent to all subscribers."""
_WORKERS = 2
_CHANGE_SECONDS = 30.0
_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class ReceivedChange:
    """When a change was stored, and when the first and the last subscriber received it (Unix seconds)."""

    stored_at: float
    first_at: float
    last_at: float


class Subscribers:
    """The streams of one server, which worker processes hold open while the context lasts."""

    def __init__(self, url: str, path: str, keys: list[str], count: int) -> None:
        address = urlsplit(url)
        workers = min(_WORKERS, count)
        shares = [count // workers + (number < count % workers) for number in range(workers)]
        keys_per_worker = -(-max(shares) // STREAMS_PER_KEY)
        self.count = count
        self._workers = [
            WorkerProcess(
                "stream_load",
                {
                    "host": address.hostname,
                    "port": address.port,
                    "path": path,
                    "keys": keys[number * keys_per_worker :][:keys_per_worker],
                    "streams_per_key": STREAMS_PER_KEY,
                    "streams": share,
                },
            )
            for number, share in enumerate(shares)
        ]

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the streams open while the context lasts."""
        with ExitStack() as exit_stack:
            for worker in self._workers:
                exit_stack.enter_context(worker)
            yield

    def wait_for_change(self, seconds: float = _CHANGE_SECONDS) -> dict[str, tuple[float, float]]:
        """Return the changes since the last call, with the times at which the first and the last stream got each."""
        received: dict[str, tuple[float, float]] = {}
        for worker in self._workers:
            for change_id, (first, last, _) in worker.run(seconds)["received"].items():
                known = received.get(change_id, (first, last))
                received[change_id] = min(first, known[0]), max(last, known[1])
        return received

    def find_fault(self, expected: list[str]) -> str | None:
        """Return what is wrong unless each stream is open and had the expected changes, each once and in order."""
        histories, ended = Counter[str](), 0
        for worker in self._workers:
            answer = worker.run(0)
            histories.update(answer["histories"])
            ended += answer["ended"]
        if ended:
            return f"{ended} of {self.count} streams have ended"
        wrong = sum(number for history, number in histories.items() if history.split(",") != expected)
        if wrong or histories.total() != self.count:
            return f"{wrong} of {self.count} streams had not exactly the {len(expected)} changes, in their order"
        return None


def measure_streams(stack: BenchmarkStack, connection: str, keys: list[str], subscribers: int, edits: int) -> list[str]:
    """Measure and print everything about streams. Return the faults that were found."""
    try:
        faults = [_measure_latency(stack, connection, keys, edits)]
        faults.append(_measure_broadcasts(stack, connection, keys, subscribers))
    except RuntimeError as error:
        return [str(error)]
    return [fault for fault in faults if fault]


def _measure_broadcasts(stack: BenchmarkStack, connection: str, keys: list[str], count: int) -> str | None:
    pid = stack.list_pids()[parts.DATA_API]
    before, started = measure_resident_bytes(pid), time.monotonic()
    subscribers = Subscribers(stack.stack.data_api_url, _build_path(connection), keys, count)
    with subscribers.open():
        opened = time.monotonic() - started
        each = (measure_resident_bytes(pid) - before) / count
        changes, expected = _make_edits(stack, connection, keys[0], subscribers, BROADCASTS)
        fault = subscribers.find_fault(expected)
        after = (measure_resident_bytes(pid) - before) / count
    bare = _measure_bare_stream(stack, keys, count)
    print(f"\n  {count:,} subscribers of one connection, opened in {opened:.1f} s")
    print(f"  memory of each: {each / 1e3:.1f} kB, after {len(expected)} changes {after / 1e3:.1f} kB (goal ≤ 20)")
    print(f"  memory of a bare uvicorn stream: {bare / 1e3:.1f} kB; ratio {each / bare:.2f}")
    first = [change.first_at - change.stored_at for change in changes]
    last = [change.last_at - change.stored_at for change in changes]
    print(f"  stored → first subscriber (s): {format_spread(first, '.3f')}")
    print(f"  stored → last subscriber (s): {format_spread(last, '.3f')} (goal ≤ 1)")
    print(f"  gaps: {fault or f'none, {len(expected)} changes at each of {count:,} subscribers'}", flush=True)
    return fault


def _measure_bare_stream(stack: BenchmarkStack, keys: list[str], count: int) -> float:
    """Return the bytes of memory that an open stream takes in uvicorn without the data API."""
    port = stack.stack.environment.get_port("bench-bare-stream")
    url, log = f"http://127.0.0.1:{port}", stack.stack.data_dir / "logs" / "bench-bare-stream.log"
    with ServerProcess(build_command("bare_stream"), {"PORT": str(port)}, url, log) as server:
        before = measure_resident_bytes(server.pid)
        with Subscribers(url, "/stream", keys, count).open():
            return (measure_resident_bytes(server.pid) - before) / count


def _measure_latency(stack: BenchmarkStack, connection: str, keys: list[str], edits: int) -> str | None:
    """Measure edit by edit, with one subscriber, how long each stage from the webhook to the subscriber takes."""
    shop, started = connection.partition(":")[2], time.time()
    subscribers = Subscribers(stack.stack.data_api_url, _build_path(connection), keys, 1)
    with subscribers.open():
        changes, expected = _make_edits(stack, connection, keys[0], subscribers, edits)
        fault = subscribers.find_fault(expected)
    deliveries = stack.request_control(shop, "GET", "/deliveries", topic="PRODUCTS_UPDATE")["deliveries"]
    posts = sorted((delivery["history"][0] for delivery in deliveries), key=lambda post: post["at"])
    accepted = [post["at"] + post["seconds"] for post in posts if post["at"] >= started]
    stages = {
        "webhook accepted → stored": [c.stored_at - at for at, c in zip(accepted, changes, strict=False)],
        "stored → change at a subscriber (goal: p50 ≤ 40 ms)": [c.first_at - c.stored_at for c in changes],
        "webhook accepted → change at a subscriber": [
            c.first_at - at for at, c in zip(accepted, changes, strict=False)
        ],
    }
    rows = [
        (name, *(format_milliseconds(compute_percentile(seconds, share)) for share in (0.5, 0.99)))
        for name, seconds in stages.items()
    ]
    print(f"\n{format_table([f'{edits} edits, one by one', 'p50', 'p99'], rows)}", flush=True)
    return fault


def _make_edits(
    stack: BenchmarkStack, connection: str, key: str, subscribers: Subscribers, count: int
) -> tuple[list[ReceivedChange], list[str]]:
    """Edit one product after the other, each when all subscribers have the change before.

    Return the first change of each edit, and the ids of all changes in the order of the feed. Raises RuntimeError when
    the feed lists a change that no subscriber has received.
    """
    shop = connection.partition(":")[2]
    feed = f"{stack.stack.data_api_url}/v1/connections/{connection}/changes"
    headers = {"X-API-Key": key}
    head = httpx.get(f"{feed}/head", headers=headers).raise_for_status().json()["cursor"]
    numbers = [product["number"] for product in stack.request_control(shop, "GET", "/products", limit=50)["products"]]
    changes, expected = [], []
    for turn in range(count):
        title = f"Title {time.time_ns()}"
        stack.request_control(shop, "PATCH", f"/products/{numbers[turn % len(numbers)]}", {"title": title})
        received = subscribers.wait_for_change()
        if not received:
            raise RuntimeError(f"no change within {_CHANGE_SECONDS:.0f} s of an edit")
        wait_until(lambda: stack.is_idle(shop) or None, _CHANGE_SECONDS)
        ids = sorted(received, key=_parse_sequence)
        first_at, last_at = received[ids[0]]
        changes.append(ReceivedChange(_load_stored_at(stack, connection, ids[0]), first_at, last_at))
        expected += ids
    listed = httpx.get(f"{feed}?limit=250&data=false&cursor={head}", headers=headers).raise_for_status().json()
    missing = {change["sequence"] for change in listed["changes"]} - set(map(_parse_sequence, expected))
    if missing:
        raise RuntimeError(f"no subscriber has received the changes {sorted(missing)}")
    return changes, expected


def _parse_sequence(change_id: str) -> int:
    return int(change_id.rpartition(".")[2])


def _load_stored_at(stack: BenchmarkStack, connection: str, change_id: str) -> float:
    sql = "SELECT changed_at FROM spaces_writer.records WHERE connection = $1 AND sequence = $2"
    rows = stack.select_rows(sql, connection, _parse_sequence(change_id))
    at: Any = rows[0]["changed_at"]
    return float(at.timestamp())


def _build_path(connection: str) -> str:
    return f"/v1/connections/{connection}/changes/stream"
