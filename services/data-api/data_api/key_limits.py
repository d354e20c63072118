"""The limits of each key, in each process: requests, refreshes that it starts, tests of endpoints, and open streams."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.rate_limits import Rate, TokenBuckets

MAX_KEYS = 100_000
"""How many keys are remembered. The limits of a key that was not used for longest begin anew."""
REFRESHES_PER_MINUTE = 6
TESTS_PER_MINUTE = 6
ADDRESSES_PER_MINUTE = 30
"""How many addresses of endpoints are looked up for a key: each may take a thread for seconds."""
STREAMS = 20


class LimitExceededError(Exception):
    """Raised when a key has used up a limit. `wait` are the seconds until it may try again."""

    def __init__(self, limit: str, per_minute: int | None, wait: float) -> None:
        super().__init__(limit)
        self.limit = limit
        self.per_minute = per_minute
        self.wait = wait

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client what the limit is, and when to come back."""
        seconds = max(1, math.ceil(self.wait))
        headers = {"Retry-After": str(seconds)}
        if self.per_minute is not None:
            name = f'"{self.limit}"'
            headers["RateLimit-Policy"] = f"{name};q={self.per_minute};w=60"
            headers["RateLimit"] = f"{name};r=0;t={seconds}"
        return headers


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    per_minute: int
    buckets: TokenBuckets

    def take(self, key_hash: str) -> None:
        if wait := self.buckets.take(key_hash):
            raise LimitExceededError(self.name, self.per_minute, wait)


class KeyLimits:
    """Counts what each key does, by the key's hash. `clock` returns seconds that never go back."""

    def __init__(self, requests_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = _create_limit("requests", requests_per_minute, clock)
        self._refreshes = _create_limit("refreshes", REFRESHES_PER_MINUTE, clock)
        self._tests = _create_limit("tests", TESTS_PER_MINUTE, clock)
        self._addresses = _create_limit("addresses", ADDRESSES_PER_MINUTE, clock)
        self._streams = Counter[str]()

    def take_request(self, key_hash: str) -> None:
        """Count a request. Raises `LimitExceededError` if it is one too many."""
        self._requests.take(key_hash)

    def take_refresh(self, key_hash: str) -> None:
        """Count a refresh that is about to be asked for. Raises `LimitExceededError` if it is one too many."""
        self._refreshes.take(key_hash)

    def return_refresh(self, key_hash: str) -> None:
        """Count a refresh no more, because it has started nothing."""
        self._refreshes.buckets.put_back(key_hash)

    def take_test(self, key_hash: str) -> None:
        """Count a test of an endpoint that is about to be sent. Raises `LimitExceededError` if it is one too many."""
        self._tests.take(key_hash)

    def take_address(self, key_hash: str) -> None:
        """Count the address of an endpoint that is about to be looked up. Raises `LimitExceededError`."""
        self._addresses.take(key_hash)

    @contextmanager
    def hold_stream(self, key_hash: str) -> Iterator[None]:
        """Count a stream while the context lasts. Raises `LimitExceededError` if it is one too many."""
        if self._streams[key_hash] >= STREAMS:
            raise LimitExceededError("streams", None, 1.0)
        self._streams[key_hash] += 1
        try:
            yield
        finally:
            self._streams[key_hash] -= 1
            if not self._streams[key_hash]:
                del self._streams[key_hash]


def _create_limit(name: str, per_minute: int, clock: Callable[[], float]) -> _Limit:
    return _Limit(name, per_minute, TokenBuckets(Rate(per_minute, per_minute / 60), MAX_KEYS, clock))
