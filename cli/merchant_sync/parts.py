"""The parts of a stack: their names, and how one is started, checked and stopped."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from merchant_sync.manifests import MANIFESTS

KAFKA, POSTGRES, SPACES, SANDBOX = "kafka", "postgres", "spaces", "sandbox"
GATEWAY, SCHEDULER, SPACES_WRITER, DATA_API = "gateway", "scheduler", "spaces-writer", "data-api"
LINKER = "linker"
FETCHERS = tuple(manifest.fetcher for manifest in MANIFESTS)
PLATFORM_SERVICES = tuple(service for manifest in MANIFESTS for service in manifest.services)
"""The fetchers, and the writers of the platforms that links write to."""
OPERATOR = "operator"
"""The name of the operator's commands. They are not a part of a stack, but they call its services."""

INFRASTRUCTURE = (KAFKA, POSTGRES, SPACES, SANDBOX)
SERVICES = (GATEWAY, SCHEDULER, SPACES_WRITER, DATA_API, LINKER, *PLATFORM_SERVICES)
ALL = (*INFRASTRUCTURE, *SERVICES)


class StackError(Exception):
    """Raised when a command cannot continue. The message gives the reason and, where possible, what to do.

    `exit_code` is the exit code of an operator's command: 2 when the installation cannot be reached, 1 when it is
    reached but the command's arguments name something that is missing or refused. `status` is the HTTP status with
    which a service refused a request; None in all other cases.
    """

    def __init__(self, message: str, *, exit_code: int = 2, status: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status


def _do_nothing() -> None:
    """Do nothing. This is the default for a part that has nothing to do before or after its start."""


@dataclass(frozen=True)
class Part:
    """One child process of the stack.

    `prepare` runs before every start; it also repairs what a killed process left behind. `settle` runs after a start,
    once the part is healthy. `stop_signal` stops the process. On Linux, the kernel sends it `death_signal` when the
    stack's own process dies. `user` is the name of the operating system's user that runs the process; `-` is the
    present user. `start_timeout` (seconds) is for a process that hangs: one that ends is noticed at once, and on a busy
    machine a start that takes seconds elsewhere may take minutes.
    """

    name: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _do_nothing
    settle: Callable[[], None] = _do_nothing
    start_timeout: float = 180.0
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    user: str = "-"
