"""Every event of the system: facts in the past tense, and requests.

Events are frozen and ignore unknown fields. Adding an optional field keeps an event's version; any other change is a
new topic. Fields named `*_at` are milliseconds since the epoch (UTC) unless they are typed `datetime`. No event holds
a token or a secret.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*:.+$", max_length=255)]
"""`platform:account`, e.g. `shop-platform:acme.example`. Any slug may be a platform."""

RecordIds = dict[str, tuple[str, ...]]
"""Record ids by resource, e.g. `{"products": ("101", "102")}`."""


def parse_platform(connection: str) -> str:
    """Return the platform's slug from a connection's name."""
    return connection.partition(":")[0]


def parse_account(connection: str) -> str:
    """Return the account at the platform from a connection's name."""
    return connection.partition(":")[2]


class Event(BaseModel):
    """The base of all events: frozen, and unknown fields are ignored, so that an added field breaks no consumer.

    A validation error names the field but never its value, because errors are logged and stored with dead letters.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ConnectionChanged(Event):
    """The full state of one connection. Published by the gateway; consumed by the scheduler and the spaces-writer.

    Idempotency key: (`connection`, `revision`). A consumer ignores a revision that is not higher than the one it has,
    which absorbs redelivery and reading the compacted topic from its beginning. In state `redacted` only the name and
    the epoch are set.
    """

    connection: ConnectionName
    revision: int
    """Rises with every change of the connection's row in the gateway."""
    epoch: int
    """Rises when the connection is uninstalled or redacted, not when a live connection is authorized again."""
    state: str
    """connected | reauthorise | uninstalled | redacted"""
    merchant: UUID | None = None
    object_key: str | None = None
    """Where the snapshot is stored in the bucket."""
    wanted_sync: UUID | None = None
    """Id of the full sync that the gateway requests. The scheduler starts each id once."""
    wanted_cause: str = "connect"
    """Why that sync is requested: connect | manual"""
    scopes: tuple[str, ...] = ()
    """The granted scopes. `write_x` includes `read_x`."""


class SyncRequested(Event):
    """Request to read these records now (incremental sync). Published by the gateway for webhooks and by the scheduler;
    consumed by the platform's fetcher and by the scheduler.

    Idempotency key: `sync_id`, derived from the webhook's id, so that a webhook delivered twice is one sync.
    A request with cause `probe` tests the way from the webhook address to Kafka; no records are read for it.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: int
    cause: str
    """webhook | manual | retry | postponed | reconcile | probe"""
    records: RecordIds
    requested_at: int
    coalesced_sync_ids: tuple[UUID, ...] = ()
    """Further syncs that were coalesced into this request. Each ends with the result of `sync_id`."""
    cursor: str | None = None
    """Where to continue inside a chunked record. Only the fetcher that wrote it can read it."""
    attempt: int = 1
    topic: str | None = None
    """The platform's webhook topic, for logs and metrics."""


class FullSyncStepRequested(Event):
    """Request to run step N of a full sync from this cursor (None: from the start). Published by the scheduler.

    Idempotency key: (`sync_id`, `step`). A step that runs twice publishes `sync.progressed` twice; the scheduler
    applies the first and ignores the second.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: int
    cause: str
    step: int
    cursor: str | None
    requested_at: int


class SyncProgressed(Event):
    """How far a fetcher got with a request or a step. Published by fetchers; consumed by the scheduler.

    `advanced`: the step is done and the next one begins at `cursor`. `completed`: the full read reached its end.
    `postponed`: continue no earlier than `not_before` with what is left (`records` and `cursor`, or the step's
    `cursor`). `failed`: `reason` says why, `retryable` whether trying again can help. An incremental read that was
    completed needs no such event: it ends with the writer's `SyncResult`.
    """

    connection: ConnectionName
    epoch: int
    outcome: Literal["advanced", "completed", "postponed", "failed"]
    sync_ids: tuple[UUID, ...]
    """The one full sync, or all incremental syncs that were read together."""
    step: int | None = None
    """The step of the full sync; None for an incremental sync."""
    cursor: str | None = None
    records: RecordIds = Field(default_factory=dict)
    not_before: int | None = None
    reason: str | None = None
    retryable: bool = True
    throttled: bool = False
    attempt: int = 1
    calls: int = 0
    """Calls made to the platform."""
    points: int = 0
    """Rate limit points that the platform charged for them."""


class RecordChunk(Event):
    """The position of one chunk of a record that is too large for one answer of the platform.

    Chunks of one reading are joined from the first (`cursor` None) to the last (`next_cursor` None).
    """

    reading_id: str
    """Identifies one reading of the record. Chunks of different readings are never joined."""
    cursor: str | None
    next_cursor: str | None
    """The `cursor` of the next chunk; None on the last."""
    path: tuple[str, ...] = ()
    """Keys from the record's body to the list that this chunk's `items` extend; empty on the first chunk."""

    @property
    def is_last(self) -> bool:
        """Whether the record is complete with this chunk."""
        return self.next_cursor is None


class Record(Event):
    """One record, whole, in the form in which the snapshot shows it.

    `body` None together with `chunk` None is a tombstone: the record was requested by its id, and the platform answered
    that it does not exist. The first chunk of a chunked record has the `body`; further chunks have only `items`.
    """

    resource: str
    id: str
    read_at: int
    """When the first request that contributed to it was sent: the worker's clock, corrected by the platform's."""
    updated_at: datetime | None = None
    """The record's own time of change, where the platform has one."""
    body: dict[str, Any] | None = None
    sort_key: int = 0
    """Order among the records of its resource, e.g. the numeric id."""
    parent: str | None = None
    """Id of the record that this one is deleted with."""
    lookup_fields: dict[str, str | None] = Field(default_factory=dict)
    """Small values that other records show, e.g. title, handle, name."""
    volatile_fields: dict[str, Any] = Field(default_factory=dict)
    """Values that change by themselves (counters, signed URLs). They are shown in the snapshot, but a difference in
    them is no change of the record."""
    items: tuple[Any, ...] = ()
    chunk: RecordChunk | None = None


