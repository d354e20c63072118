"""What a fetcher implements, a `Source`, and the steps that it yields while it reads."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from contracts.events import Record, RecordIds
from platform_sdk.session import SyncContext


@dataclass(frozen=True)
class RecordBatch:
    """Records of `resource`, the one that was requested or listed, with the child records that came with them."""

    resource: str
    records: tuple[Record, ...]
    id_range: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class UnreadableRecord:
    """An id that could not be read, which does not mean that its record is deleted."""

    resource: str
    id: str
    reason: str
    retryable: bool = False
    """Whether requesting it again can help."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything yielded so far is complete; the rest continues from `cursor`. Handlers stop at checkpoints only."""

    cursor: str


@dataclass(frozen=True)
class RangeEnd:
    """The end of one id range; fields as in `contracts.events.RangeCompleted`."""

    resource: str
    id_range: int
    attempt: int
    retry_cursor: str
    sent_count: int
    count_before: int | None = None
    count_after: int | None = None


@dataclass(frozen=True)
class FullReadEnd:
    """The end of a full read; fields as in `contracts.events.FullReadCompleted`."""

    id_ranges: tuple[tuple[str, int], ...]
    started_at: int
    child_resources: tuple[str, ...] = ()
    skipped_resources: dict[str, str] = field(default_factory=dict)


IncrementalReadStep = RecordBatch | UnreadableRecord | Checkpoint
FullReadStep = RecordBatch | RangeEnd | FullReadEnd | Checkpoint


class Source(Protocol):
    """What a fetcher implements. At the very end no Checkpoint is yielded: the generator is simply exhausted.

    Both generators may raise RetryLaterError, PermanentError or ConnectionEndedError between two steps.
    """

    def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read these records directly, from the start or from the checkpoint of an earlier attempt at the same ids.

        An id that the platform answers as absent, without an error, is a record without a body. Records that earlier
        attempts could not read for good are yielded as unreadable again.
        """
        ...

    def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Read everything from `cursor`; the generator ends with the full read."""
        ...

    def measure_budget(self) -> dict[str, float]:
        """Return, by kind of rate limit, the share that remains now, from 0 to 1: where accounts have one each, the
        lowest."""
        ...
