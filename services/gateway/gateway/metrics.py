"""The gateway's metrics, summed over its processes: webhook deliveries by topic and outcome, and token refreshes."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry

from service.shared_counters import CounterRow, Family, SharedCounters

WEBHOOKS = "merchant_sync_webhooks"
TOKENS = "merchant_sync_token_refreshes"
OTHER = "other"
"""The label for all unknown topics. A sender can claim any topic, so unknown ones must not become labels."""
OUTCOMES = ("requested", "handled", "dropped", "held", "refused")
REFRESHED, REAUTHORISE, AWAY = "refreshed", "reauthorise", "away"

CountDelivery = Callable[[str, str], None]
"""Counts a delivery. Arguments: its topic, and its outcome in the words of the log."""
CountRefresh = Callable[[str, str], None]
"""Counts an attempt to replace a token. Arguments: the platform's slug, and `REFRESHED`, `REAUTHORISE` or `AWAY`."""


def get_outcome_label(outcome: str) -> str:
    """Return the metric's label for the outcome of a delivery, as it is logged.

    It is the first word of the outcome if that is one of `OUTCOMES`, otherwise `handled`. Deliveries that the gateway
    executes itself, such as an uninstall, are logged in other words and count as `handled`.
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
        """Return the function that counts the deliveries of `platform`. The webhook handler calls it once for each."""
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
        """Count an attempt to replace a token of `platform`. `outcome` is `REFRESHED`, `REAUTHORISE` or `AWAY`."""
        self._counters.increment(TOKENS, platform, outcome)


def create_metrics(topics: Mapping[str, Collection[str]], processes: int) -> list[GatewayMetrics]:
    """Return one `GatewayMetrics` for each of `processes` processes. Call this before the processes are forked.

    `topics` are the known webhook topics by platform.
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
