"""What a part of the stack is: a command, how it shows health, how it ends."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

KAFKA, POSTGRES, SPACES, SANDBOX = "kafka", "postgres", "spaces", "sandbox"
GATEWAY, SCHEDULER, SPACES_WRITER = "gateway", "scheduler", "spaces-writer"
SHOPIFY_FETCHER, FACEBOOK_FETCHER = "shopify-fetcher", "facebook-fetcher"
OPERATOR = "operator"
"""The operator's command: no part of a stack, and a caller of its services."""

INFRASTRUCTURE = (KAFKA, POSTGRES, SPACES, SANDBOX)
SERVICES = (GATEWAY, SCHEDULER, SPACES_WRITER, SHOPIFY_FETCHER, FACEBOOK_FETCHER)
ALL = (*INFRASTRUCTURE, *SERVICES)


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and, where possible, what to do."""


def _nothing() -> None:
    """Nothing to prepare or settle."""


@dataclass(frozen=True)
class Part:
    """One child process of the stack, and all that is particular to it.

    `prepare` runs before every start (it also repairs what a kill left behind), `settle` after each that was healthy.
    """

    name: str
    command: Sequence[str]
    healthy: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    settle: Callable[[], None] = _nothing
    start_timeout: float = 60.0
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    user: str = "-"
