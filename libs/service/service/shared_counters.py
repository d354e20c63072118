"""Counts of a service that runs as several processes: plain integers in memory that all of them share.

A scrape reaches one of the processes and has to see all. So the memory is made before they are forked, with a row for
each, which it alone writes to; whoever is asked adds the rows up. Every series is known beforehand, so a count is an
addition at a known place, and a series is there, at zero, before its first count. (prometheus_client's own way for many
processes wants a folder to write to, which a read-only root has not, and an environment read at import.)
"""

import mmap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

WORD = 8
"""Bytes of one count."""


class Family(NamedTuple):
    """A counter: its name without `_total`, what it says, its labels, and the label values of each series."""

    name: str
    help: str
    labels: tuple[str, ...]
    series: Sequence[tuple[str, ...]]


class SharedCounters(Collector):
    """The counters `families` of so many processes; to be made before these are forked."""

    def __init__(self, families: Sequence[Family], processes: int) -> None:
        self._families = families
        keys = [(family.name, *values) for family in families for values in family.series]
        self._places = {key: place for place, key in enumerate(keys)}
        width = len(keys) * WORD
        memory = memoryview(mmap.mmap(-1, width * processes))
        self._rows = [memory[width * row : width * (row + 1)].cast("Q") for row in range(processes)]

    def create_rows(self) -> list["CounterRow"]:
        """A row for each process."""
        return [CounterRow(self._places, row) for row in self._rows]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """All counters, over all processes."""
        for name, said, labels, series in self._families:
            metric = CounterMetricFamily(name, said, labels=labels)
            for values in series:
                place = self._places[(name, *values)]
                metric.add_metric(values, sum(row[place] for row in self._rows))
            yield metric


class CounterRow:
    """One process's row. Only that process may count in it."""

    def __init__(self, places: dict[tuple[str, ...], int], row: "memoryview[int]") -> None:
        self._places = places
        self.row = row
        """The counts by place, for who counts often."""

    def get_index(self, family: str, *values: str) -> int:
        """Where a series is counted."""
        return self._places[(family, *values)]

    def increment(self, family: str, *values: str) -> None:
        """Count one."""
        self.row[self._places[(family, *values)]] += 1
