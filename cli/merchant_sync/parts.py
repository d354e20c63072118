"""The parts of a stack: their names, and how one is started, checked and stopped."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from merchant_sync.manifests import MANIFESTS

KAFKA, POSTGRES, SPACES, SANDBOX = "kafka", "postgres", "spaces", "sandbox"
GATEWAY, SCHEDULER, SPACES_WRITER = "gateway", "scheduler", "spaces-writer"
FETCHERS = tuple(manifest.fetcher for manifest in MANIFESTS)
OPERATOR = "operator"
"""The operator's commands: not a part of a stack, but a caller of its services."""

INFRASTRUCTURE = (KAFKA, POSTGRES, SPACES, SANDBOX)
SERVICES = (GATEWAY, SCHEDULER, SPACES_WRITER, *FETCHERS)
ALL = (*INFRASTRUCTURE, *SERVICES)


class StackError(Exception):
    """A command cannot go on; the message gives the reason and, where possible, what to do.

    `exit_code` is the exit code of an operator's command: 1 where the installation was reached and something is wrong
    with what the command names, 2 where it could not be reached. `status` is the HTTP status with which a service
    refused a request, None for everything else.
    """

    def __init__(self, message: str, *, exit_code: int = 2, status: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status


def _do_nothing() -> None:
    """Stand in for a step that a part does not need."""


@dataclass(frozen=True)
class Part:
    """One child process of the stack.

    `prepare` runs before every start and also repairs what a kill left behind; `settle` runs after each start, once the
    part is healthy. `user` is the operating system's user that runs it, `-` for the present one.
    """

    name: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _do_nothing
    settle: Callable[[], None] = _do_nothing
    start_timeout: float = 60.0
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    user: str = "-"
