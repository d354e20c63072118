"""Processes of one service are started together and end together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, time
from service.multiprocess import run_processes
def work():
    signals = []
    signal.signal(signal.SIGTERM, lambda *_: signals.append(1))
    os.write(1, b"%d\\n" % os.getpid())  # one write: the two share the pipe
    while not signals:
        time.sleep(0.02)
run_processes([work, work])
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def read_children(parent: subprocess.Popen[str]) -> list[int]:
    assert parent.stdout is not None
    return [int(parent.stdout.readline()) for _ in range(2)]


def is_gone(pid: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{pid}").exists()


def test_all_processes_end_well_on_sigterm(parent: subprocess.Popen[str]) -> None:
    both = read_children(parent)
    parent.terminate()
    assert parent.wait(10) == 0
    assert all(is_gone(pid) for pid in both)


def test_when_one_process_is_killed_the_others_end_and_the_exit_code_is_an_error(parent: subprocess.Popen[str]) -> None:
    first, second = read_children(parent)
    os.kill(first, signal.SIGKILL)
    assert parent.wait(10) != 0
    assert is_gone(second)


def test_when_the_parent_is_killed_its_children_end(parent: subprocess.Popen[str]) -> None:
    both = read_children(parent)
    parent.kill()
    parent.wait(10)
    assert all(is_gone(pid) for pid in both)
