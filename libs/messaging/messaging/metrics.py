"""The Prometheus metrics of a service's consumers."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from messaging.keyed_consumer import KeyedConsumer


class ConsumerMetrics(Collector):
    """Exports the number of dead letters of each consumer group, also when the number is zero."""

    def __init__(self, consumers: Sequence[KeyedConsumer[Any]]) -> None:
        self._consumers = consumers

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter of dead letters. Prometheus's registry calls this at each scrape."""
        description = "Messages that could not be handled and were dead-lettered, by the group that gave up."
        dead_letters = CounterMetricFamily("merchant_sync_dead_letters", description, labels=("group",))
        for consumer in self._consumers:
            dead_letters.add_metric((consumer.group,), consumer.dead_letter_count)
        yield dead_letters
