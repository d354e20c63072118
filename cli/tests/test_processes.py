"""What is known of processes, on real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from merchant_sync import processes


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child of its own."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 10
    while not processes.list_descendants(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield process
    processes.send_signal([*processes.list_descendants(process.pid), process.pid], signal.SIGKILL)
    process.wait()


def test_the_start_of_a_process_stays_the_same_and_is_none_once_it_has_ended(shell: subprocess.Popen[bytes]) -> None:
    started = processes.get_start_time(shell.pid)

    assert started is not None
    assert processes.is_same_process(shell.pid, started)
    assert not processes.is_same_process(shell.pid, started - 1)
    processes.send_signal([*processes.list_descendants(shell.pid), shell.pid], signal.SIGKILL)
    os.waitid(os.P_PID, shell.pid, os.WEXITED | os.WNOWAIT)
    assert processes.get_start_time(shell.pid) is None, "a zombie is gone"
    shell.wait()
    assert processes.get_start_time(shell.pid) is None
    assert processes.list_descendants(shell.pid) == []


def test_descendants_and_command_lines_are_seen(shell: subprocess.Popen[bytes]) -> None:
    [child] = processes.list_descendants(shell.pid)

    assert "time.sleep(60)" in processes.read_command_line(child)
    assert child in processes.list_descendants(os.getpid())
