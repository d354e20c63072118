"""The writer's metrics: records by what became of them, sync results, stopped deletions, uploads, the change feed."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import Upload, parse_platform
from spaces_writer.use_cases.batch import IngestedBatch

DISPOSITIONS = ("changed", "unchanged", "stale", "deleted")
SYNC_STATUSES = ("success", "failed", "incomplete", "cancelled")
UPLOAD_OUTCOMES = ("uploaded", "unchanged", "restored", "failed")
OUTCOMES_WITH_PUT = ("uploaded", "restored")


class WriterMetrics:
    """Counts what committed batches of events from fetchers have stored, and the outcomes of uploads of snapshots.

    If the process is killed after a commit, Kafka delivers the batch again. The batch is then counted twice, because
    its work is done twice.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def create_counter(name: str, description: str, *labels: str) -> Counter:
            return Counter(f"merchant_sync_{name}", description, ("platform", *labels), registry=registry)

        self._pages = create_counter("pages", "Pages of records stored.")
        self._records = create_counter(
            "records", "Records by disposition. Stale: refused, because a newer version is stored.", "outcome"
        )
        self._sync_results = create_counter("sync_results", "Results of syncs by status.", "outcome")
        self._deletions_guarded = create_counter(
            "deletions_guarded", "Full reads whose deletions the deletion guard stopped."
        )
        self._uploads = create_counter("uploads", "Snapshots by the outcome of their upload.", "outcome")
        self._upload_bytes = create_counter("upload_bytes", "Bytes of the snapshots put into the bucket.")
        self._feed_pages = create_counter("feed_pages", "Pages of the change feed published.")
        self._feed_changes = create_counter("feed_changes", "Changes of records published on the change feed.")
        self._feed_lag = Gauge(
            "merchant_sync_feed_lag_seconds",
            "Age of the oldest change that is not published on the change feed; 0 where another process publishes.",
            registry=registry,
        )
        self._platforms = set[str]()

    def count_batch(self, batch: IngestedBatch) -> None:
        """Count the pages, records and sync results of a committed batch of events."""
        platform = self._ensure_series(batch.row.connection)
        self._pages.labels(platform).inc(batch.pages)
        for disposition in DISPOSITIONS:
            self._records.labels(platform, disposition).inc(getattr(batch.counts, disposition))
        for result in batch.results:
            self._sync_results.labels(platform, result.status).inc()
            self._deletions_guarded.labels(platform).inc(result.guarded_deletions is not None)

    def count_upload(self, connection: str, upload: Upload) -> None:
        """Count the outcome of one upload, and its bytes if they were put into the bucket."""
        platform = self._ensure_series(connection)
        self._uploads.labels(platform, upload.outcome).inc()
        self._upload_bytes.labels(platform).inc(upload.bytes if upload.outcome in OUTCOMES_WITH_PUT else 0)

    def count_feed_page(self, connection: str, changes: int) -> None:
        """Count a published page of a change feed and its changes."""
        platform = self._ensure_series(connection)
        self._feed_pages.labels(platform).inc()
        self._feed_changes.labels(platform).inc(changes)

    def set_feed_lag(self, seconds: float) -> None:
        """Set the age of the oldest change that is not published."""
        self._feed_lag.set(seconds)

    def _ensure_series(self, connection: str) -> str:
        """Return the connection's platform, and export all series of a new platform as zero."""
        platform = parse_platform(connection)
        if platform not in self._platforms:
            self._platforms.add(platform)
            for counter in (
                self._pages,
                self._deletions_guarded,
                self._upload_bytes,
                self._feed_pages,
                self._feed_changes,
            ):
                counter.labels(platform)
            for counter, outcomes in (
                (self._records, DISPOSITIONS),
                (self._sync_results, SYNC_STATUSES),
                (self._uploads, UPLOAD_OUTCOMES),
            ):
                for outcome in outcomes:
                    counter.labels(platform, outcome)
        return platform
