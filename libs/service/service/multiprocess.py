"""Several processes that serve the same addresses, for work that fills more than one processor."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1
_ASKING = (signal.SIGTERM, signal.SIGINT)


def run_processes(works: Sequence[Callable[[], None]]) -> None:
    """Run each of `works` in a forked process until one of them ends, or SIGTERM or Ctrl-C asks all to.

    They end together, so that whoever supervises the service starts it whole again; its exit code is that of the first
    to end. If the parent is killed, they are asked to end as well.
    """
    children: list[int] = []

    def end(_signal: int, _frame: object) -> None:
        for child in children:
            _ask_to_end(child)

    # Who asks to end while the children are made is heard when all of them are there.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
    children += [_forked(work) for work in works]
    for number in _ASKING:
        signal.signal(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING)
    first, status = os.wait()
    children.remove(first)
    end(signal.SIGTERM, None)
    for child in children:
        os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _forked(work: Callable[[], None]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING)
    _end_with(parent)
    work()
    os._exit(0)


def _end_with(parent: int) -> None:
    """Have the kernel ask this process to end when its parent does (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _ask_to_end(child: int) -> None:
    try:
        os.kill(child, signal.SIGTERM)
    except ProcessLookupError:
        return
