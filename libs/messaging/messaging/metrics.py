"""What consuming shows to an operator: how much of it could not be handled."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from messaging.keyed_consumer import KeyedConsumer


class ConsumerMetrics(Collector):
    """The dead letters of a service's intakes, by group: there at zero before the first."""

    def __init__(self, intakes: Sequence[KeyedConsumer[Any]]) -> None:
        self._intakes = intakes

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read off the intakes when they are asked for."""
        said = "Messages that could not be handled and were dead-lettered, by the group that gave up."
        letters = CounterMetricFamily("merchant_sync_dead_letters", said, labels=("group",))
        for intake in self._intakes:
            letters.add_metric((intake.group,), intake.dead_letter_count)
        yield letters
