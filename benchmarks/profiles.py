"""Summarise a profile of a process: how much time it spent for which purpose."""

import pstats
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.formatting import format_microseconds, format_table

Function = tuple[str, int, str]
"""A function in a profile: file, line, name. The file of a built-in function is `~`."""

EVENT_LOOP = "event loop, system calls, waiting"
OTHER = "everything else"
_PURPOSES_BY_NAME = (
    ("hmac", "signature"),
    ("compare_digest", "signature"),
    ("b2a_base64", "signature"),
    ("is_body_signed", "signature"),
    ("_sign_body", "signature"),
    ("orjson", "JSON in and out"),
    ("run_until_complete", EVENT_LOOP),
    ("run_forever", EVENT_LOOP),
)
_PURPOSES_BY_FILE = (
    ("delivery_log", "log line"),
    ("/gateway/", "route: headers, delivery, ids, message"),
    ("/platforms/", "route: headers, delivery, ids, message"),
    ("/contracts/", "route: headers, delivery, ids, message"),
    ("uuid.py", "route: headers, delivery, ids, message"),
    ("/data_api/asgi/", "dispatcher: path, key, parameters, log line"),
    ("/data_api/access.py", "dispatcher: path, key, parameters, log line"),
    ("rate_limits.py", "dispatcher: path, key, parameters, log line"),
    ("prometheus_client", "metrics"),
    ("/data_api/metrics.py", "metrics"),
    ("/data_api/store/", "Postgres client (asyncpg)"),
    ("asyncpg", "Postgres client (asyncpg)"),
    ("/uvicorn/", "HTTP server (uvicorn, httptools, its writes)"),
    ("limited_protocol.py", "HTTP server (uvicorn, httptools, its writes)"),
    ("stream_protocol.py", "HTTP server (uvicorn, httptools, its writes)"),
    ("/data_api/", "handler"),
    ("/aiokafka/", "Kafka (aiokafka)"),
    ("/messaging/", "Kafka (aiokafka)"),
    ("cramjam", "Kafka (aiokafka)"),
    ("/asyncio/", "asyncio: tasks, timeouts"),
)


def determine_purpose(function: Function) -> str | None:
    """Return the purpose of a function; None for a built-in function whose purpose depends on its caller."""
    file, _, name = function
    for text, purpose in _PURPOSES_BY_NAME:
        if text in name:
            return purpose
    for text, purpose in _PURPOSES_BY_FILE:
        if text in file or (file == "~" and text.strip("/") in name):
            return purpose
    return None if file == "~" else OTHER


def aggregate_by_purpose(path: Path) -> dict[str, float]:
    """Return the seconds by purpose. Time of a built-in function without a purpose is added to its callers."""
    seconds: dict[str, float] = defaultdict(float)
    for function, (_, _, own_seconds, _, callers) in _load_statistics(path).items():
        purpose = determine_purpose(function)
        if purpose is not None or not callers:
            seconds[purpose or OTHER] += own_seconds
            continue
        for caller, (_, _, caller_seconds, _) in callers.items():
            seconds[determine_purpose(caller) or OTHER] += caller_seconds
    return seconds


def list_hottest(path: Path, count: int) -> list[tuple[str, int, float]]:
    """Return the functions with the most time of their own, event loop excluded, as tuples of label, calls, seconds."""
    functions = [
        (_build_label(function), calls, own_seconds)
        for function, own_seconds, calls in _iterate_own_time(path)
        if determine_purpose(function) != EVENT_LOOP
    ]
    return sorted(functions, key=lambda line: -line[2])[:count]


def format_profile(path: Path, count: int, unit: str, cpu: float) -> str:
    """Format what each purpose and the hottest functions took of `count` units, such as requests.

    `cpu` are the CPU seconds of the process meanwhile. cProfile makes small functions look larger than they are.
    """
    seconds = aggregate_by_purpose(path)
    seconds.pop(EVENT_LOOP, None)
    # cProfile counts wall time, and in the event loop that is mostly waiting. So the CPU time that no other purpose
    # accounts for is taken as the loop's.
    seconds[EVENT_LOOP] = max(0.0, cpu - sum(seconds.values()))
    total = sum(seconds.values())
    purposes = [
        (name, f"{spent / total:.0%}", format_microseconds(spent / count))
        for name, spent in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    functions = [
        (name, f"{calls / count:.2f}", format_microseconds(spent / count))
        for name, calls, spent in list_hottest(path, 15)
    ]
    return "\n\n".join(
        [
            format_table([f"profile of {count:,}", "share", f"per {unit}"], purposes),
            format_table(["functions, their own time", f"calls per {unit}", f"per {unit}"], functions),
        ]
    )


def _load_statistics(path: Path) -> dict[Function, Any]:
    stats: dict[Function, Any] = pstats.Stats(str(path)).stats  # type: ignore[attr-defined] # it is not in the stubs
    return stats


def _iterate_own_time(path: Path) -> Iterator[tuple[Function, float, int]]:
    for function, (_, calls, own_seconds, _, _) in _load_statistics(path).items():
        yield function, own_seconds, calls


def _build_label(function: Function) -> str:
    file, line, name = function
    return name if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"
