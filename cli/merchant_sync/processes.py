"""What the kernel knows of processes: whether one is still the same, what descends from it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def started_at(pid: int) -> int | None:
    """The start of the process in clock ticks since boot, None when it is gone (a zombie is gone).

    A process id is used again, a pair of id and start is not.
    """
    fields = _stat(pid)
    if not fields or fields[0] in "ZX":
        return None
    return int(fields[19])


def is_same(pid: int, start: int | None) -> bool:
    """Whether the process `pid` that began at `start` still runs."""
    return start is not None and started_at(pid) == start


def descendants(pid: int) -> list[int]:
    """Children of `pid`, and theirs, nearest first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, next_up = [], [pid]
    while next_up:
        below = children.get(next_up.pop(0), [])
        found += below
        next_up += below
    return found


def send(pids: Iterable[int], signal_number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def end(pid: int, start: int, patience: float = 10.0) -> None:
    """End a process that is not our child: SIGTERM, after `patience` seconds SIGKILL."""
    send([pid], signal.SIGTERM)
    deadline = time.monotonic() + patience
    while is_same(pid, start) and time.monotonic() < deadline:
        time.sleep(0.05)
    if is_same(pid, start):
        send([pid, *descendants(pid)], signal.SIGKILL)
