"""The dependencies that the handlers of full syncs and of incremental syncs share."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from connector.blocked_accounts import BlockedAccounts
from connector.client import TokenClient
from connector.outcomes import Uniform, compute_delay
from connector.source import Source
from messaging.publisher import EventPublisher
from platform_sdk.errors import RetryLaterError
from platform_sdk.session import FullReadState, SyncContext
from platform_sdk.tokens import AccessToken

Clock = Callable[[], float]
"""A function that returns a time in seconds."""


@dataclass(frozen=True)
class HandlerDependencies:
    """What the two Kafka handlers of a fetcher (for full syncs and for incremental syncs) depend on.

    `now` returns seconds since the Unix epoch. `elapsed` returns seconds on a monotonic clock. `uniform` is the source
    of randomness for delays.
    """

    source: Source
    tokens: TokenClient
    publisher: EventPublisher
    blocked: BlockedAccounts = field(default_factory=BlockedAccounts)
    now: Clock = time.time
    elapsed: Clock = time.monotonic
    uniform: Uniform = random.uniform

    def build_context(
        self, token: AccessToken, epoch: int, read_id: UUID, mode: str, previous: FullReadState | None = None
    ) -> SyncContext:
        """Return the context of a read of records that begins with `token`. `mode` is INCREMENTAL or FULL.

        If the read needs a fresh token later, it asks the gateway for one of `epoch` (the connection's number that
        rises when the connection ends) or a later epoch. `previous` is the state that the source has left.
        """
        refresh = partial(self.tokens.get_token, token.connection, epoch, fresh=True)
        return SyncContext(token, read_id, mode, self.tokens.replace_rejected_token, refresh, previous=previous)

    def compute_not_before(self, error: RetryLaterError, attempt: int) -> int:
        """Return the time (ms since the Unix epoch) at which the read that `error` has stopped continues.

        `attempt` is the number of the stopped attempt.
        """
        return round((self.now() + compute_delay(error, attempt, self.uniform)) * 1000)
