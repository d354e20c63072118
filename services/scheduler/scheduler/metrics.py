"""The scheduler's metrics: syncs by state, the age of the oldest, and how long webhooks take to reach the snapshot."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

from contracts.events import parse_platform

if TYPE_CHECKING:
    from scheduler.store.overview import LedgerCounts

MODES = ("incremental", "full")
FINAL_STATES = ("success", "failed", "cancelled")
BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass
class TransactionCounts:
    """What one database transaction adds to the metrics after its commit: finished syncs, and latencies of webhooks."""

    finished: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Number of finished syncs by platform, mode and state."""
    webhook_latencies: list[tuple[str, float]] = field(default_factory=list)
    """(platform, seconds from acceptance to upload) of each webhook whose change is in an uploaded snapshot."""

    def add_finished(self, connection: str, modes: Iterable[str], state: str) -> None:
        """Count one finished sync with the final `state` for each entry of `modes` (`incremental` or `full`)."""
        self.finished.update((parse_platform(connection), mode, state) for mode in modes)

    def add_webhook_latencies(self, connection: str, accepted: Sequence[datetime], stored_at: int) -> None:
        """Add the latencies of webhooks: the time from each webhook's acceptance to the upload of the changed snapshot.

        `accepted` are the times of acceptance. `stored_at` (ms) is the time of the upload that contains what the syncs
        of these webhooks read. A webhook that was accepted after this upload is not added: the uploaded snapshot
        contains its data already, so there is no latency to measure.
        """
        latencies = [stored_at / 1000 - moment.timestamp() for moment in accepted]
        self.webhook_latencies += [(parse_platform(connection), seconds) for seconds in latencies if seconds >= 0]


RecordCounts = Callable[[TransactionCounts], None]


class SchedulerMetrics:
    """The metrics of one scheduler process.

    The gauges of every process show all syncs and connections in the database. If there are several processes, take the
    maximum over them, not the sum. The series of all `platforms` exist from the start.
    """

    def __init__(self, registry: CollectorRegistry, platforms: Iterable[str]) -> None:
        self._platforms = tuple(platforms)
        self._finished = prometheus.Counter(
            "merchant_sync_syncs_ended", "Syncs that have ended.", ("platform", "mode", "state"), registry=registry
        )
        self._webhook_latency = prometheus.Histogram(
            "merchant_sync_webhook_to_snapshot_seconds",
            "From a webhook's acceptance until the snapshot that holds its change is stored.",
            ("platform",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._open = prometheus.Gauge(
            "merchant_sync_syncs_open", "Syncs that have not ended.", ("platform", "mode", "state"), registry=registry
        )
        self._oldest = prometheus.Gauge(
            "merchant_sync_oldest_unfinished_seconds",
            "Age of the oldest sync that has not ended; 0 where there is none.",
            ("platform", "mode"),
            registry=registry,
        )
        self._storing = prometheus.Gauge(
            "merchant_sync_syncs_storing",
            "Syncs whose data is stored, but in no uploaded snapshot yet.",
            ("platform",),
            registry=registry,
        )
        self._overdue = prometheus.Gauge(
            "merchant_sync_upload_overdue_seconds",
            "How long ago the upload of the snapshot or merchant's document that is longest behind was due; 0: none.",
            ("platform",),
            registry=registry,
        )
        self._connections = prometheus.Gauge(
            "merchant_sync_connections", "Connections by state.", ("platform", "state"), registry=registry
        )
        for platform in self._platforms:
            self._webhook_latency.labels(platform)
            for mode, state in ((mode, state) for mode in MODES for state in FINAL_STATES):
                self._finished.labels(platform, mode, state)

    def record_transaction(self, counts: TransactionCounts) -> None:
        """Add the counts of a committed transaction to the metrics."""
        for labels, syncs in counts.finished.items():
            self._finished.labels(*labels).inc(syncs)
        for platform, seconds in counts.webhook_latencies:
            self._webhook_latency.labels(platform).observe(seconds)

    def set_gauges(self, counts: "LedgerCounts | None") -> None:
        """Set the gauges to `counts`. None means that the database could not be read, and removes all values."""
        for gauge in (self._open, self._oldest, self._storing, self._overdue, self._connections):
            gauge.clear()
        if counts is None:
            return
        oldest = {(platform, mode): 0.0 for platform in self._platforms for mode in MODES}
        for syncs in counts.open_syncs:
            self._open.labels(syncs.platform, syncs.mode, syncs.state).set(syncs.syncs)
            oldest[syncs.platform, syncs.mode] = max(oldest.get((syncs.platform, syncs.mode), 0.0), syncs.age)
        for labels, age in oldest.items():
            self._oldest.labels(*labels).set(age)
        waiting = {uploads.platform: uploads for uploads in counts.waiting_uploads}
        documents = {one.platform: one.overdue for one in counts.overdue_documents}
        for platform in {*self._platforms, *waiting, *documents}:
            uploads = waiting.get(platform)
            self._storing.labels(platform).set(uploads.syncs if uploads else 0)
            self._overdue.labels(platform).set(max(uploads.overdue if uploads else 0, documents.get(platform, 0)))
        for connections in counts.connections:
            self._connections.labels(connections.platform, connections.state).set(connections.connections)
