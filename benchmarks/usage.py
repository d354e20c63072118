"""What processes have used, as the operating system counts it."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from merchant_sync import processes


def family(pid: int) -> list[int]:
    """The process and all that descends from it."""
    return [pid, *processes.list_descendants(pid)]


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its descendants so far (hundredths of a second are its grain)."""
    return sum(_cpu_of(member) for member in family(pid))


def peak_bytes(pid: int) -> int:
    """The most memory that the process and its descendants ever held, added up. Only Linux keeps the peak; elsewhere it
    is what they hold now."""
    return sum(_peak_of(member) for member in family(pid))


@contextmanager
def others_work() -> Iterator[Callable[[], str]]:
    """What other processes of this machine did meanwhile, in words: beside much of it figures are worth little."""
    mine, busy, began = cpu_seconds(os.getpid()), _busy_seconds(), time.monotonic()
    said: list[str] = []
    yield lambda: said[0]
    took = time.monotonic() - began
    others = (_busy_seconds() - busy - cpu_seconds(os.getpid()) + mine) / took
    said.append(f"meanwhile other processes kept {max(0.0, others):.1f} of {os.cpu_count()} cores busy")


def _busy_seconds() -> float:
    """What all cores have worked since boot."""
    times = psutil.cpu_times()
    # Linux counts interrupts apart, macOS within the system's time.
    busy: float = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return busy


def _cpu_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    seconds: float = times.user + times.system
    return seconds


def _peak_of(pid: int) -> int:
    if sys.platform != "linux":
        return _held_by(pid)
    # psutil tells the memory of now, not the peak.
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) * 1024 if found else 0


def _held_by(pid: int) -> int:
    try:
        held: int = psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return held
