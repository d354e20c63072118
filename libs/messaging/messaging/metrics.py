"""The Prometheus metrics of a service's consumers."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from messaging.keyed_consumer import KeyedConsumer


class ConsumerMetrics(Collector):
    """Exports the lag and the number of dead letters of each consumer group, also when the number is zero."""

    def __init__(self, consumers: Sequence[KeyedConsumer[Any]]) -> None:
        self._consumers = consumers

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the counter of dead letters and the gauge of the lag. Prometheus's registry calls this at a scrape."""
        description = "Messages that could not be handled and were dead-lettered, by the group that gave up."
        dead_letters = CounterMetricFamily("merchant_sync_dead_letters", description, labels=("group",))
        description = "Messages that a group has not finished, in the partitions of this process."
        lag = GaugeMetricFamily("merchant_sync_consumer_lag", description, labels=("group",))
        for consumer in self._consumers:
            lag.add_metric((consumer.group,), consumer.lag)
            dead_letters.add_metric((consumer.group,), consumer.dead_letter_count)
        yield dead_letters
        yield lag
