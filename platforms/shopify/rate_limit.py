"""Models the rate limit of a shop, which is a leaky bucket of points, and the cost of queries.

The process keeps a copy of the platform's bucket, so that queries wait for points instead of being throttled. The
points that a query will request are reserved when the query is sent. When its response arrives, the points that were
not charged are returned to the copy. Responses may arrive out of order. So a level that a response reports may lower
the level of the copy, but never raises it. All times are in seconds.

Full and incremental syncs share the bucket, and neither can use up what the other one needs. Full syncs leave half of
the bucket free for incremental syncs. While a full sync is under way, half of the points that are restored are kept for
it, up to half of the bucket, and incremental syncs leave these free.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_sdk.session import FULL

FULL_SYNC_SHARE = 0.5
"""The share of a bucket, and of the points that are restored in it, that can be kept for full syncs."""
CLAIM_SECONDS = 120.0
"""How long after a full sync's last query points are kept for the next one: longer than a full sync is postponed."""
TARGET_COST = 500
"""The most points that a batch may cost when each id is charged: half of what the platform allows for one query.

It is no more than that because full syncs must leave half of the bucket free."""
MAX_IDS = 250
"""The most ids that the platform accepts in `nodes(ids:)`."""
MIN_SLOW_IDS = 25
"""Slowness makes batches no smaller than this while batches of this size succeed: smaller ones cost more points."""
MAX_SMALL_FAILURES = 2
"""After this many failures in a row of batches of MIN_SLOW_IDS or fewer ids, batches become smaller still."""
SUCCESSES_PER_STEP = 5
"""After this many full batches in a row, batches that slowness made smaller are doubled."""
MAX_REQUIRED_SUCCESSES = 320
"""The most full batches in a row that doubling may require. It requires more where a doubled size has failed."""
MAX_QUERY_COST = 1_000
"""The most points that Shopify allows for one query."""

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """A GraphQL query: the name of its operation, and its text."""

    name: str
    text: str
    compute_cost: Callable[[Variables], int] = field(repr=False, compare=False)
    """Returns the points that the query requests with these variables when `nodes(ids:)` is charged once."""


@dataclass(frozen=True)
class ThrottleStatus:
    """The state of the platform's bucket, in points, after a query was charged. `restore_rate` is points per second."""

    maximum: float
    available: float
    restore_rate: float


@dataclass(frozen=True)
class Reservation:
    """The `cost` that is reserved for a query under way. `kept` of its points are from those kept for full syncs."""

    cost: float
    kept: float


