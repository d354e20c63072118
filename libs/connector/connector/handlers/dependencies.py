"""What both handlers need: the source, tokens, a publisher, and clocks."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from connector.client import TokenClient
from connector.outcomes import Uniform, compute_delay
from connector.source import Source
from messaging.publisher import EventPublisher
from platform_sdk.errors import RetryLaterError
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken

Clock = Callable[[], float]
"""A time in seconds."""


@dataclass(frozen=True)
class HandlerDependencies:
    """What both handlers work with; `now` is in seconds since the Unix epoch, `elapsed` on any steady clock."""

    source: Source
    tokens: TokenClient
    publisher: EventPublisher
    now: Clock = time.time
    elapsed: Clock = time.monotonic
    uniform: Uniform = random.uniform

    def build_context(self, token: AccessToken, epoch: int, read_id: UUID, mode: str) -> SyncContext:
        """Return the context of a read with `token` for a request of `epoch`."""
        refresh = partial(self.tokens.get_token, token.connection, epoch, fresh=True)
        return SyncContext(token, read_id, mode, self.tokens.replace_token, refresh)

    def compute_not_before(self, wait: RetryLaterError, attempt: int) -> int:
        """Return when (ms) work that `wait` stopped in this attempt continues."""
        return round((self.now() + compute_delay(wait, attempt, self.uniform)) * 1000)
