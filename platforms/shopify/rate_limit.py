"""The rate limit of a shop: a leaky bucket of points, and how much of it queries cost.

A copy of the platform's bucket is kept here, so that queries wait for points instead of being throttled. What a query
requests is reserved when it is sent; the difference to what it was charged is returned with its response. Responses
arrive out of order, so they lower the level of the copy and never raise it. All times are in seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TARGET_COST = 500
"""Where ids are charged one by one, a batch costs at most half of what a query may: full syncs must leave half of the
bucket free."""
MAX_IDS = 250
"""`nodes(ids:)` takes no more ids than this."""

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """A GraphQL query that can be sent: the name of its operation, and the document that is sent."""

    name: str
    text: str
    compute_cost: Callable[[Variables], int] = field(repr=False, compare=False)
    """Returns the points that the platform requests before the query runs, `nodes(ids:)` charged once."""


@dataclass(frozen=True)
class ThrottleStatus:
    """What a response tells of the bucket, after the query was charged."""

    maximum: float
    available: float
    restore_rate: float


class PointBucket:
    """The points that may be spent now. It starts as the smallest bucket that the platform gives, and full."""

    def __init__(self, now: float, maximum: float = 2_000, restore_rate: float = 100) -> None:
        self._maximum = maximum
        self._rate = restore_rate
        self._available = maximum
        self._reserved = 0.0
        self._updated_at = now

    def compute_wait(self, cost: float, free_share: float, now: float) -> float:
        """Return the seconds until `cost` may be reserved while `free_share` of the bucket stays free; 0 is now.

        A cost that is larger than the rest of the bucket waits for a full one.
        """
        self._restore(now)
        needed = min(cost + free_share * self._maximum, self._maximum)
        return max(0.0, (needed - self._available) / self._rate)

    def compute_refill_wait(self, now: float) -> float:
        """Return the seconds until nine tenths of the bucket are available."""
        return self.compute_wait(0.9 * self._maximum, 0.0, now)

    def compute_remaining(self, now: float) -> float:
        """Return the share of the bucket that is available, from 0 to 1."""
        self._restore(now)
        return max(0.0, self._available / self._maximum)

    def reserve(self, cost: float, now: float) -> None:
        """Take the points of a query that is about to be sent."""
        self._restore(now)
        self._available -= cost
        self._reserved += cost

    def settle(self, cost: float, charged: float, now: float) -> None:
        """Return the points of a query that reserved `cost` and was charged `charged`."""
        self._restore(now)
        self._reserved -= cost
        self._available = min(self._maximum, self._available + cost - charged)

    def update(self, status: ThrottleStatus, now: float) -> None:
        """Adopt the platform's size and restore rate, and its level where it is lower than the level here."""
        self._restore(now)
        self._rate = max(status.restore_rate, 1.0)
        if status.maximum != self._maximum:
            self._maximum = status.maximum
            self._available = status.available - self._reserved
        self._available = min(self._available, status.available)

    def _restore(self, now: float) -> None:
        passed = max(0.0, now - self._updated_at)
        self._available = min(self._maximum, self._available + passed * self._rate)
        self._updated_at = max(self._updated_at, now)


@dataclass
class RateLimitState:
    """What a process has learned of one shop's rate limit. It is kept in memory, and losing it does no harm.

    `charges_per_id` is whether `nodes(ids:)` costs as much for each id as for one; batches are then smaller.
    """

    bucket: PointBucket
    charges_per_id: bool = False
    batch_limits: dict[str, int] = field(default_factory=dict)
    """By query, the highest number of ids at once, where fewer than MAX_IDS turned out to be right."""
    is_version_reported: bool = False

    def compute_batch_size(self, query: Query, variables: Variables) -> int:
        """Return how many ids to request at once."""
        limit = self.batch_limits.get(query.name, MAX_IDS)
        if not self.charges_per_id:
            return limit
        cost_per_id = max(1, query.compute_cost(variables) - 1)
        return max(1, min(limit, (TARGET_COST - 1) // cost_per_id))

    def estimate_cost(self, query: Query, variables: Variables) -> int:
        """Return the points that the query will request."""
        cost = query.compute_cost(variables)
        ids = len(variables.get("ids", ()))
        return 1 + ids * (cost - 1) if self.charges_per_id and ids else cost

    def learn_cost(self, query: Query, variables: Variables, requested: float) -> None:
        """Learn from the points that were requested: far more than the flat cost means that each id is charged."""
        if len(variables.get("ids", ())) > 1 and requested > query.compute_cost(variables) * 1.5:
            self.charges_per_id = True

    def reduce_batch_size(self, query: Query, ids: int) -> None:
        """Halve the batches of `query`, of which `ids` at once were too many."""
        self.batch_limits[query.name] = max(1, min(ids, self.batch_limits.get(query.name, MAX_IDS)) // 2)


class RateLimitStates:
    """The rate-limit states of all shops that this process has called."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._shops: dict[str, RateLimitState] = {}

    def get_state(self, shop: str) -> RateLimitState:
        """Return the state of `shop`, a new one where there is none."""
        if shop not in self._shops:
            self._shops[shop] = RateLimitState(PointBucket(self._now()))
        return self._shops[shop]

    def compute_remaining(self) -> float:
        """Return the available share of the emptiest bucket, from 0 to 1."""
        now = self._now()
        return min((state.bucket.compute_remaining(now) for state in self._shops.values()), default=1.0)