class PointBucket:
    """A copy of a shop's bucket of rate limit points. It starts full, with the smallest size that Shopify gives."""

    def __init__(self, now: float, maximum: float = 2_000, restore_rate: float = 100) -> None:
        self._maximum = maximum
        self._rate = restore_rate
        self._available = maximum
        self._reserved = 0.0
        self._kept = 0.0
        self._claimed_until = now
        self._updated_at = now

    def claim_full_sync_share(self, now: float) -> None:
        """Keep a part of the points that are restored for full syncs from now on, for CLAIM_SECONDS."""
        self._restore(now)
        self._claimed_until = now + CLAIM_SECONDS

    def compute_wait(self, cost: float, mode: str, now: float) -> float:
        """Return the seconds until a query of a sync of `mode` (INCREMENTAL or FULL) can reserve `cost` points.

        Incremental syncs leave the points free that are kept for full syncs. A full sync takes these, or else leaves
        the incremental syncs' half of the bucket free. A cost that never fits beside what must stay free waits until
        the bucket is full.
        """
        self._restore(now)
        if mode == FULL:
            return min(self._wait_for(cost + self._full_sync_half), self._wait_for_kept(cost))
        return self._wait_for_unkept(cost)

    def compute_refill_wait(self, now: float) -> float:
        """Return the seconds until 90 % of the bucket is available."""
        self._restore(now)
        return self._wait_for(0.9 * self._maximum)

    def compute_remaining(self, now: float) -> float:
        """Return the share of the bucket that is available, from 0 to 1."""
        self._restore(now)
        return max(0.0, self._available / self._maximum)

    def reserve(self, cost: float, mode: str, now: float) -> Reservation:
        """Subtract the points of a query that is about to be sent by a sync of `mode`, and return what was reserved."""
        self._restore(now)
        kept = min(cost, self._kept) if mode == FULL else 0.0
        self._available -= cost
        self._reserved += cost
        self._kept -= kept
        return Reservation(cost, kept)

    def settle(self, reservation: Reservation, charged: float, now: float) -> None:
        """End the reservation for a query that was charged `charged` points. Restores the difference."""
        self._restore(now)
        self._reserved -= reservation.cost
        self._available = min(self._maximum, self._available + reservation.cost - charged)
        self._kept = min(self._full_sync_half, self._kept + max(0.0, reservation.kept - charged))

    def update(self, status: ThrottleStatus, now: float) -> None:
        """Take over what Shopify reports of the bucket: its size and restore rate, and fewer available points.

        A greater number of available points is taken over only when the size has changed, because calls that are still
        under way may have used them.
        """
        self._restore(now)
        self._rate = max(status.restore_rate, 1.0)
        if status.maximum != self._maximum:
            self._maximum = status.maximum
            self._available = status.available - self._reserved
        self._available = min(self._available, status.available)
        self._kept = max(0.0, min(self._kept, self._available))

    @property
    def _full_sync_half(self) -> float:
        """The most points that are kept for full syncs; full syncs leave as many to incremental ones."""
        return FULL_SYNC_SHARE * self._maximum

    def _wait_for(self, level: float) -> float:
        """Return the seconds until `level` points are available, or until the bucket is full."""
        return max(0.0, (min(level, self._maximum) - self._available) / self._rate)

    def _wait_for_kept(self, cost: float) -> float:
        """Return the seconds until `cost` points are kept for full syncs, and available."""
        missing = min(cost, self._full_sync_half) - self._kept
        return max(self._wait_for(cost), missing / (FULL_SYNC_SHARE * self._rate))

    def _wait_for_unkept(self, cost: float) -> float:
        """Return the seconds until `cost` points are available beside those that are kept for full syncs."""
        missing = cost + self._kept - self._available
        if self._updated_at >= self._claimed_until:
            return max(0.0, missing / self._rate)
        # What is kept grows as well, until it is half of the bucket.
        beside_half = self._wait_for(cost + self._full_sync_half)
        return max(0.0, min(missing / ((1 - FULL_SYNC_SHARE) * self._rate), beside_half))

    def _restore(self, now: float) -> None:
        passed = max(0.0, now - self._updated_at)
        claimed = max(0.0, min(now, self._claimed_until) - self._updated_at)
        self._available = min(self._maximum, self._available + passed * self._rate)
        self._kept = min(self._full_sync_half, self._kept + claimed * self._rate * FULL_SYNC_SHARE)
        self._updated_at = max(self._updated_at, now)
        if self._updated_at >= self._claimed_until:
            self._kept = 0.0


@dataclass
class SlowLimit:
    """The most ids that one query may request while a shop responds slowly: the batch size `ids`.

    `successes` counts the batches of this size that have succeeded in a row, `failures` those of a small size that have
    failed. After `required` successes the size is doubled. `is_doubled` says that this size is the result of that.
    """

    ids: int
    required: int
    successes: int = 0
    failures: int = 0
    is_doubled: bool = False

    def get_next_required(self) -> int:
        """Return how many successes the next smaller batch size needs before it is doubled.

        They are twice as many (at most MAX_REQUIRED_SUCCESSES) if this size came from doubling, which was too early.
        """
        return min(self.required * 2, MAX_REQUIRED_SUCCESSES) if self.is_doubled else self.required


