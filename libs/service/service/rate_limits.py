"""Limits how often strangers may do something: for each client whose address is known, otherwise for the process."""

import time
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

import structlog

from service.client_addresses import ClientAddresses, Header

log = structlog.get_logger()

MAX_CLIENTS = 10_000
"""How many clients are remembered. Beyond them, those that were seen least recently are forgotten."""


class Rate(NamedTuple):
    """`burst` times at once, and `per_second` more in each second after that."""

    burst: int
    per_second: float


class TokenBuckets:
    """A token bucket for each key: it holds `rate.burst` tokens, and gets `rate.per_second` new ones a second.

    At most `size` buckets are kept. A forgotten bucket is full again. `clock` returns seconds that never go back.
    """

    def __init__(self, rate: Rate, size: int, clock: Callable[[], float]) -> None:
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._size = size
        self._clock = clock
        self._full_at: dict[Hashable, float] = {}
        """When each bucket will be full again, the bucket that was used least recently first."""

    def take(self, key: Hashable) -> float:
        """Take a token and return 0.0. If the bucket is empty, return the seconds until there is a token."""
        now = self._clock()
        full_at = max(self._full_at.pop(key, now), now)
        wait = full_at - now - self._tolerance
        self._full_at[key] = full_at if wait > 0 else full_at + self._interval
        if len(self._full_at) > self._size:
            del self._full_at[next(iter(self._full_at))]
        return max(wait, 0.0)

    def put_back(self, key: Hashable) -> None:
        """Put a token back that was taken for something that has not happened."""
        if key in self._full_at:
            self._full_at[key] -= self._interval

    def __len__(self) -> int:
        """Return how many buckets are kept."""
        return len(self._full_at)


class ClientRateLimiter:
    """Limits each client to the rate `per_client`, and all clients with unknown addresses together to `per_process`.

    `subject` says in the log what is limited. There is one line a minute at most, which shows no address.
    """

    def __init__(
        self,
        subject: str,
        addresses: ClientAddresses,
        *,
        per_client: Rate,
        per_process: Rate,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = subject
        self._addresses = addresses
        self._by_client = TokenBuckets(per_client, MAX_CLIENTS, clock)
        self._unknown = TokenBuckets(per_process, 1, clock)
        self._log_lines = TokenBuckets(Rate(1, 1 / 60), 1, clock)

    def take(self, peer: str, headers: Iterable[Header]) -> float:
        """Count something that a client did. Return 0.0 if it may, otherwise the seconds until it may again.

        `peer` is the IP address of the connection, and `headers` are those of the request, with names in lower case.
        """
        client = self._addresses.find_client(peer, headers)
        wait = self._unknown.take(None) if client is None else self._by_client.take(client)
        if wait and not self._log_lines.take(None):
            whose = "one client" if client else "all clients, because TRUSTED_PROXIES does not tell them apart"
            log.warning("rate limited", subject=self._subject, limit_of=whose)
        return wait
