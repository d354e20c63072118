"""A shop as the sandbox runs it: its records, and all that Shopify keeps around them."""

from dataclasses import dataclass, field

from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe
from sandbox.shopify.grants import Grants
from sandbox.shopify.rate_limit import Bucket, rate_of
from sandbox.shopify.shops import Shop
from sandbox.shopify.statistics import Statistics
from sandbox.shopify.webhooks import Subscriptions


@dataclass(slots=True)
class Tenant:
    """One shop with its app installation, its bucket, its faults and its figures."""

    recipe: Recipe
    shop: Shop
    bucket: Bucket
    grants: Grants
    subscriptions: Subscriptions
    faults: Faults = field(default_factory=Faults)
    statistics: Statistics = field(default_factory=Statistics)

    def misbehave(self, faults: Faults) -> None:
        """Put `faults` in the place of those that were."""
        self.faults = faults
        self.bucket.available()
        self.bucket.rate = faults.restore_rate or rate_of(self.recipe.plan)
        self.subscriptions.refused_topics = frozenset(faults.refuse_topics)
