"""Processes as the operating system shows them: their start, their command, their descendants, signals to them.

psutil is imported where it is used, because only a stack on this machine has it: the image's `merchant-sync` does not.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable


def get_start_time(pid: int) -> int | None:
    """Return the start of the process in hundredths of a second, None when it is gone (a zombie is gone).

    A process id is used again, a pair of id and start is not.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        started: float = process.create_time()
    except psutil.NoSuchProcess:
        return None
    # Linux counts from boot, and psutil adds the time of boot, which moves when the clock is set: take it off again.
    return round((started - psutil.boot_time() if sys.platform == "linux" else started) * 100)


def read_command_line(pid: int) -> str:
    """Return the command of the process, empty when it is gone or may not be seen."""
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def is_same(pid: int, start: int | None) -> bool:
    """Whether the process `pid` that began at `start` still runs."""
    return start is not None and get_start_time(pid) == start


def list_descendants(pid: int) -> list[int]:
    """Return the children of `pid` and their descendants; none when it is gone."""
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send_signal(pids: Iterable[int], signal_number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def terminate(pid: int, start: int, max_wait: float = 10.0) -> None:
    """Terminate a process that is not our child: by SIGTERM, and after `max_wait` seconds by SIGKILL."""
    send_signal([pid], signal.SIGTERM)
    deadline = time.monotonic() + max_wait
    while is_same(pid, start) and time.monotonic() < deadline:
        time.sleep(0.05)
    if is_same(pid, start):
        send_signal([pid, *list_descendants(pid)], signal.SIGKILL)
