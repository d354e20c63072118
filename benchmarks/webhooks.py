"""Measure how many webhooks per second the gateway accepts, and the CPU time of each, compared with baselines.

All contestants publish durably (`acks=all`).

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
from benchmarks.benchmark_stack import BenchmarkStack, run_benchmark_stack, wait_until
from benchmarks.formatting import format_microseconds, format_milliseconds, format_spread, format_table
from benchmarks.resource_usage import measure_cpu_seconds, measure_other_load
from benchmarks.workers import ServerProcess, WorkerProcess, build_command
from merchant_sync import parts

TOPIC = "sync.requested.shopify"
GATEWAY, IDIOMATIC, EMPTY = "gateway", "FastAPI + FastStream", "empty ASGI route"
BARE, TUNED = "bare aiokafka producer", "bare producer, tuned"
"""The baselines without HTTP: aiokafka with `acks=all` and otherwise defaults; with all options of the gateway."""
_WARM_UP_SECONDS = 1.0
_PROFILE_SECONDS = 5.0


@dataclass(frozen=True)
class RoundResult:
    """The measurements of one contestant in one round. Latencies are in seconds, CPU times in seconds per webhook."""

    rate: float
    p50: float
    p99: float
    server_cpu: float
    broker_cpu: float
    client_cpu: float


@dataclass(frozen=True)
class Contestant:
    """A worker that makes load, and the server process that is loaded. A bare producer is both."""

    worker: WorkerProcess
    server_pid: int
    broker_pid: int

    def run(self, seconds: float) -> RoundResult:
        """Run one round. Raises RuntimeError when a response was not 200."""
        server_before, broker_before = measure_cpu_seconds(self.server_pid), measure_cpu_seconds(self.broker_pid)
        measured = self.worker.run(seconds)
        server_cpu = measure_cpu_seconds(self.server_pid) - server_before
        broker_cpu = measure_cpu_seconds(self.broker_pid) - broker_before
        if set(measured.get("answers", {"200": 0})) != {"200"}:
            raise RuntimeError(f"not every webhook was accepted: {measured['answers']}")
        count = measured["accepted"]
        client_cpu = measured["cpu"] / count if self.worker.pid != self.server_pid else 0.0
        return RoundResult(
            count / measured["seconds"],
            measured["p50"],
            measured["p99"],
            server_cpu / count,
            broker_cpu / count,
            client_cpu,
        )


def prepare_shop(stack: BenchmarkStack) -> str:
    """Connect a shop, then stop all services.

    Only the gateway is started again later, so that no other service takes CPU time.
    """
    shop = stack.make_shop(products=10)
    stack.connect_and_sync(shop)
    for name in (*parts.FETCHERS, parts.SCHEDULER, parts.SPACES_WRITER, parts.GATEWAY):
        stack.stack.stop_part(name)
    return shop


@contextmanager
def start_contestants(stack: BenchmarkStack, shop: str, in_flight: int) -> Iterator[dict[str, Contestant]]:
    """Start and warm up all contestants.

    The gateway comes first, because the bare producers publish the messages again that the gateway has published.
    """
    with ExitStack() as exit_stack:
        broker_pid = stack.list_pids()[parts.KAFKA]
        contestants: dict[str, Contestant] = {}
        for name, server, url in (
            (GATEWAY, *_create_gateway_server(stack, [sys.executable, "-P", "-m", "gateway.app"])),
            (IDIOMATIC, *_create_baseline_server(stack, "idiomatic_route")),
            (EMPTY, *_create_baseline_server(stack, "empty_route")),
        ):
            exit_stack.enter_context(server)
            worker = exit_stack.enter_context(_create_load_worker(stack, shop, url, in_flight))
            contestants[name] = Contestant(worker, server.pid, broker_pid)
            contestants[name].run(_WARM_UP_SECONDS)
        servers = stack.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
        for name in (BARE, TUNED):
            settings = {"servers": servers, "topic": TOPIC, "in_flight": in_flight, "is_tuned": name == TUNED}
            producer = exit_stack.enter_context(WorkerProcess("bare_producer", settings))
            contestants[name] = Contestant(producer, producer.pid, broker_pid)
        yield contestants


def _create_gateway_server(stack: BenchmarkStack, command: list[str], **settings: str) -> tuple[ServerProcess, str]:
    """Create the gateway's process with the settings of the stack and `settings`. Return the process and its URL."""
    url, env = stack.stack.gateway_url, {**stack.stack.build_settings(parts.GATEWAY), **settings}
    return ServerProcess(command, env, url, _get_log_path(stack, "gateway")), url


