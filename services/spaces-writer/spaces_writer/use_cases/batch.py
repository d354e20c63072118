"""What one batch of events from fetchers has changed in the stored data, and the events that report this."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import DataStored, RecordIds, SyncResult, SyncTotals
from spaces_writer.versions import DispositionCounts

if TYPE_CHECKING:
    from spaces_writer.store.connections import ConnectionRow


@dataclass(frozen=True)
class Verification:
    """Records that the sync `verification_id` must read directly, but not before `not_before` (ms, None: at once)."""

    verification_id: UUID
    records: RecordIds
    not_before: int | None = None


@dataclass
class IngestedBatch:
    """What has been stored and decided so far while a batch of events from fetchers is handled.

    All events of the batch belong to one connection. `row` is the connection's row as it was before the batch.
    """

    row: "ConnectionRow"
    is_full_read: bool = False
    """Whether the events come from full reads. Only these renew the volatile fields of unchanged records."""
    pages: int = 0
    counts: DispositionCounts = field(default_factory=DispositionCounts)
    """What became of the records. Child records on a page of another resource are not counted."""
    open_reads: set[UUID] = field(default_factory=set)
    """Ids of the reads without a final result. Their totals are published after the batch."""
    results: list[SyncResult] = field(default_factory=list)
    verifications: list[Verification] = field(default_factory=list)
    sequence: int = field(init=False)
    """The connection's sequence number after what the batch has changed so far. Each changed record takes a number."""

    def __post_init__(self) -> None:
        self.sequence = self.row.sequence

    @property
    def has_changes(self) -> bool:
        """Whether the batch changes a record or what the connection's snapshot shows."""
        return self.sequence > self.row.sequence

    def build_events(self, totals: Sequence[SyncTotals]) -> list[DataStored]:
        """Build the events that report to other services what the batch has stored and decided.

        `totals` are the counts of pages and records of the reads without a final result.
        """
        name, epoch = self.row.connection, self.row.epoch
        events = [
            DataStored(
                connection=name,
                epoch=epoch,
                sequence=self.sequence,
                records_to_verify=verification.records,
                verification_id=verification.verification_id,
                verify_not_before=verification.not_before,
            )
            for verification in self.verifications
        ]
        if self.results or totals:
            events.append(
                DataStored(
                    connection=name,
                    epoch=epoch,
                    sequence=self.sequence,
                    totals=tuple(totals),
                    results=tuple(self.results),
                )
            )
        return events
