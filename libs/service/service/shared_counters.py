"""Prometheus counters of a service that runs as several processes. The counters are integers in shared memory.

A scrape by Prometheus reaches one of the processes and must show the counts of all processes. The memory is allocated
before the processes are forked. It has one row per process, to which only this process writes; a scrape adds up the
rows. All series (combinations of label values) are declared in advance, so that incrementing is an addition at a fixed
index, and each series is shown from the start, with the value 0.

The multiprocess mode of prometheus_client is not used, because it needs a writable folder, which a read-only container
does not have, and reads the environment at import.
"""

import mmap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

COUNTER_BYTES = 8


class Family(NamedTuple):
    """A counter: its name without `_total`, its help text, its label names, and the label values of each series."""

    name: str
    help: str
    labels: tuple[str, ...]
    series: Sequence[tuple[str, ...]]


class SharedCounters(Collector):
    """The counters of all processes of a service. Create this object before the processes are forked."""

    def __init__(self, families: Sequence[Family], processes: int) -> None:
        self._families = families
        keys = [(family.name, *values) for family in families for values in family.series]
        self._indexes = {key: index for index, key in enumerate(keys)}
        width = len(keys) * COUNTER_BYTES
        memory = memoryview(mmap.mmap(-1, width * processes))
        self._rows = [memory[width * row : width * (row + 1)].cast("Q") for row in range(processes)]

    def create_rows(self) -> list["CounterRow"]:
        """Return for each process the row with its counters, to which only this process may write."""
        return [CounterRow(self._indexes, row) for row in self._rows]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield all counters, each summed over all processes. Prometheus's registry calls this at each scrape."""
        for name, description, labels, series in self._families:
            metric = CounterMetricFamily(name, description, labels=labels)
            for values in series:
                index = self._indexes[(name, *values)]
                metric.add_metric(values, sum(row[index] for row in self._rows))
            yield metric


class CounterRow:
    """The counters of one process. Only that process may increment them."""

    def __init__(self, indexes: dict[tuple[str, ...], int], row: "memoryview[int]") -> None:
        self._indexes = indexes
        self.row = row
        """The counts by index (see `get_index`). Incrementing a count here is faster than calling `increment`."""

    def get_index(self, family: str, *values: str) -> int:
        """Return the index of a counter in `row`: that of the metric `family` with the label values `values`."""
        return self._indexes[(family, *values)]

    def increment(self, family: str, *values: str) -> None:
        """Add one to the counter of the metric `family` with the label values `values`."""
        self.row[self._indexes[(family, *values)]] += 1
