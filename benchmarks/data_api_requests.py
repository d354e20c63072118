"""The requests of the data API under load: what each costs and how many are answered, beside baselines."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from benchmarks import profiles
from benchmarks.benchmark_stack import BenchmarkStack, wait_until
from benchmarks.formatting import (
    compute_percentile,
    format_microseconds,
    format_milliseconds,
    format_spread,
    format_table,
)
from benchmarks.resource_usage import measure_cpu_seconds
from benchmarks.workers import ServerProcess, WorkerProcess, build_command
from merchant_sync import parts

EMPTY, IDIOMATIC, TYPED = "empty ASGI route", "FastAPI, dict to JSON", "FastAPI, typed dict to JSON"
NOT_MODIFIED, GZIP, IDENTITY, FETCH = "snapshot, 304", "snapshot, gzip", "snapshot, identity", "/fetch-data"
RECORD, PAGE = "one record", "100 records"
_GOALS = {NOT_MODIFIED: 2, GZIP: 3, RECORD: 6, PAGE: 30}
"""How many times the CPU time of the empty route a request may take."""
_PROFILE_SECONDS = 3.0


@dataclass(frozen=True)
class RequestResult:
    """The measurements of one contestant in one round. Times are in seconds, CPU times in seconds per request."""

    count: int
    rate: float
    p50: float
    p99: float
    server_cpu: float
    database_cpu: float


@dataclass(frozen=True)
class Contestant:
    """A request, the process that answers it, and the response that is expected (`length` None: of any length)."""

    url: str
    headers: dict[str, str]
    server_pid: int
    database_pid: int
    status: int = 200
    length: int | None = None

    def run(self, seconds: float, in_flight: int, rate: float | None = None) -> RequestResult:
        """Send the request for some seconds, at most `rate` times a second. Raises RuntimeError for wrong responses."""
        address = urlsplit(self.url)
        settings = {
            "host": address.hostname,
            "port": address.port,
            "path": self.url.partition(address.netloc)[2],
            "headers": self.headers,
            "in_flight": in_flight,
            "status": self.status,
            "length": self.length,
            "rate": rate,
        }
        with WorkerProcess("request_load", settings) as worker:
            server, database = measure_cpu_seconds(self.server_pid), measure_cpu_seconds(self.database_pid)
            measured = worker.run(seconds)
            server = measure_cpu_seconds(self.server_pid) - server
            database = measure_cpu_seconds(self.database_pid) - database
        if measured["unexpected"]:
            raise RuntimeError(f"unexpected responses of {self.url}: {measured['unexpected']}")
        count = measured["count"]
        return RequestResult(
            count, count / measured["seconds"], measured["p50"], measured["p99"], server / count, database / count
        )


def measure_requests(
    stack: BenchmarkStack, small: str, many: str, key: str, *, rounds: int, seconds: float, in_flight: int
) -> str | None:
    """Measure and print everything about requests, with a profile for each goal of cost that is missed.

    `small` and `many` are connections of a shop with few products and of one with many. Return the fault, if any.
    """
    try:
        with start_contestants(stack, small, many, key) as contestants:
            fast, half = run_rounds(contestants, rounds, seconds, in_flight)
    except RuntimeError as error:
        return str(error)
    print_requests(fast, half)
    for name, goal in _GOALS.items():
        if median(compute_cost_ratios(fast, name)) > goal:
            print(f"\n{measure_profile(stack, name, contestants[name], in_flight)}", flush=True)
    return None


@contextmanager
def start_contestants(stack: BenchmarkStack, small: str, many: str, key: str) -> Iterator[dict[str, Contestant]]:
    """Start the baselines, and check that each response of the data API has the right data.

    `small` and `many` are the connections of the two shops. Raises RuntimeError for wrong data.
    """
    pids = stack.list_pids()
    document = stack.fetch_truth(small.partition(":")[2])
    api, base = stack.stack.data_api_url, Contestant("", {}, pids[parts.DATA_API], pids[parts.POSTGRES], 200)
    snapshot, records = f"{api}/v1/connections/{small}/snapshot", f"{api}/v1/connections/{many}/records/products"
    with httpx.Client(headers={"X-API-Key": key, "Accept-Encoding": "identity"}, timeout=60) as http:
        page = _get(http, f"{records}?limit=100").json()["records"]
        requests: dict[str, tuple[str, dict[str, str], int]] = {
            NOT_MODIFIED: (snapshot, {"If-None-Match": f'"{sha256(document).hexdigest()}"'}, 304),
            GZIP: (snapshot, {"Accept-Encoding": "gzip"}, 200),
            IDENTITY: (snapshot, {}, 200),
            FETCH: (f"{api}/fetch-data?connection={small}", {}, 200),
            RECORD: (f"{records}/{quote(page[0]['id'], safe='')}", {}, 200),
            PAGE: (f"{records}?limit=100", {}, 200),
        }
        responses = {name: _get(http, url, headers) for name, (url, headers, _) in requests.items()}
    _check_responses(responses, document, page)
    contestants = {
        name: replace(base, url=url, headers={"X-API-Key": key, **headers}, status=status)
        for name, (url, headers, status) in requests.items()
    }
    lengths = {NOT_MODIFIED: 0, GZIP: int(responses[GZIP].headers["content-length"]), IDENTITY: len(document)}
    for name, length in lengths.items():
        contestants[name] = replace(contestants[name], length=length)
    print(f"  document: {len(document):,} bytes, gzip {lengths[GZIP]:,}", flush=True)
    with ExitStack() as exit_stack:
        path = stack.stack.data_dir / "document.json"
        path.write_bytes(document)
        for module, routes in (
            ("empty_route", {EMPTY: "/"}),
            ("idiomatic_reader", {IDIOMATIC: "/snapshot", TYPED: "/typed-snapshot"}),
        ):
            server, url = _create_baseline_server(stack, module, DOCUMENT=str(path))
            exit_stack.enter_context(server)
            for name, route in routes.items():
                contestants[name] = replace(base, url=f"{url}{route}", server_pid=server.pid)
        yield contestants


def _get(http: httpx.Client, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    response = http.get(url, headers=headers)
    if response.status_code not in (200, 304):
        raise RuntimeError(f"{url} answers {response.status_code}: {response.text[:300]}")
    return response


def _check_responses(responses: dict[str, httpx.Response], document: bytes, page: list[Any]) -> None:
    """Compare the responses with the truth, and with each other. Raises RuntimeError for a difference."""
    checks = {
        NOT_MODIFIED: responses[NOT_MODIFIED].status_code == 304,
        GZIP: responses[GZIP].content == document and responses[GZIP].headers["content-encoding"] == "gzip",
        IDENTITY: responses[IDENTITY].content == document,
        FETCH: responses[FETCH].content.endswith(b'"data":%b}' % document),
        RECORD: responses[RECORD].json() == page[0],
        PAGE: len(page) == 100 and len({record["id"] for record in page}) == 100,
    }
    if wrong := [name for name, is_right in checks.items() if not is_right]:
        raise RuntimeError(f"wrong data: {', '.join(wrong)}")


def _create_baseline_server(stack: BenchmarkStack, module: str, **env: str) -> tuple[ServerProcess, str]:
    port = stack.stack.environment.get_port(f"bench-{module}")
    url, log = f"http://127.0.0.1:{port}", stack.stack.data_dir / "logs" / f"bench-{module}.log"
    return ServerProcess(build_command(module), {"PORT": str(port), **env}, url, log), url


def run_rounds(
    contestants: dict[str, Contestant], rounds: int, seconds: float, in_flight: int
) -> tuple[dict[str, list[RequestResult]], dict[str, list[RequestResult]]]:
    """Run every contestant once in each round: first as fast as it answers, then at half of that rate.

    Each round begins with another contestant.
    """
    fast, half = defaultdict[str, list[RequestResult]](list), defaultdict[str, list[RequestResult]](list)
    order = list(contestants)
    for name in order:
        contestants[name].run(0.5, in_flight)
    for number in range(rounds):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            fast[name].append(contestants[name].run(seconds, in_flight))
            half[name].append(contestants[name].run(seconds, in_flight, fast[name][-1].rate / 2))
    return fast, half


def compute_cost_ratios(results: dict[str, list[RequestResult]], name: str) -> list[float]:
    """Return how many times the CPU time of the empty route a contestant took in each round."""
    return [a.server_cpu / b.server_cpu for a, b in zip(results[name], results[EMPTY], strict=True)]


def print_requests(fast: dict[str, list[RequestResult]], half: dict[str, list[RequestResult]]) -> None:
    """Print the medians of each contestant, and the ratios to the baselines."""
    head = ["median of rounds", "requests/s", "CPU", "/ empty route", "", "of Postgres", "p50 at half", "p99 at half"]
    rows = []
    for name, results in fast.items():
        ratios = compute_cost_ratios(fast, name)
        rows.append(
            [
                name,
                f"{median(result.rate for result in results):,.0f}",
                format_microseconds(median(result.server_cpu for result in results)),
                format_spread(ratios),
                f"goal ≤ {_GOALS[name]}" if name in _GOALS else "",
                format_microseconds(median(result.database_cpu for result in results)),
                format_milliseconds(compute_percentile([result.p50 for result in half[name]], 0.5)),
                format_milliseconds(compute_percentile([result.p99 for result in half[name]], 0.5)),
            ]
        )
    print(format_table(head, rows))
    for name, goal in ((IDIOMATIC, ", goal ≥ 50"), (TYPED, "")):
        rates = [a.rate / b.rate for a, b in zip(fast[GZIP], fast[name], strict=True)]
        print(f"  rate, {GZIP} / {name}: {format_spread(rates, '.1f')}{goal}")
    print("  p99 at half of the reachable rate: goal < 20 ms", flush=True)


def measure_profile(stack: BenchmarkStack, name: str, contestant: Contestant, in_flight: int) -> str:
    """Run the data API once more under cProfile, and format what it does for one of the requests."""
    path = stack.stack.data_dir / f"{sha256(name.encode()).hexdigest()}.profile"
    log = stack.stack.data_dir / "logs" / "bench-data-api.log"
    command = build_command("profiled_service", "data_api.app", str(path))
    url, settings = stack.stack.data_api_url, stack.stack.build_settings(parts.DATA_API)
    stack.stack.stop_part(parts.DATA_API)
    with ServerProcess(command, settings, url, log) as server:
        profiled = replace(contestant, server_pid=server.pid)
        profiled.run(0.5, in_flight)
        os.kill(server.pid, signal.SIGUSR1)
        result = profiled.run(_PROFILE_SECONDS, in_flight)
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: path.exists() or None, within=30)
    stack.stack.start_part(parts.DATA_API)
    return f"{name}\n{profiles.format_profile(path, result.count, 'request', result.server_cpu * result.count)}"
