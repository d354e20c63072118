"""Runs a service as several processes that listen on the same ports, to use more than one processor."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_processes(targets: Sequence[Callable[[], None]]) -> None:
    """Run each of `targets` in a forked process, and wait until one of these child processes ends.

    The other children are then sent SIGTERM, so that a supervisor restarts the service as a whole. All children are
    sent SIGTERM also when this process receives SIGTERM or SIGINT, and (on Linux) when it is killed. Exits with the
    exit code of the child that ended first.
    """
    children: list[int] = []

    def stop_children(_signal: int, _frame: object) -> None:
        for child in children:
            _terminate_child(child)

    # A signal that arrives while the children are being forked is handled when all of them exist.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    children += [_fork_child(target) for target in targets]
    for number in _STOP_SIGNALS:
        signal.signal(number, stop_children)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    first, status = os.wait()
    children.remove(first)
    stop_children(signal.SIGTERM, None)
    for child in children:
        os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _fork_child(target: Callable[[], None]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    _terminate_with_parent(parent)
    target()
    os._exit(0)


def _terminate_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM to this process when its parent ends (Linux only).

    `parent` is the process id of the parent. If it has ended already, this process exits.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have ended before the call above.
    if os.getppid() != parent:
        os._exit(1)


def _terminate_child(child: int) -> None:
    try:
        os.kill(child, signal.SIGTERM)
    except ProcessLookupError:
        return
