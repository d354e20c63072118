"""Processes that serve one address together: started, asked to end, and ending with each other."""

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
from service.multiprocess import run_together
def work():
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    os.write(1, b"%d\\n" % os.getpid())  # one write: the two share the pipe
    while not ended:
        time.sleep(0.02)
run_together([work, work])
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def children(parent: subprocess.Popen[str]) -> list[int]:
    assert parent.stdout is not None
    return [int(parent.stdout.readline()) for _ in range(2)]


def gone(pid: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{pid}").exists()


def test_asked_to_end_all_end_well(parent: subprocess.Popen[str]) -> None:
    both = children(parent)
    parent.terminate()
    assert parent.wait(10) == 0
    assert all(gone(pid) for pid in both)


def test_when_one_is_killed_the_others_end_and_the_exit_code_says_so(parent: subprocess.Popen[str]) -> None:
    first, second = children(parent)
    os.kill(first, signal.SIGKILL)
    assert parent.wait(10) != 0
    assert gone(second)


def test_when_the_parent_is_killed_its_children_end(parent: subprocess.Popen[str]) -> None:
    both = children(parent)
    parent.kill()
    parent.wait(10)
    assert all(gone(pid) for pid in both)
