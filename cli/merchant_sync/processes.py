"""Ask the operating system about processes (start time, command, descendants) and send signals to them.

psutil is imported inside the functions that use it, because the container image has no psutil.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable


def get_start_time(pid: int) -> int | None:
    """Return the start time of the process in hundredths of a second; None when it has ended (a zombie has ended).

    The operating system reuses process ids. Id and start time together identify a process.
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
    """Return the command line of the process; empty when the process has ended or access to it is denied."""
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def is_same_process(pid: int, start: int | None) -> bool:
    """Return whether the process `pid` still runs and is the one that started at `start`."""
    return start is not None and get_start_time(pid) == start


def list_descendants(pid: int) -> list[int]:
    """Return the process ids of all descendants of `pid`; none when the process has ended."""
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send_signal(pids: Iterable[int], signal_number: int) -> None:
    """Send a signal to each of the processes that still runs."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def terminate(pid: int, start: int, max_wait: float = 10.0) -> None:
    """Terminate a process that is not our child: by SIGTERM, and after `max_wait` seconds by SIGKILL.

    `start` is its start time (see `get_start_time`). By it, the end of the process is noticed.
    """
    send_signal([pid], signal.SIGTERM)
    deadline = time.monotonic() + max_wait
    while is_same_process(pid, start) and time.monotonic() < deadline:
        time.sleep(0.05)
    if is_same_process(pid, start):
        send_signal([pid, *list_descendants(pid)], signal.SIGKILL)