def _create_baseline_server(stack: BenchmarkStack, name: str) -> tuple[ServerProcess, str]:
    """Create the process of a baseline's server with the gateway's settings. Return the process and its URL."""
    port = stack.stack.environment.get_port(f"bench-{name}")
    env = {**stack.stack.build_settings(parts.GATEWAY), "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    return ServerProcess(build_command(name), env, url, _get_log_path(stack, name)), url


def _get_log_path(stack: BenchmarkStack, name: str) -> Path:
    return stack.stack.data_dir / "logs" / f"bench-{name}.log"


def _create_load_worker(stack: BenchmarkStack, shop: str, url: str, in_flight: int) -> WorkerProcess:
    address = urlsplit(url)
    settings = {
        "host": address.hostname,
        "port": address.port,
        "path": "/shopify/webhook",
        "secret": stack.stack.build_settings(parts.GATEWAY)["SHOPIFY_API_SECRET"],
        "shop": shop,
        "in_flight": in_flight,
    }
    return WorkerProcess("webhook_load", settings)


def run_rounds(contestants: dict[str, Contestant], rounds: int, seconds: float) -> dict[str, list[RoundResult]]:
    """Run every contestant once in each round. Each round begins with another contestant."""
    results: dict[str, list[RoundResult]] = defaultdict(list)
    order = list(contestants)
    for number in range(rounds):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            results[name].append(contestants[name].run(seconds))
    return results


def format_report(results: dict[str, list[RoundResult]]) -> str:
    """Format the medians of each contestant, and the ratios of the gateway to baselines."""

    def compute_median(name: str, get_figure: Callable[[RoundResult], float]) -> float:
        return median(get_figure(result) for result in results[name])

    head = ["median of rounds", "accepted/s", "p50", "p99", "CPU per webhook", "of the broker", "of the client"]
    rows = [
        [
            name,
            f"{compute_median(name, _get_rate):,.0f}",
            format_milliseconds(compute_median(name, lambda result: result.p50)),
            format_milliseconds(compute_median(name, lambda result: result.p99)),
            *(
                format_microseconds(compute_median(name, get_cost))
                for get_cost in (_get_server_cpu, lambda result: result.broker_cpu, lambda result: result.client_cpu)
            ),
        ]
        for name in results
    ]
    return "\n".join([format_table(head, rows), _format_ratios(results)])


def _get_server_cpu(result: RoundResult) -> float:
    return result.server_cpu


def _get_rate(result: RoundResult) -> float:
    return result.rate


def _format_ratios(results: dict[str, list[RoundResult]]) -> str:
    def format_ratio(baseline: str, get_figure: Callable[[RoundResult], float]) -> str:
        pairs = zip(results[GATEWAY], results[baseline], strict=True)
        return format_spread([get_figure(gateway) / get_figure(other) for gateway, other in pairs])

    ratios = (
        ("rate", BARE, _get_rate, "goal ≥ 0.50, stretch 0.70"),
        ("rate", TUNED, _get_rate, "the same, against the stricter baseline"),
        ("CPU per webhook", IDIOMATIC, _get_server_cpu, "goal ≤ 0.33, stretch 0.20"),
        ("rate", IDIOMATIC, _get_rate, ""),
        ("CPU per webhook", BARE, _get_server_cpu, ""),
        ("CPU per webhook", EMPTY, _get_server_cpu, ""),
    )
    rows = [
        (f"{figure}: gateway / {baseline}", format_ratio(baseline, get_figure), goal)
        for figure, baseline, get_figure, goal in ratios
    ]
    return format_table(["median of the rounds' ratios", "", ""], rows)


def measure_profile(stack: BenchmarkStack, shop: str, in_flight: int) -> str:
    """Run the gateway once more under cProfile. Format the time that it spends for each purpose.

    cProfile makes small functions look more expensive than they are.
    """
    path = stack.stack.data_dir / "gateway.profile"
    command = build_command("profiled_service", "gateway.app", str(path))
    server, url = _create_gateway_server(stack, command, GATEWAY_PROCESSES="1")
    with server, _create_load_worker(stack, shop, url, in_flight) as worker:
        worker.run(_WARM_UP_SECONDS)
        os.kill(server.pid, signal.SIGUSR1)
        cpu_before = measure_cpu_seconds(server.pid)
        measured: dict[str, Any] = worker.run(_PROFILE_SECONDS)
        cpu = measure_cpu_seconds(server.pid) - cpu_before
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: path.exists() or None, within=30)
    return profiles.format_profile(path, measured["accepted"], "webhook", cpu)


def main() -> None:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--in-flight", type=int, default=64)
    options = parser.parse_args()
    with run_benchmark_stack() as stack:
        shop = prepare_shop(stack)
        with start_contestants(stack, shop, options.in_flight) as contestants:
            time.sleep(1)
            with measure_other_load() as describe_other_load:
                results = run_rounds(contestants, options.rounds, options.seconds)
            print(f"{format_report(results)}\n  {describe_other_load()}", flush=True)
        print(f"\n{measure_profile(stack, shop, options.in_flight)}", flush=True)


if __name__ == "__main__":
    main()