@dataclass
class RateLimitState:
    """What this process has learned about one shop's rate limit. It is not stored, and learned again after a restart.

    `charges_per_id` says whether Shopify charges a query of `nodes(ids:)` for each id, not once. The batches of ids in
    one query are smaller when it does.
    """

    bucket: PointBucket
    charges_per_id: bool = False
    batch_limits: dict[str, int] = field(default_factory=dict)
    """The most ids in one query, by the query's name, for queries that cost too much with MAX_IDS."""
    slow_limits: dict[str, SlowLimit] = field(default_factory=dict)
    """The limits because of slow answers, by the query's name."""
    cost_factors: dict[str, float] = field(default_factory=dict)
    """By how much a query requests more points than computed, by the query's name, where responses have said so."""
    is_version_reported: bool = False

    def compute_batch_size(self, query: Query, variables: Variables) -> int:
        """Return how many ids to request in one query."""
        limit = self.batch_limits.get(query.name, MAX_IDS)
        if query.name in self.slow_limits:
            limit = min(limit, self.slow_limits[query.name].ids)
        if not self.charges_per_id:
            return limit
        factor = self.cost_factors.get(query.name, 1.0)
        cost_per_id = max(1, math.ceil((query.compute_cost(variables) - 1) * factor))
        return max(1, min(limit, (TARGET_COST - 1) // cost_per_id))

    def estimate_cost(self, query: Query, variables: Variables) -> int:
        """Return the rate limit points that the query will probably request."""
        cost = self._compute_cost(query, variables)
        return max(cost, min(MAX_QUERY_COST, math.ceil(cost * self.cost_factors.get(query.name, 1.0))))

    def learn_cost(self, query: Query, variables: Variables, requested: float) -> None:
        """Learn what the query really costs. `requested` is the number of points that the response reports.

        Sets `charges_per_id` when the query requested far more points than if `nodes(ids:)` were charged once. If it
        still requested more than computed, the quotient is kept, and later estimates are multiplied by it.
        """
        if len(variables.get("ids", ())) > 1 and requested > query.compute_cost(variables) * 1.5:
            self.charges_per_id = True
        factor = requested / self._compute_cost(query, variables)
        if factor > 1.0:
            self.cost_factors[query.name] = factor
        else:
            self.cost_factors.pop(query.name, None)

    def reduce_batch_size(self, query: Query, ids: int) -> None:
        """Halve the batch size of `query`, because a query with `ids` ids cost too much."""
        self.batch_limits[query.name] = max(1, min(ids, self.batch_limits.get(query.name, MAX_IDS)) // 2)

    def record_slow_answer(self, query: Query, ids: int) -> None:
        """Halve the batch size of `query`, because a query with `ids` ids took long and failed.

        A query with at most MIN_SLOW_IDS ids changes nothing, because the number of its ids was not what took long.
        Only where batches are that small already, and fail again and again, they become smaller still.
        """
        limit = self.slow_limits.get(query.name)
        if ids > MIN_SLOW_IDS:
            smaller = max(MIN_SLOW_IDS, ids // 2)
            if limit is None or smaller < limit.ids:
                self.slow_limits[query.name] = SlowLimit(
                    smaller, limit.get_next_required() if limit else SUCCESSES_PER_STEP
                )
        elif limit is not None and ids >= limit.ids:
            limit.successes = 0
            limit.failures += 1
            if limit.failures == MAX_SMALL_FAILURES:
                self.slow_limits[query.name] = SlowLimit(max(1, limit.ids // 2), limit.get_next_required())

    def record_success(self, query: Query, ids: int) -> None:
        """Double the batch size that slowness has reduced, after enough full batches in a row."""
        limit = self.slow_limits.get(query.name)
        if limit is None or ids < limit.ids:
            return
        limit.failures = 0
        limit.successes += 1
        if limit.successes < limit.required:
            return
        if limit.ids < MAX_IDS:
            self.slow_limits[query.name] = SlowLimit(min(MAX_IDS, limit.ids * 2), limit.required, is_doubled=True)
        else:
            del self.slow_limits[query.name]

    def _compute_cost(self, query: Query, variables: Variables) -> int:
        cost = query.compute_cost(variables)
        ids = len(variables.get("ids", ()))
        return 1 + ids * (cost - 1) if self.charges_per_id and ids else cost


class RateLimitStates:
    """The rate-limit states of all shops that this process has called."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._shops: dict[str, RateLimitState] = {}

    def get_state(self, shop: str) -> RateLimitState:
        """Return the state of `shop`. Creates one when there is none."""
        if shop not in self._shops:
            self._shops[shop] = RateLimitState(PointBucket(self._now()))
        return self._shops[shop]

    def compute_remaining(self) -> float:
        """Return the available share of the emptiest bucket, from 0 to 1; 1 when no shop was called."""
        now = self._now()
        return min((state.bucket.compute_remaining(now) for state in self._shops.values()), default=1.0)
