"""The effect of one batch of events of a connection, and the events that report it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import DataStored, RecordIds, SyncResult, SyncTotals
from spaces_writer.versions import DispositionCounts

if TYPE_CHECKING:
    from spaces_writer.store.connections import ConnectionRow


@dataclass
class IngestedBatch:
    """What a batch has done so far. `row` is the connection's row as it was before the batch."""

    row: "ConnectionRow"
    is_full_read: bool = False
    """Whether a full read published it: only full reads renew volatile fields alone."""
    has_changes: bool = False
    """Whether the snapshot differs after this batch."""
    pages: int = 0
    counts: DispositionCounts = field(default_factory=DispositionCounts)
    """Dispositions of the records of the pages' own resources."""
    open_reads: set[UUID] = field(default_factory=set)
    """Reads without a final result, whose totals are to be published."""
    results: list[SyncResult] = field(default_factory=list)
    verifications: list[tuple[UUID, RecordIds]] = field(default_factory=list)
    """Records to read directly, each with the id of the sync that reads them."""
    guard_reason: str | None = None

    def build_events(self, sequence: int, totals: Sequence[SyncTotals]) -> list[DataStored]:
        """Build the events that report the batch. `sequence` is the connection's number after it."""
        name, epoch = self.row.connection, self.row.epoch
        events = [
            DataStored(
                connection=name, epoch=epoch, sequence=sequence, records_to_verify=ids, verification_id=verification_id
            )
            for verification_id, ids in self.verifications
        ]
        if self.results or totals or self.guard_reason:
            events.append(
                DataStored(
                    connection=name,
                    epoch=epoch,
                    sequence=sequence,
                    totals=tuple(totals),
                    results=tuple(self.results),
                    guard_reason=self.guard_reason,
                )
            )
        return events
