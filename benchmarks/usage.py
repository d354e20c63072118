"""What processes have used, as the kernel counts it (Linux, `/proc`)."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from merchant_sync import processes

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all that descends from it."""
    return [pid, *processes.descendants(pid)]


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its descendants so far (hundredths of a second are its grain)."""
    return sum(_cpu_of(member) for member in family(pid))


def peak_bytes(pid: int) -> int:
    """The most memory that the process and its descendants ever held (VmHWM), added up."""
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
    user, nice, system, _idle, _iowait, interrupts, soft, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + interrupts + soft) / _TICKS


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_of(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) * 1024 if found else 0
