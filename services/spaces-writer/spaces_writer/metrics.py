"""What the writer shows to an operator: what became of records, verdicts, braked removals, and what was uploaded."""

from prometheus_client import CollectorRegistry, Counter

from contracts.events import Upload, parse_platform
from spaces_writer.ingest import Ingested

RECORDS = ("changed", "unchanged", "stale", "removed")
VERDICTS = ("success", "failed", "incomplete", "cancelled")
UPLOADS = ("uploaded", "unchanged", "restored", "failed")
PUT = ("uploaded", "restored")


class Metrics:
    """Counts what is committed; what Kafka says again after a kill is counted again, because it was done again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, said: str, *labels: str) -> Counter:
            return Counter(f"merchant_sync_{name}", said, ("platform", *labels), registry=registry)

        self._pages = counter("pages", "Pages of records taken.")
        self._records = counter("records", "Records by what became of them; stale: refused as older.", "outcome")
        self._verdicts = counter("verdicts", "Verdicts given on walks and fetches.", "outcome")
        self._braked = counter("removals_braked", "Walks that nominated too much, so that nothing was removed.")
        self._uploads = counter("uploads", "Snapshots composed, by what became of them.", "outcome")
        self._bytes = counter("upload_bytes", "Bytes of the snapshots that were put into the bucket.")
        self._known = set[str]()

    def ingested(self, batch: Ingested) -> None:
        """Count what a batch did."""
        platform = self._platform(batch.known.connection)
        self._pages.labels(platform).inc(batch.pages)
        for outcome in RECORDS:
            self._records.labels(platform, outcome).inc(getattr(batch.counts, outcome))
        for verdict in batch.verdicts:
            self._verdicts.labels(platform, verdict.status).inc()
        self._braked.labels(platform).inc(batch.braked is not None)

    def composed(self, connection: str, upload: Upload) -> None:
        """Count what became of a compose."""
        platform = self._platform(connection)
        self._uploads.labels(platform, upload.outcome).inc()
        self._bytes.labels(platform).inc(upload.bytes if upload.outcome in PUT else 0)

    def _platform(self, connection: str) -> str:
        """The connection's platform, all of whose series are there, at zero, from the first time that it is met."""
        platform = parse_platform(connection)
        if platform not in self._known:
            self._known.add(platform)
            for plain in (self._pages, self._braked, self._bytes):
                plain.labels(platform)
            for counter, outcomes in ((self._records, RECORDS), (self._verdicts, VERDICTS), (self._uploads, UPLOADS)):
                for outcome in outcomes:
                    counter.labels(platform, outcome)
        return platform
