"""Where a profiled process spent its time, summed up by what that time is for."""

import pstats
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Function = tuple[str, int, str]
"""File, line, name; a built-in function has the file `~`."""

LOOP = "event loop, system calls, waiting"
_BY_NAME = (
    ("hmac", "signature"),
    ("compare_digest", "signature"),
    ("b2a_base64", "signature"),
    ("_body_signature", "signature"),
    ("signs_body", "signature"),
    ("orjson", "JSON in and out"),
    ("run_until_complete", LOOP),
    ("run_forever", LOOP),
)
_BY_FILE = (
    ("delivery_log", "log line"),
    ("/gateway/", "route: headers, delivery, ids, message"),
    ("/contracts/", "route: headers, delivery, ids, message"),
    ("uuid.py", "route: headers, delivery, ids, message"),
    ("/uvicorn/", "HTTP server (uvicorn, httptools, its writes)"),
    ("/aiokafka/", "Kafka producer (aiokafka)"),
    ("/messaging/", "Kafka producer (aiokafka)"),
    ("cramjam", "Kafka producer (aiokafka)"),
    ("/asyncio/", "asyncio: tasks, timeouts"),
)


def purpose(function: Function) -> str | None:
    """What a function is for; None for a built-in one that only its caller can tell."""
    file, _, name = function
    for part, meant in _BY_NAME:
        if part in name:
            return meant
    for part, meant in _BY_FILE:
        if part in file or (file == "~" and part.strip("/") in name):
            return meant
    return None if file == "~" else "everything else"


def by_purpose(path: Path) -> Counter[str]:
    """Seconds by purpose; a built-in function's time counts as its callers' where it says nothing by itself."""
    seconds: Counter[str] = Counter()
    for function, own, callers in _functions(path):
        meant = purpose(function)
        if meant is not None or not callers:
            seconds[meant or "everything else"] += own
            continue
        for caller, (_, _, part, _) in callers.items():
            seconds[purpose(caller) or "everything else"] += part
    return seconds


def hottest(path: Path, count: int) -> list[tuple[str, int, float]]:
    """The functions with the most time of their own, the loop apart: name, calls, seconds."""
    listed = [(_label(function), calls, own) for function, own, calls in _own(path) if purpose(function) != LOOP]
    return sorted(listed, key=lambda line: -line[2])[:count]


def _stats(path: Path) -> dict[Function, Any]:
    stats: dict[Function, Any] = pstats.Stats(str(path)).stats  # type: ignore[attr-defined] # it is not in the stubs
    return stats


def _functions(path: Path) -> Iterator[tuple[Function, float, dict[Function, tuple[int, int, float, float]]]]:
    for function, (_, _, own, _, callers) in _stats(path).items():
        yield function, own, callers


def _own(path: Path) -> Iterator[tuple[Function, float, int]]:
    for function, (_, calls, own, _, _) in _stats(path).items():
        yield function, own, calls


def _label(function: Function) -> str:
    file, line, name = function
    return name if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"
