"""Metrics of the gateway, over all of its processes: deliveries by topic and outcome, and replaced tokens."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry

from service.shared_counters import CounterRow, Family, SharedCounters

WEBHOOKS = "merchant_sync_webhooks"
TOKENS = "merchant_sync_token_refreshes"
OTHER = "other"
"""Stands for every unknown topic: a sender can name any."""
OUTCOMES = ("requested", "handled", "dropped", "held", "refused")
REFRESHED, REAUTHORISE, AWAY = "refreshed", "reauthorise", "away"

CountDelivery = Callable[[str, str], None]
"""Counts a delivery by its topic and its outcome as in the log."""
CountRefresh = Callable[[str, str], None]
"""Counts a token that had to be replaced by its platform and the result: `REFRESHED`, `REAUTHORISE`, `AWAY`."""


def get_outcome_label(outcome: str) -> str:
    """Return the value of the label `outcome` for a delivery's outcome as in the log: its first word.

    What the gateway did at once has an outcome with words of its own, and is `handled`.
    """
    word = outcome.partition(" ")[0].removesuffix(":")
    return word if word in OUTCOMES else "handled"


class GatewayMetrics:
    """The counters of one process, and the registry that shows the sums of all processes."""

    def __init__(
        self, counters: CounterRow, registry: CollectorRegistry, topics: Mapping[str, Collection[str]]
    ) -> None:
        self.registry = registry
        self._counters = counters
        self._topics = topics

    def build_delivery_counter(self, platform: str) -> CountDelivery:
        """Return what counts the deliveries of `platform`. It is called for each of them."""
        # Indexes are looked up once, because the counter is on the path of every delivery.
        row = self._counters.row
        indexes = {
            topic: {label: self._counters.get_index(WEBHOOKS, platform, topic, label) for label in OUTCOMES}
            for topic in (*self._topics[platform], OTHER)
        }
        other_indexes = indexes[OTHER]

        def count(topic: str, outcome: str) -> None:
            row[indexes.get(topic, other_indexes)[get_outcome_label(outcome)]] += 1

        return count

    def count_refresh(self, platform: str, outcome: str) -> None:
        """As `CountRefresh`."""
        self._counters.increment(TOKENS, platform, outcome)


def create_metrics(topics: Mapping[str, Collection[str]], processes: int) -> list[GatewayMetrics]:
    """Return metrics for each of so many processes, to be created before they are forked.

    `topics` are the known topics by platform.
    """
    webhooks = [
        (platform, topic, label)
        for platform, names in topics.items()
        for topic in (*sorted(names), OTHER)
        for label in OUTCOMES
    ]
    refreshes = [(platform, outcome) for platform in topics for outcome in (REFRESHED, REAUTHORISE, AWAY)]
    families = [
        Family(
            WEBHOOKS,
            "Webhook deliveries: requested (in Kafka), handled (done at once), dropped (asks for nothing), "
            "held (answered 503, comes again), refused (answered 4xx).",
            ("platform", "topic", "outcome"),
            webhooks,
        ),
        Family(
            TOKENS,
            "Access tokens that had to be replaced: refreshed, reauthorise (the merchant has to sign in again), "
            "away (the platform did not answer).",
            ("platform", "outcome"),
            refreshes,
        ),
    ]
    shared, registry = SharedCounters(families, processes), CollectorRegistry()
    registry.register(shared)
    return [GatewayMetrics(counters, registry, topics) for counters in shared.create_rows()]
