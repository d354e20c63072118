"""Measure what hostile senders do to the gateway: how long others wait for `/health`, and how much memory it takes.

`python -m benchmarks.hostile_senders [--seconds 10] [NAME…]`. Each attack runs alone, from a process of its own, over
loopback. The first row, without senders, is the baseline.
"""

import argparse
import asyncio
import http.client
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from benchmarks.benchmark_stack import run_benchmark_stack
from benchmarks.formatting import compute_percentile, format_megabytes, format_milliseconds, format_table
from benchmarks.resource_usage import list_family, measure_other_load
from benchmarks.workers import build_command

POST = b"POST /shopify/webhook HTTP/1.1\r\nHost: gateway\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /health HTTP/1.1\r\nHost: gateway\r\n"
LARGE = b"x" * 65_536
HEALTH_PAUSE_SECONDS = 0.02

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def send_one_byte_chunks(writer: asyncio.StreamWriter) -> None:
    """Send a body of almost 8 MB, and then 60,000 chunks of one byte."""
    writer.write(CHUNKED)
    for _ in range(120):
        writer.write(b"%x\r\n%b\r\n" % (len(LARGE), LARGE))
        await writer.drain()
    writer.write(b"1\r\nx\r\n" * 60_000)
    await writer.drain()


async def send_endless_header(writer: asyncio.StreamWriter) -> None:
    """Send one header that never ends."""
    writer.write(GET + b"X-Endless: ")
    while True:
        writer.write(LARGE)
        await writer.drain()


async def send_many_headers(writer: asyncio.StreamWriter) -> None:
    """Send headers without end."""
    writer.write(GET)
    while True:
        writer.write(b"X-Many: 1\r\n" * 5_000)
        await writer.drain()


async def send_half_request(writer: asyncio.StreamWriter) -> None:
    """Send a request without its last byte."""
    writer.write(GET + b"\r")
    await writer.drain()


async def send_nothing(_writer: asyncio.StreamWriter) -> None:
    """Keep the connection open."""


async def send_slow_body(writer: asyncio.StreamWriter) -> None:
    """Send a body in parts of 1 KB, ten a second."""
    writer.write(POST + b"Content-Length: 8000000\r\n\r\n")
    while True:
        writer.write(b"x" * 1024)
        await writer.drain()
        await asyncio.sleep(0.1)


async def send_large_body(writer: asyncio.StreamWriter) -> None:
    """Send a body of 8 MB without its last byte."""
    writer.write(POST + b"Content-Length: 8000000\r\n\r\n")
    for _ in range(122):
        writer.write(LARGE)
        await writer.drain()


ATTACKS: dict[str, tuple[int, Send]] = {
    "no senders": (0, send_nothing),
    "one-byte chunks": (4, send_one_byte_chunks),
    "endless header": (20, send_endless_header),
    "many headers": (20, send_many_headers),
    "half requests": (500, send_half_request),
    "silent connections": (500, send_nothing),
    "slow bodies": (300, send_slow_body),
    "large bodies": (40, send_large_body),
}
"""The attacks: the number of senders, and what each of them sends on one connection after another."""


async def run_attack(name: str, address: str, seconds: float) -> None:
    """Let the senders of an attack send for `seconds`; print how often each status was answered."""
    count, send = ATTACKS[name]
    target, answers = urlsplit(address), Counter[str]()
    senders = [asyncio.create_task(_send_again_and_again(target.netloc, send, answers)) for _ in range(count)]
    await asyncio.sleep(seconds)
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    print(", ".join(f"{status}: {times:,}" for status, times in sorted(answers.items())) or "none")


async def _send_again_and_again(netloc: str, send: Send, answers: Counter[str]) -> None:
    host, _, port = netloc.partition(":")
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, int(port))
            sending = asyncio.create_task(send(writer))
            try:
                answer = await reader.read(65_536)  # until the gateway answers or closes the connection
                answers[answer.split(b" ", 2)[1].decode() if answer else "closed"] += 1
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                writer.close()
        await asyncio.sleep(0.05)


def measure_attack(name: str, address: str, gateway: int, seconds: float) -> tuple[list[float], list[int], str]:
    """Run an attack in a process of its own.

    Return the seconds of each request for `/health`, the bytes by which the memory of each gateway process grew at
    most, and the answers to the senders.
    """
    members = [psutil.Process(pid) for pid in list_family(gateway)]
    before = [member.memory_info().rss for member in members]
    peak, waits = list(before), list[float]()
    command = [*build_command("hostile_senders"), "--attack", name, "--address", address, "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
        until = time.monotonic() + seconds + 1
        while time.monotonic() < until:
            waits.append(measure_health(address))
            peak = [max(most, member.memory_info().rss) for most, member in zip(peak, members, strict=True)]
            time.sleep(HEALTH_PAUSE_SECONDS)
        answers, _ = attacker.communicate(timeout=60)
    return waits, [most - least for most, least in zip(peak, before, strict=True)], answers.strip()


def measure_health(address: str) -> float:
    """Return the seconds from a new connection to the answer of `/health`; infinity when there is none in 60 s."""
    connection, started = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60), time.perf_counter()
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except OSError:
        return float("inf")
    finally:
        connection.close()
    return time.perf_counter() - started if status == 200 else float("inf")


def main() -> None:
    """Run the attacks one after another and print a table, or run one attack on the gateway at `--address`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ATTACKS))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        asyncio.run(run_attack(options.attack, options.address, options.seconds))
        return
    if unknown := set(options.names) - set(ATTACKS):
        sys.exit(f"There are no such attacks: {', '.join(sorted(unknown))}. There are {', '.join(ATTACKS)}.")
    rows = []
    with run_benchmark_stack() as stack:
        gateway = stack.list_pids()["gateway"]
        measure_health(stack.stack.gateway_url)
        with measure_other_load() as describe_other_load:
            for name in options.names:
                waits, growth, answers = measure_attack(name, stack.stack.gateway_url, gateway, options.seconds)
                rows.append(
                    (
                        f"{name} ({ATTACKS[name][0]})",
                        format_milliseconds(compute_percentile(waits, 0.5)),
                        format_milliseconds(max(waits)),
                        format_megabytes(max(growth)),
                        answers,
                    )
                )
        head = ("senders", "health p50", "worst", "memory growth of a process", "answers to the senders")
        print(format_table(head, rows))
        print(f"  {describe_other_load()}")


if __name__ == "__main__":
    main()
