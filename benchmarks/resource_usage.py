"""Measure the CPU time and memory of processes with the counters of the operating system."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from merchant_sync import processes


def list_family(pid: int) -> list[int]:
    """Return the process ids of the process and all its descendants."""
    return [pid, *processes.list_descendants(pid)]


def measure_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds (user and system) of the process and its descendants, with a precision of 0.01 s."""
    return sum(_measure_process_cpu(member) for member in list_family(pid))


def measure_peak_bytes(pid: int) -> int:
    """Return the sum of the peak memory of the process and of its descendants.

    Only Linux records the peak. On other systems, the present memory is returned.
    """
    return sum(_measure_process_peak(member) for member in list_family(pid))


def measure_resident_bytes(pid: int) -> int:
    """Return the present memory of the process and its descendants."""
    return sum(_measure_process_memory(member) for member in list_family(pid))


@contextmanager
def measure_other_load() -> Iterator[Callable[[], str]]:
    """Measure how busy all other processes of this machine are while the context lasts.

    Yield a function. After the context, it returns a sentence about the load of other processes. When that load is
    high, the figures of the benchmark are not reliable.
    """
    own_before, busy_before, started = _measure_own_seconds(), _measure_busy_seconds(), time.monotonic()
    sentences: list[str] = []
    yield lambda: sentences[0]
    duration = time.monotonic() - started
    own = _measure_own_seconds() - own_before
    others = (_measure_busy_seconds() - busy_before - own) / duration
    sentences.append(f"meanwhile other processes kept {max(0.0, others):.1f} of {os.cpu_count()} cores busy")


def _measure_own_seconds() -> float:
    """Return the CPU seconds of this process and its descendants, also of those that have ended."""
    ended = os.times()
    return measure_cpu_seconds(os.getpid()) + ended.children_user + ended.children_system


def _measure_busy_seconds() -> float:
    """Return the seconds that all cores together were busy since the machine started."""
    times = psutil.cpu_times()
    # Linux counts interrupts separately, macOS counts them as system time.
    busy: float = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return busy


def _measure_process_cpu(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    seconds: float = times.user + times.system
    return seconds


def _measure_process_peak(pid: int) -> int:
    if sys.platform != "linux":
        return _measure_process_memory(pid)
    # psutil returns only the memory used now, not the peak.
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(match[1]) * 1024 if match else 0


def _measure_process_memory(pid: int) -> int:
    try:
        resident: int = psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return resident
