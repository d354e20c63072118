"""What the gateway counts, in all of its processes: deliveries by topic and verdict, and tokens that were replaced."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry

from service.shared_counters import CounterRow, Family, SharedCounters

WEBHOOKS = "merchant_sync_webhooks"
TOKENS = "merchant_sync_token_refreshes"
OTHER = "other"
"""Stands for every topic that is not known: whoever POSTs can name any."""
VERDICTS = ("requested", "handled", "dropped", "held", "refused")
REFRESHED, REAUTHORISE, AWAY = "refreshed", "reauthorise", "away"

CountDelivery = Callable[[str, str], None]
"""Counts a delivery of a topic that came to this outcome, in the log's words."""
CountRefresh = Callable[[str, str], None]
"""Counts a token of this platform that had to be replaced: `REFRESHED`, `REAUTHORISE`, `AWAY`."""


def verdict_of(outcome: str) -> str:
    """The verdict with which an outcome begins; what was done at once has words of its own, and is `handled`."""
    word = outcome.partition(" ")[0].removesuffix(":")
    return word if word in VERDICTS else "handled"


class Metrics:
    """What one process counts, and the registry that shows what all have counted."""

    def __init__(self, counts: CounterRow, registry: CollectorRegistry, topics: Mapping[str, Collection[str]]) -> None:
        self.registry = registry
        self._counts = counts
        self._topics = topics

    def deliveries(self, platform: str) -> CountDelivery:
        """Counts the deliveries of `platform`; on the path of each of them."""
        row, counts = self._counts.row, self._counts
        places = {
            topic: {verdict: counts.get_index(WEBHOOKS, platform, topic, verdict) for verdict in VERDICTS}
            for topic in (*self._topics[platform], OTHER)
        }
        others = places[OTHER]

        def count(topic: str, outcome: str) -> None:
            row[places.get(topic, others)[verdict_of(outcome)]] += 1

        return count

    def refreshes(self, platform: str, outcome: str) -> None:
        """As `CountRefresh`."""
        self._counts.increment(TOKENS, platform, outcome)


def metrics_of(topics: Mapping[str, Collection[str]], processes: int) -> list[Metrics]:
    """Metrics for each of so many processes, to be made before they are forked. `topics`: those known, by platform."""
    webhooks = [
        (platform, topic, verdict)
        for platform, known in topics.items()
        for topic in (*sorted(known), OTHER)
        for verdict in VERDICTS
    ]
    refreshes = [(platform, outcome) for platform in topics for outcome in (REFRESHED, REAUTHORISE, AWAY)]
    families = [
        Family(
            WEBHOOKS,
            "Webhook deliveries: requested (in Kafka), handled (done at once), dropped (asks for nothing), "
            "held (answered 503, comes again), refused (answered 4xx).",
            ("platform", "topic", "verdict"),
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
    return [Metrics(counts, registry, topics) for counts in shared.create_rows()]