class RecordsPage(Event):
    """A bounded batch of records. Published by fetchers; consumed by the spaces-writer.

    A page is never skipped because its number was seen before: a step that ran twice may have cut its pages
    differently. Every record passes the version check, which absorbs redelivery. (`read_id`, `step`, `page`) is the key
    under which the listed ids are stored.
    """

    kind: Literal["page"] = "page"
    connection: ConnectionName
    epoch: int
    """The epoch of the token with which it was read."""
    read_id: UUID
    """The full sync's id, or the id of the incremental read."""
    step: int
    page: int
    resource: str
    id_range: int = 0
    attempt: int = 1
    records: tuple[Record, ...]


class RangeCompleted(Event):
    """All pages of one id range were published. The spaces-writer then checks that the range is complete."""

    kind: Literal["range_completed"] = "range_completed"
    connection: ConnectionName
    epoch: int
    read_id: UUID
    resource: str
    id_range: int
    attempt: int
    retry_cursor: str
    """Cursor from which only this id range is read again, as its next attempt."""
    sent_count: int
    """Number of distinct ids published in this attempt."""
    count_before: int | None = None
    """The platform's own count when reading the range began; None where the platform has no count."""
    count_after: int | None = None


class FullReadCompleted(Event):
    """What a full read consisted of. When every id range is complete, the writer ends the sync with `success`."""

    kind: Literal["full_read_completed"] = "full_read_completed"
    connection: ConnectionName
    epoch: int
    read_id: UUID
    id_ranges: tuple[tuple[str, int], ...]
    """(resource, id range) of everything that was read."""
    child_resources: tuple[str, ...] = ()
    """Resources whose records came with those of their parent."""
    skipped_resources: dict[str, str] = Field(default_factory=dict)
    """Resource to the reason why it was not read, e.g. a missing scope."""
    started_at: int
    """Before the first read, on the clock of `read_at`."""


class IncrementalReadCompleted(Event):
    """All pages of an incremental read were published. The spaces-writer answers with a `SyncResult`."""

    kind: Literal["incremental_read_completed"] = "incremental_read_completed"
    connection: ConnectionName
    epoch: int
    read_id: UUID
    sync_ids: tuple[UUID, ...]
    requested: RecordIds
    unreadable: dict[str, str] = Field(default_factory=dict)
    """Ids that could not be read, with the reason."""


Fetched = Annotated[
    RecordsPage | RangeCompleted | FullReadCompleted | IncrementalReadCompleted, Field(discriminator="kind")
]
"""Every event on the `data.fetched.*` topics."""

FETCHED_ADAPTER: TypeAdapter[RecordsPage | RangeCompleted | FullReadCompleted | IncrementalReadCompleted] = TypeAdapter(
    Fetched, config=ConfigDict(hide_input_in_errors=True)
)


class SyncTotals(Event):
    """Dispositions of all records of one read so far. The numbers are absolute, so a repeated event adds nothing."""

    read_id: UUID
    pages: int = 0
    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    deleted: int = 0


class SyncResult(Event):
    """The result of syncs, decided by the service that stored their data.

    `incomplete`: some id ranges must be read again from `retry_cursors`. `cancelled`: the data was read under an epoch
    that has ended and was refused.
    """

    sync_ids: tuple[UUID, ...]
    status: Literal["success", "failed", "incomplete", "cancelled"]
    sequence: int
    """The connection's sequence number that includes all of the data. An upload with this number or a higher one
    contains it."""
    reason: str | None = None
    retry_cursors: tuple[str, ...] = ()
    skipped_resources: dict[str, str] = Field(default_factory=dict)
    totals: SyncTotals | None = None


class Upload(Event):
    """The outcome of building one snapshot."""

    key: str
    outcome: Literal["uploaded", "unchanged", "restored", "failed"]
    """`restored`: the stored object was missing or overwritten and was uploaded again."""
    sequence: int
    sha256: str = ""
    bytes: int = 0
    records: int = 0
    stored_at: int = 0
    reason: str | None = None


class Erasure(Event):
    """A redaction was completed: no record and no object of the connection is left. A repeated event adds nothing."""

    object_keys: tuple[str, ...]
    """The objects that were deleted from the bucket."""
    erased_at: int


class DataStored(Event):
    """What the spaces-writer stored. Consumed by the scheduler and by readers of the bucket.

    Idempotency: totals are absolute, results are final, uploads carry their sequence number, so that handling the event
    twice changes nothing.
    """

    connection: ConnectionName
    epoch: int
    sequence: int
    totals: tuple[SyncTotals, ...] = ()
    results: tuple[SyncResult, ...] = ()
    records_to_verify: RecordIds = Field(default_factory=dict)
    """Records to read directly: deletion candidates of a full sync, and records of which two readings with the same
    `updated_at` differ."""
    verification_id: UUID | None = None
    """The id of the sync that reads `records_to_verify`."""
    upload: Upload | None = None
    guard_reason: str | None = None
    """Why the deletion guard stopped the deletions of a full sync."""
    erasure: Erasure | None = None


EVENTS: tuple[type[Event], ...] = (
    ConnectionChanged,
    SyncRequested,
    FullSyncStepRequested,
    SyncProgressed,
    RecordsPage,
    RangeCompleted,
    FullReadCompleted,
    IncrementalReadCompleted,
    DataStored,
)
"""The events whose JSON Schemas are committed in `schemas/`."""
