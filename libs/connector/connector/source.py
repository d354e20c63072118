"""The interface that each fetcher implements (`Source`), and what a source yields while it reads.

A source yields batches of records, unreadable records, checkpoints, lists of ids, and the ends of id ranges and of full
reads.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from contracts.events import MAX_STATE_BYTES, Record, RecordIds
from platform_sdk.session import SyncContext


@dataclass(frozen=True)
class RecordBatch:
    """Records that the platform returned together: those of the requested `resource`, and their child records.

    `id_range` is the number of the id range (a part of a full read) to which they belong; `attempt` is the number of
    the attempt at reading this range.
    """

    resource: str
    records: tuple[Record, ...]
    id_range: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class UnreadableRecord:
    """A record that could not be read, by its resource and id. It is not a tombstone: the record may well exist.

    It fails the requests that name it. A record that certainly exists and has a form that cannot be read is none of
    these, but a `Record` with the reason in `unreadable`.
    """

    resource: str
    id: str
    reason: str
    retryable: bool = False
    """Whether requesting the record again can help."""


@dataclass(frozen=True)
class Checkpoint:
    """A point at which a read can stop: everything before it was yielded, and a later read continues from `cursor`.

    Handlers end a read early only at a checkpoint.
    """

    cursor: str


@dataclass(frozen=True)
class IdList:
    """The ids that the platform lists in a part of an id range, as evidence that nothing of the range is missing.

    The fields mean the same as in `contracts.events.IdsListed`.
    """

    resource: str
    id_range: int
    attempt: int
    after: str
    up_to: str | None
    ids: tuple[str, ...]
    count: int | None = None
    is_repeated: bool = False


@dataclass(frozen=True)
class RangeEnd:
    """The end of one id range, a part of a full read that is checked for completeness as a whole.

    The fields mean the same as in `contracts.events.RangeCompleted`.
    """

    resource: str
    id_range: int
    attempt: int
    retry_cursor: str
    sent_count: int
    count_before: int | None = None
    count_after: int | None = None
    has_lists: bool = False
    after: str = ""
    up_to: str | None = None


@dataclass(frozen=True)
class FullReadEnd:
    """The end of a full read. The fields mean the same as in `contracts.events.FullReadCompleted`.

    `state` becomes the next full sync's `SyncContext.previous`. By it the next full sync finds every record that the
    platform then has otherwise than this read has listed it. So it is either a mark that never comes back (a position
    in a log, a counter of changes), taken before the first record is requested; or a checksum of exactly what this read
    has listed. A checksum of the whole platform will not do: it is the same again after a record has come and gone
    while the others were read. The state also says what else decides how records look, such as a version of the
    mapping. It holds no secret.

    A read that continues the full sync of `SyncContext.previous` names it in `continues`, and has a `retry_cursor`. It
    lists what has changed since then: perhaps nothing, in no id range.

    Raises ValueError for a state that cannot be stored, and for `continues` without a `retry_cursor`.
    """

    id_ranges: tuple[tuple[str, int], ...]
    started_at: int
    child_resources: tuple[str, ...] = ()
    skipped_resources: dict[str, str] = field(default_factory=dict)
    state: str | None = None
    continues: UUID | None = None
    retry_cursor: str = ""

    def __post_init__(self) -> None:
        if self.state is not None and (len(self.state.encode()) > MAX_STATE_BYTES or "\0" in self.state):
            raise ValueError(f"a state has at most {MAX_STATE_BYTES} bytes of UTF-8, and no NUL")
        if self.continues is not None and not self.retry_cursor:
            raise ValueError("a full read that continues another one needs a cursor with which everything is read")


IncrementalReadStep = RecordBatch | UnreadableRecord | Checkpoint
FullReadStep = RecordBatch | IdList | RangeEnd | FullReadEnd | Checkpoint


class Source(Protocol):
    """Reads the records of a platform. Each fetcher implements this protocol.

    `read_records` and `read_all` are generators. After the last step a generator ends without yielding a `Checkpoint`.
    Between two steps it may raise `RetryLaterError` when the read must wait, `PermanentError` when it cannot succeed,
    and `ConnectionEndedError` when the merchant's connection has no valid grant any more.
    """

    def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read the records with these ids. `cursor` is from a checkpoint of an earlier read of the same ids, or None.

        When the platform answers that an id does not exist, the source yields a record without a body (a tombstone).
        Records that an earlier attempt found to be permanently unreadable are yielded as unreadable again.
        """
        ...

    def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Read all records of the connection in `context`, or what has changed since its `previous` full sync.

        `cursor` is from a checkpoint of an earlier step of the same full sync, or is a retry cursor of it; None starts
        from the beginning. All steps have the same `previous`, also one that begins at a retry cursor.
        """
        ...

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return the share of each rate limit that remains now, from 0 to 1, by the name of the rate limit.

        Where each account has its own limit, the share is the lowest among the accounts.
        """
        ...
