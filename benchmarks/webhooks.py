"""Webhooks accepted per second, and what one costs, durably (`acks=all`): the gateway beside two baselines.

`python -m benchmarks.webhooks [--rounds 5] [--seconds 3] [--in-flight 64]`
"""

import argparse
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import profiles
from benchmarks.figures import microseconds, milliseconds, spread, table
from benchmarks.stand import Stand, running, until
from benchmarks.usage import cpu_seconds, others_work
from benchmarks.workers import Server, Worker, module
from merchant_sync import parts

TOPIC = "sync.requested.shopify"
GATEWAY, IDIOMATIC, EMPTY = "gateway", "FastAPI + FastStream", "empty ASGI route"
BARE, TUNED = "bare aiokafka producer", "bare producer, tuned"
"""aiokafka with `acks=all` and its defaults, and configured in all else as the gateway's."""
_WARM_SECONDS = 1.0
_PROFILE_SECONDS = 5.0


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round; CPU times are seconds for each webhook."""

    rate: float
    p50: float
    p99: float
    server: float
    broker: float
    client: float


@dataclass(frozen=True)
class Contestant:
    """A worker that loads something, and the process that serves (for the bare producer: the worker itself)."""

    worker: Worker
    server: int
    broker: int

    def run(self, seconds: float) -> Round:
        """One round. Raises a RuntimeError when anything but 200 was answered."""
        before = cpu_seconds(self.server), cpu_seconds(self.broker)
        said = self.worker.run(seconds)
        server, broker = cpu_seconds(self.server) - before[0], cpu_seconds(self.broker) - before[1]
        if set(said.get("answers", {"200": 0})) != {"200"}:
            raise RuntimeError(f"not every webhook was accepted: {said['answers']}")
        count = said["accepted"]
        client = said["cpu"] / count if self.worker.pid != self.server else 0.0
        return Round(count / said["seconds"], said["p50"], said["p99"], server / count, broker / count, client)


def quiet_shop(stand: Stand) -> str:
    """A connected shop; afterwards no service but the gateway runs, so that the route alone is measured."""
    shop = stand.make_shop(products=10)
    stand.synced(shop)
    for name in (*parts.FETCHERS, parts.SCHEDULER, parts.SPACES_WRITER, parts.GATEWAY):
        stand.stack.stop_part(name)
    return shop


@contextmanager
def contestants(stand: Stand, shop: str, in_flight: int) -> Iterator[dict[str, Contestant]]:
    """All of them, warm. The gateway goes first: its messages are what the bare producer says."""
    with ExitStack() as stack:
        broker = stand.pids()[parts.KAFKA]
        found: dict[str, Contestant] = {}
        for name, server, url in (
            (GATEWAY, *_gateway(stand, [sys.executable, "-P", "-m", "gateway.app"])),
            (IDIOMATIC, *_other(stand, "idiomatic_route")),
            (EMPTY, *_other(stand, "empty_route")),
        ):
            stack.enter_context(server)
            worker = stack.enter_context(_load(stand, shop, url, in_flight))
            found[name] = Contestant(worker, server.pid, broker)
            found[name].run(_WARM_SECONDS)
        servers = stand.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
        for name in (BARE, TUNED):
            settings = {"servers": servers, "topic": TOPIC, "in_flight": in_flight, "tuned": name == TUNED}
            producer = stack.enter_context(Worker("bare_producer", settings))
            found[name] = Contestant(producer, producer.pid, broker)
        yield found


def _gateway(stand: Stand, command: list[str]) -> tuple[Server, str]:
    """The gateway as the stack would start it."""
    stack, url = stand.stack, stand.stack.gateway_url
    return Server(command, stack.build_settings(parts.GATEWAY), url, _log(stand, "gateway")), url


def _other(stand: Stand, name: str) -> tuple[Server, str]:
    """A server of the benchmark's own, with the gateway's settings."""
    port = stand.stack.environment.get_port(f"bench-{name}")
    env = {**stand.stack.build_settings(parts.GATEWAY), "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    return Server(module(name), env, url, _log(stand, name)), url


def _log(stand: Stand, name: str) -> Path:
    return stand.stack.data_dir / "logs" / f"bench-{name}.log"


def _load(stand: Stand, shop: str, url: str, in_flight: int) -> Worker:
    address = urlsplit(url)
    settings = {
        "host": address.hostname,
        "port": address.port,
        "path": "/shopify/webhook",
        "secret": stand.stack.build_settings(parts.GATEWAY)["SHOPIFY_API_SECRET"],
        "shop": shop,
        "in_flight": in_flight,
    }
    return Worker("webhook_load", settings)


def interleaved(found: dict[str, Contestant], rounds: int, seconds: float) -> dict[str, list[Round]]:
    """Every contestant once in each round; who goes first changes."""
    results: dict[str, list[Round]] = defaultdict(list)
    order = list(found)
    for number in range(rounds):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            results[name].append(found[name].run(seconds))
    return results


def report(results: dict[str, list[Round]]) -> str:
    """The medians, and the ratios that there are goals for."""

    def middle(name: str, figure: Callable[[Round], float]) -> float:
        return median(figure(one) for one in results[name])

    head = ["median of rounds", "accepted/s", "p50", "p99", "CPU a webhook", "of the broker", "of the client"]
    rows = [
        [
            name,
            f"{middle(name, _rate):,.0f}",
            milliseconds(middle(name, lambda r: r.p50)),
            milliseconds(middle(name, lambda r: r.p99)),
            *(microseconds(middle(name, cost)) for cost in (_server, lambda r: r.broker, lambda r: r.client)),
        ]
        for name in results
    ]
    return "\n".join([table(head, rows), *_ratios(results)])


def _server(one: Round) -> float:
    return one.server


def _rate(one: Round) -> float:
    return one.rate


def _ratios(results: dict[str, list[Round]]) -> list[str]:
    def each(name: str, other: str, figure: Callable[[Round], float]) -> str:
        pairs = zip(results[name], results[other], strict=True)
        return spread([figure(one) / figure(baseline) for one, baseline in pairs])

    lines = (
        ("rate", BARE, _rate, "goal ≥ 0.50, stretch 0.70"),
        ("rate", TUNED, _rate, "the same, against the stricter baseline"),
        ("CPU a webhook", IDIOMATIC, _server, "goal ≤ 0.33, stretch 0.20"),
        ("rate", IDIOMATIC, _rate, ""),
        ("CPU a webhook", BARE, _server, ""),
        ("CPU a webhook", EMPTY, _server, ""),
    )
    rows = [(f"{what}: gateway / {other}", each(GATEWAY, other, figure), goal) for what, other, figure, goal in lines]
    return [table(["median of the rounds' ratios", "", ""], rows)]


def profile(stand: Stand, shop: str, in_flight: int) -> str:
    """Where the gateway's time goes, from a run apart under cProfile (which makes small functions look dearer)."""
    path = stand.stack.data_dir / "gateway.profile"
    server, url = _gateway(stand, module("profiled_gateway", str(path)))
    with server, _load(stand, shop, url, in_flight) as worker:
        worker.run(_WARM_SECONDS)
        os.kill(server.pid, signal.SIGUSR1)
        before = cpu_seconds(server.pid)
        said: dict[str, Any] = worker.run(_PROFILE_SECONDS)
        used = cpu_seconds(server.pid) - before
        os.kill(server.pid, signal.SIGUSR2)
        until(lambda: path.exists() or None, within=30)
    count, seconds = said["accepted"], profiles.by_purpose(path)
    del seconds[profiles.LOOP]
    # Wall time in the loop is mostly waiting; what the kernel charged beyond all that is known is what the loop used.
    seconds[profiles.LOOP] = max(0.0, used - seconds.total())
    total = seconds.total()
    shares = [(name, f"{took / total:.0%}", microseconds(took / count)) for name, took in seconds.most_common()]
    own = profiles.hottest(path, 15)
    hot = [(name, f"{calls / count:.2f}", microseconds(took / count)) for name, calls, took in own]
    return "\n\n".join(
        [
            table([f"profile of {count:,} webhooks", "share", "a webhook"], shares),
            table(["functions, their own time", "calls a webhook", "a webhook"], hot),
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--in-flight", type=int, default=64)
    asked = parser.parse_args()
    with running() as stand:
        shop = quiet_shop(stand)
        with contestants(stand, shop, asked.in_flight) as found:
            time.sleep(1)
            with others_work() as others:
                results = interleaved(found, asked.rounds, asked.seconds)
            print(f"{report(results)}\n  {others()}", flush=True)
        print(f"\n{profile(stand, shop, asked.in_flight)}", flush=True)


if __name__ == "__main__":
    main()
