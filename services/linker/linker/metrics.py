"""The linker's metrics: links and pairs by state, and how far behind the plans are."""

from dataclasses import dataclass, field

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

LINK_STATES = ("reading", "draft", "active", "paused")
PAIR_STATES = ("linked", "unlinked", "conflict", "held", "error")


@dataclass(frozen=True)
class LinkCounts:
    """What the gauges show of all links together."""

    links: dict[str, int] = field(default_factory=dict)
    """The number of links by state, without those that have ended."""
    pairs: dict[str, int] = field(default_factory=dict)
    """The number of pairs of products by state."""
    unmatchable: int = 0
    """The number of problems for which records could not be matched."""
    oldest_unplanned_seconds: float = 0.0
    """How long ago the oldest change was stored that is in no plan yet."""
    oldest_unwritten_seconds: float = 0.0
    """How long ago the oldest write was requested that has not ended."""
    longest_reading_seconds: float = 0.0
    """For how long the read of a side has made no progress, at the most."""
    failing: int = 0
    """The number of active links of which the last sync has failed."""


class LinkerMetrics:
    """The metrics of one linker process.

    The gauges of every process show all links in the database. If there are several processes, take the maximum over
    them, not the sum.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._planned = prometheus.Counter(
            "merchant_sync_link_planned_pairs", "Pairs of products that were planned.", registry=registry
        )
        self._links = prometheus.Gauge("merchant_sync_links", "Links by state.", ("state",), registry=registry)
        self._pairs = prometheus.Gauge(
            "merchant_sync_link_pairs", "Pairs of products by state.", ("state",), registry=registry
        )
        self._unmatchable = prometheus.Gauge(
            "merchant_sync_link_unmatchable",
            "Problems for which records could not be matched, such as a key that two have.",
            registry=registry,
        )
        self._unplanned = prometheus.Gauge(
            "merchant_sync_link_unplanned_seconds",
            "Age of the oldest change of a linked record that is in no plan; 0 where there is none.",
            registry=registry,
        )
        self._unwritten = prometheus.Gauge(
            "merchant_sync_link_unwritten_seconds",
            "Age of the oldest write of an active link that has not ended; 0 where there is none.",
            registry=registry,
        )
        self._reading = prometheus.Gauge(
            "merchant_sync_link_reading_seconds",
            "For how long the read of a linked connection has made no progress; 0 where none is under way.",
            registry=registry,
        )
        self._failing = prometheus.Gauge(
            "merchant_sync_links_failing", "Active links of which the last sync has failed.", registry=registry
        )

    def record_planned(self, pairs: int) -> None:
        """Count pairs of products that were planned."""
        self._planned.inc(pairs)

    def set_gauges(self, counts: LinkCounts | None) -> None:
        """Set the gauges to `counts`. None means that the database could not be read, and removes all values."""
        for gauge in (self._links, self._pairs):
            gauge.clear()
        for single in (self._unmatchable, self._unplanned, self._unwritten, self._reading, self._failing):
            single.set(float("nan"))
        if counts is None:
            return
        for state in LINK_STATES:
            self._links.labels(state).set(counts.links.get(state, 0))
        for state in PAIR_STATES:
            self._pairs.labels(state).set(counts.pairs.get(state, 0))
        self._unmatchable.set(counts.unmatchable)
        self._unplanned.set(counts.oldest_unplanned_seconds)
        self._unwritten.set(counts.oldest_unwritten_seconds)
        self._reading.set(counts.longest_reading_seconds)
        self._failing.set(counts.failing)
