"""A shop together with the state that Shopify keeps for it besides its records."""

from dataclasses import dataclass, field

from sandbox.shopify.background_work import BackgroundWork
from sandbox.shopify.bulk_operations import BulkOperations
from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe
from sandbox.shopify.grants import Grants
from sandbox.shopify.idempotency import IdempotentCall
from sandbox.shopify.rate_limit import LeakyBucket, get_restore_rate
from sandbox.shopify.shops import Shop
from sandbox.shopify.statistics import Statistics
from sandbox.shopify.webhooks import Subscriptions


@dataclass(slots=True)
class Tenant:
    """One shop with its records and all its other state.

    That is its recipe, its rate limit, the app's grants and webhook subscriptions, its faults, its statistics, the
    number of calls that the fault `hold_after_ids` makes wait now, its work in the background, its bulk operations, and
    the mutations that were executed with an idempotency key, by key.
    """

    recipe: Recipe
    shop: Shop
    bucket: LeakyBucket
    grants: Grants
    subscriptions: Subscriptions
    faults: Faults = field(default_factory=Faults)
    statistics: Statistics = field(default_factory=Statistics)
    held_calls: int = 0
    work: BackgroundWork = field(default_factory=BackgroundWork)
    bulk: BulkOperations = field(default_factory=BulkOperations)
    attempts: dict[str, IdempotentCall] = field(default_factory=dict)

    def apply_faults(self, faults: Faults) -> None:
        """Replace the faults, and with them the restore rate of the rate limit and the refused webhook topics."""
        self.faults = faults
        # The bucket is refilled up to now before its rate changes.
        self.bucket.measure_available()
        self.bucket.rate = faults.restore_rate or get_restore_rate(self.recipe.plan)
        self.subscriptions.refused_topics = frozenset(faults.refuse_topics)
