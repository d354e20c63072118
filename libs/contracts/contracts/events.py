"""All events of the system. An event states a fact, named in the past tense, or requests work.

Events are frozen and ignore unknown fields. Adding an optional field keeps an event's version; any other change needs
a new topic. Fields named `*_at` are milliseconds since the Unix epoch, unless their type is `datetime`. No event holds
a token or a secret. The field `epoch` is a number that rises when a connection is uninstalled or redacted. Data that
was read under an earlier epoch is refused.

Consumers believe of an event what they can check. They refuse (dead-letter) one whose `connection` is not the message's
key or, on a topic of one platform, not that platform's; one that names another connection's sync; and an object key
that does not follow from the connection. An epoch that is not published yet is waited for, then refused. What cannot be
checked is guarded by Kafka's ACLs alone: they let only a topic's producers write to it (`contracts.topics`).
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

MAX_CONNECTION_LENGTH = 255
ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*:.+$", max_length=MAX_CONNECTION_LENGTH)]
"""The name of a merchant's connection: `platform:account`, e.g. `shop-platform:acme.example`.

Any slug may be a platform.
"""

Epoch = Annotated[int, Field(ge=0, lt=2**31)]
"""A connection's epoch: a number that rises when the connection is uninstalled or redacted, and never falls."""

SyncIds = Annotated[tuple[UUID, ...], Field(min_length=1)]
"""The ids of one or more syncs of the event's connection."""

RecordIds = dict[str, tuple[str, ...]]
"""The ids of records by their resource, e.g. `{"products": ("101", "102")}`."""

MAX_STATE_BYTES = 16 * 1024
SourceState = Annotated[str, StringConstraints(max_length=MAX_STATE_BYTES)]
"""What the source of a full sync wants to know at the next one. Its content has a meaning only for that source."""


def parse_platform(connection: str) -> str:
    """Return the platform's slug, the part of a connection's name before the first colon."""
    return connection.partition(":")[0]


def parse_account(connection: str) -> str:
    """Return the account at the platform, the part of a connection's name after the first colon."""
    return connection.partition(":")[2]


class Event(BaseModel):
    """The base class of all events. It is frozen and ignores unknown fields, so that an added field breaks no consumer.

    A validation error names the field but never its value, because errors are logged and stored with dead letters.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ConnectionChanged(Event):
    """The full state of one merchant's connection to a platform.

    Published by the gateway; consumed by the scheduler, the spaces-writer and the linker. Idempotency key:
    (`connection`, `revision`). A consumer ignores a revision that is not higher than the revision it has stored. So it
    may receive an event twice, and may read the compacted topic from its beginning. In state `redacted` (its data must
    be erased) the event names no merchant, object key, sync or scopes.

    Only the ACL of the topic guards `revision`, `state`, `merchant` and `scopes`: nothing else tells consumers whether
    they are true. Whoever may write to this topic can redact a connection or list it with another merchant's.
    """

    connection: ConnectionName
    revision: int
    """A number that rises with every change of the connection's row in the gateway."""
    epoch: Epoch
    """A number that rises when the connection is uninstalled or redacted. Authorizing a connected account again does
    not change it. Consumers refuse a later revision with a lower epoch."""
    state: str
    """One of: connected | reauthorise | uninstalled | redacted."""
    merchant: UUID | None = None
    """The merchant to which the connection belongs. It groups connections for readers of the bucket, and gives nobody
    rights."""
    object_key: str | None = None
    """The key of the snapshot in the bucket. It follows from the connection: the spaces-writer derives it from the
    platform's manifest, and refuses an event that names another one."""
    wanted_sync: UUID | None = None
    """The id of the full sync that the gateway requests. The scheduler starts each id once, and refuses the id of
    another connection's sync."""
    wanted_cause: str = "connect"
    """The reason for which `wanted_sync` is requested: connect | manual."""
    scopes: tuple[str, ...] = ()
    """The granted scopes. `write_x` includes `read_x`."""
    allowed_deletions: UUID | None = None
    """The full sync whose deletions the deletion guard has stopped and an operator has allowed."""
    redacted_epoch: int = 0
    """The epoch of the connection's latest redaction; 0 if there was none. A consumer that has stored a lower epoch has
    missed this redaction, because the compacted topic may keep only what followed it: it erases what it has stored."""


class SyncRequested(Event):
    """A request to read the records with the given ids from the platform now (incremental sync).

    Published by the gateway for webhooks and by the scheduler; consumed by the platform's fetcher and by the scheduler.
    Idempotency key: `sync_id`. The gateway derives it from the webhook's id, so that a webhook delivered twice is one
    sync. A request with cause `probe` is a test of whether webhooks that are sent to the gateway's webhook URL reach
    Kafka. No records are read for it.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: Epoch
    cause: str
    """One of: webhook | manual | retry | postponed | reconcile | probe."""
    records: RecordIds
    requested_at: int
    coalesced_sync_ids: tuple[UUID, ...] = ()
    """The ids of further syncs that were coalesced into this request. Each ends with the result of `sync_id`."""
    cursor: str | None = None
    """The cursor from which a postponed read continues. Its content has a meaning only for the platform's fetcher."""
    attempt: int = 1
    topic: str | None = None
    """The platform's webhook topic, for logs and metrics."""


class FullSyncStepRequested(Event):
    """A request to run one step of a full sync. Published by the scheduler; consumed by the platform's fetcher.

    A step is a bounded part of a full sync. It reads from `cursor`; None is the start of the full sync. Idempotency
    key: (`sync_id`, `step`). A step that runs twice publishes `SyncProgressed` twice; the scheduler applies the first
    event and ignores the second.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: Epoch
    cause: str
    step: int
    cursor: str | None
    requested_at: int
    previous_sync: UUID | None = None
    """The full sync that this one may continue: the latest one, which has succeeded. None if everything is read."""
    previous_state: SourceState | None = None
    """What the source has left with `previous_sync`. All steps of a full sync have the same."""


class SyncProgressed(Event):
    """The progress of a sync. Published by fetchers; consumed by the scheduler.

    `outcome` is one of the following. `advanced`: the step of a full sync is done, and the next step begins at
    `cursor`. `completed`: all steps of the full sync are done. `postponed`: the work continues at `not_before` or later
    from `cursor`; for an incremental sync `records` are the ids to read then. `failed`: `reason` says why, and
    `retryable` says whether another attempt can help. `blocked`: the platform refuses every call about the account, and
    `reason` completes "the account is ..."; `cursor` is None unless the full sync has read anything. No event is
    published when the read of an incremental sync is completed, because the spaces-writer reports its end with a
    `SyncResult`.
    """

    connection: ConnectionName
    epoch: Epoch
    outcome: Literal["advanced", "completed", "postponed", "failed", "blocked"]
    sync_ids: SyncIds
    """The id of the full sync, or the ids of all incremental syncs that were read together."""
    step: int | None = None
    """The number of the full sync's step; None for an incremental sync."""
    cursor: str | None = None
    records: RecordIds = Field(default_factory=dict)
    not_before: int | None = None
    reason: str | None = None
    retryable: bool = True
    throttled: bool = False
    remembered: bool = False
    """Whether the outcome `blocked` repeats an earlier answer of the platform, so that no call was made. The account
    may have been opened since."""
    attempt: int = 1
    calls: int = 0
    """The number of calls made to the platform."""
    points: int = 0
    """The rate limit points that the platform charged for these calls."""


class RecordChunk(Event):
    """The position of one chunk within a record. A record is chunked when one response of the platform cannot hold it.

    The chunks of one reading of the record are joined in order, from the first (`cursor` is None) to the last
    (`next_cursor` is None).
    """

    reading_id: str
    """The id of one reading of the record. Chunks of different readings are never joined."""
    cursor: str | None
    next_cursor: str | None
    """The `cursor` of the next chunk; None on the last chunk."""
    path: tuple[str, ...] = ()
    """The path of keys in the record's body that leads to the list to which `Record.items` are appended. It is empty on
    the first chunk."""

    @property
    def is_last(self) -> bool:
        """Whether this is the record's last chunk."""
        return self.next_cursor is None


class Record(Event):
    """One record in the form in which the snapshot shows it, or one chunk of a record that is too large for a response.

    The snapshot is the object in the bucket with all current records of a connection. When `body`, `chunk` and
    `unreadable` are None, this is a tombstone: the record was requested by its id, and the platform answered that it
    does not exist. The first chunk of a chunked record has the `body`; further chunks have only `items` and
    `lookup_values`.
    """

    resource: str
    id: str
    read_at: int
    """The time at which the first request that contributed to the record was sent. It is the fetcher's clock, corrected
    by the platform's clock."""
    updated_at: datetime | None = None
    """The time at which the platform last changed the record; None if the platform does not tell."""
    body: dict[str, Any] | None = None
    sort_key: int = 0
    """The number by which the records of a resource are ordered, e.g. the numeric id."""
    parent: str | None = None
    """The id of the parent record. When the parent is deleted, this record is deleted too."""
    lookup_fields: dict[str, str | None] = Field(default_factory=dict)
    """Small values that are shown with other records, e.g. title, handle, name. The record is found by them, too."""
    lookup_values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The values of further fields by which the record is found, e.g. the SKUs of a product's variants. Each chunk has
    those of its own items."""
    volatile_fields: dict[str, Any] = Field(default_factory=dict)
    """Values that change although nobody edits the record (counters, signed URLs). The snapshot shows them, but a
    difference in them alone does not count as a change of the record."""
    items: tuple[Any, ...] = ()
    chunk: RecordChunk | None = None
    unreadable: str | None = None
    """Why the record cannot be read although it exists, e.g. because its form is not known. It then has no body, counts
    as listed, and is left out: what is stored of it stays."""


class RecordsPage(Event):
    """A page of records, of bounded size. Published by fetchers; consumed by the spaces-writer.

    The consumer handles every page, even if it has stored a page with the same number: a step that runs twice may
    divide its records into pages differently. Repeated records are harmless, because the version of each record is
    compared with the stored version. The ids on a page are stored under the key (`read_id`, `step`, `page`).
    """

    kind: Literal["page"] = "page"
    connection: ConnectionName
    epoch: Epoch
    """The connection's epoch that came with the token with which the records were read."""
    read_id: UUID
    """The id of the full sync, or the id of the incremental read."""
    step: int
    page: int
    resource: str
    id_range: int = 0
    attempt: int = 1
    """The number of the attempt at the id range; 0 for a direct read within a full sync, which belongs to no range."""
    records: tuple[Record, ...]


class IdsListed(Event):
    """The ids that a platform lists in a part of an id range, and its own evidence that none of them is missing.

    Published by fetchers during a full sync; consumed by the spaces-writer. The part begins above the id `after` and
    ends with the id `up_to`. These two are opaque text: the parts of an id range are joined where they are equal.
    Idempotency key: (`read_id`, `resource`, `id_range`, `attempt`, `after`); the last event with this key counts.
    """

    kind: Literal["ids_listed"] = "ids_listed"
    connection: ConnectionName
    epoch: int
    read_id: UUID
    resource: str
    id_range: int
    attempt: int
    after: str
    """The id after which the part begins; empty where it begins with the first id of the resource."""
    up_to: str | None
    """The last id that the part may have; None where it has no upper bound."""
    ids: tuple[str, ...]
    count: int | None = None
    """The number of records in the part that the platform counted in the same response in which it listed `ids`; None
    where it counted no exact number."""
    is_repeated: bool = False
    """Whether the platform was asked for the list twice in succession, and gave the same list both times."""


class RangeCompleted(Event):
    """The end marker of one id range of a full sync, published after all pages of the range.

    An id range is the records of one resource between two ids. The spaces-writer checks that the range is complete. The
    evidence is either the two counts or the `IdsListed` events of this attempt.
    """

    kind: Literal["range_completed"] = "range_completed"
    connection: ConnectionName
    epoch: Epoch
    read_id: UUID
    resource: str
    id_range: int
    attempt: int
    retry_cursor: str
    """The cursor with which only this id range is read again, as its next attempt."""
    sent_count: int
    """The number of distinct ids that were published in this attempt."""
    count_before: int | None = None
    """The number of records that the platform counted before the range was read; None if it was not counted then."""
    count_after: int | None = None
    """The number of records that the platform counted after the range was read; None if it was not counted then."""
    has_lists: bool = False
    """Whether `IdsListed` events were published for this attempt. They take the place of the counts as evidence."""
    after: str = ""
    """The id after which the range begins, as in `IdsListed`."""
    up_to: str | None = None
    """The last id that the range may have, as in `IdsListed`."""


class DirectReadCompleted(Event):
    """The end marker of the direct read of some records within a full sync, published after all of its pages.

    The spaces-writer asks for a direct read, by the cursor of `SyncResult.retry_cursors`, when a full sync has not
    stored a listed record, or has not listed a stored one.
    """

    kind: Literal["direct_read_completed"] = "direct_read_completed"
    connection: ConnectionName
    epoch: int
    read_id: UUID
    requested: RecordIds
    unreadable: dict[str, str] = Field(default_factory=dict)
    """The ids that could not be read, each with the reason."""


class FullReadCompleted(Event):
    """The end marker of the read of a full sync, which lists the id ranges that were read.

    When all of these id ranges are complete, the spaces-writer may request direct reads. If these contradict nothing,
    the sync ends with `success`. A read with `continues` has only read on from where an earlier full sync has ended.
    The spaces-writer believes it if that one is the latest whose data it holds. Otherwise it forgets what this read has
    listed, and everything is read from `retry_cursor`.
    """

    kind: Literal["full_read_completed"] = "full_read_completed"
    connection: ConnectionName
    epoch: Epoch
    read_id: UUID
    id_ranges: tuple[tuple[str, int], ...]
    """The (resource, id range) pairs that were read."""
    child_resources: tuple[str, ...] = ()
    """The resources whose records were read together with their parent records."""
    skipped_resources: dict[str, str] = Field(default_factory=dict)
    """The resources that were not read, each with the reason, e.g. a missing scope."""
    started_at: int
    """A time before the first read, on the same clock as `Record.read_at`."""
    state: SourceState | None = None
    """What the source is to know at the next full sync; None if that one must read everything."""
    continues: UUID | None = None
    """The full sync from which this read has only read on: records that it did not list are as they were then, and
    none of them is a deletion candidate. None for a read of everything."""
    retry_cursor: str | None = None
    """The cursor with which everything is read instead. It is there if `continues` is."""

    @model_validator(mode="after")
    def _require_retry_cursor(self) -> Self:
        if self.continues is not None and self.retry_cursor is None:
            raise ValueError("a full read that continues another one has a retry_cursor")
        return self


class IncrementalReadCompleted(Event):
    """The end marker of one read for incremental syncs, published after all of its pages.

    The spaces-writer then publishes a `SyncResult` for `sync_ids`, within a `DataStored` event.
    """

    kind: Literal["incremental_read_completed"] = "incremental_read_completed"
    connection: ConnectionName
    epoch: Epoch
    read_id: UUID
    sync_ids: SyncIds
    requested: RecordIds
    unreadable: dict[str, str] = Field(default_factory=dict)
    """The ids that could not be read, each with the reason."""


FetchedEvent = (
    RecordsPage | IdsListed | RangeCompleted | FullReadCompleted | DirectReadCompleted | IncrementalReadCompleted
)
"""The union of all events on the `data.fetched.*` topics, told apart by `kind`."""

FETCHED_ADAPTER: TypeAdapter[FetchedEvent] = TypeAdapter(
    Annotated[FetchedEvent, Field(discriminator="kind")], config=ConfigDict(hide_input_in_errors=True)
)


class SyncTotals(Event):
    """The numbers of pages and records that the spaces-writer received of one read so far.

    `changed`, `unchanged`, `stale` and `deleted` count the records by what the spaces-writer did with them.

    `stale` are those that were older than the stored record, and were dropped. The numbers are totals, not increments,
    so handling an event twice counts nothing twice.
    """

    read_id: UUID
    pages: int = 0
    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    deleted: int = 0


class GuardedDeletions(Event):
    """Deletions that the deletion guard stopped, because a full sync missed suspiciously many records.

    They are made when an operator allows them, or when a full sync at least half a day later still misses
    them.
    """

    sync_id: UUID
    """The full sync that was stopped first. An operator who allows its deletions names it."""
    records: int
    """The number of stored records that the full sync of this result did not list."""
    stored: int
    """The number of stored records of the resources that were read."""


class SyncResult(Event):
    """The result of one or more syncs of one connection, decided by the spaces-writer.

    `status` `success`: all data is stored; the syncs end with success when an `Upload` contains it. `incomplete`: some
    id ranges must be read again, or some records directly, from `retry_cursors`. `cancelled`: the data was refused,
    because the connection was uninstalled or redacted after the read began (its `epoch` has risen). A `success` with a
    `reason` is one whose reason must be known: it names the stored records that the platform lists nowhere although
    they exist.
    """

    sync_ids: SyncIds
    status: Literal["success", "failed", "incomplete", "cancelled"]
    sequence: int
    """The connection's sequence number after all data of the syncs was stored. An upload with this number or a higher
    number contains the data."""
    object_check: int = 0
    """The number of the look at the object in the bucket that a full sync requires, even if it changed nothing; 0 for
    incremental syncs. An upload with this number or a higher number has made it."""
    reason: str | None = None
    retry_cursors: tuple[str, ...] = ()
    skipped_resources: dict[str, str] = Field(default_factory=dict)
    guarded_deletions: GuardedDeletions | None = None
    """The deletions of a full sync that the deletion guard stopped; None if it stopped none."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """The ids of records that exist and could not be read, each with the reason; at most 50. Their last readable
    versions stay."""
    totals: SyncTotals | None = None
    state: SourceState | None = None
    """Of a full sync that is a `success`: what its source is to know at the next one. None if it has left nothing."""


class Upload(Event):
    """The outcome of building the snapshot (all current records) of one connection and uploading it to the bucket.

    Only the ACL of the topic guards it, as it does all of `DataStored` but the ids of syncs and the epoch.
    """

    key: str
    outcome: Literal["uploaded", "unchanged", "restored", "failed"]
    """`unchanged`: the bucket already has the same content. `restored`: the object in the bucket was missing or
    overwritten, and was uploaded again."""
    sequence: int
    object_check: int = 0
    """The number of the latest look at the object in the bucket that was required and has been made."""
    sha256: str = ""
    bytes: int = 0
    records: int = 0
    stored_at: int = 0
    not_before: int = 0
    """The time before which this snapshot is not uploaded again: by the pace of uploads, or because this one failed."""
    reason: str | None = None


class MerchantDocument(Event):
    """Whether the document of a merchant in the bucket, which lists the merchant's connections, shows this connection.

    For a connection that was redacted or moved: whether it names the connection no more.
    """

    changed_at: int | None
    """Since when (ms) the document lacks the connection's latest state; None if it shows this state."""
    not_before: int = 0
    """The time (ms) before which the document is not uploaded again, because its last upload failed."""
    reason: str | None = None
    """Why its last upload failed; None if it did not."""


class Erasure(Event):
    """The report that a redaction (erasing all data) is complete.

    No record and no object of the connection remains, and no merchant's document in the bucket names it. Handling this
    report twice has the same effect as handling it once.
    """

    object_keys: tuple[str, ...]
    """The keys of the objects that were deleted from the bucket."""
    erased_at: int


class DataStored(Event):
    """A report of the data of one connection that the spaces-writer stored or erased.

    Consumed by the scheduler and by readers of the bucket. Handling the event twice changes nothing: totals are no
    increments, results are final, uploads carry their sequence number, and of a merchant's document the last event of
    the connection counts.
    """

    connection: ConnectionName
    epoch: Epoch
    sequence: int
    totals: tuple[SyncTotals, ...] = ()
    results: tuple[SyncResult, ...] = ()
    records_to_verify: RecordIds = Field(default_factory=dict)
    """The records that must be read again by their ids.

    Two readings with the same `updated_at` differ, or a later reading has an earlier `updated_at`."""
    verification_id: UUID | None = None
    """The id of the sync that reads `records_to_verify`."""
    verify_not_before: int | None = None
    """The time before which they are not read; None if they are read at once."""
    upload: Upload | None = None
    merchant_document: MerchantDocument | None = None
    erasure: Erasure | None = None


class FeedEntry(Event):
    """One record on the change feed or in a read, as it was when the page was built.

    Consumers keep an entry if its `sequence` is higher than that of the entry they have of the record, and ignore it
    otherwise. They keep that of a deleted record as well. So entries may arrive twice, late, or folded together.
    """

    resource: str
    id: str
    sequence: int
    """The connection's sequence number of the record's last change. It may be higher than the page's `through`."""
    operation: Literal["create", "update", "delete", "read"]
    """`create` and `update` both mean that `body` replaces what is known of the record; `create` says that it did not
    exist at the page's `after`. `delete` has no body. An entry of a `RecordsRead` has `read`."""
    changed_at: int
    """When the spaces-writer stored the change."""
    changed_by: UUID | None = None
    """The id of the read that brought the change: the full sync, or the incremental read of one or more syncs."""
    updated_at: datetime | None = None
    """The time at which the platform last changed the record; None if the platform does not tell."""
    read_at: int = 0
    """When the record was read from the platform."""
    sha256: str | None = None
    """The SHA-256 of the body's canonical JSON in hexadecimal; None for a deleted record."""
    parent: str | None = None
    """The id of the parent record; None if there is none."""
    body: dict[str, Any] | None = None
    """The record, without its volatile fields. None for a deleted record, and on a page with a `chunk` of it."""


class BodyChunk(Event):
    """A part of the body of the only entry of a page: the body is too large for one message.

    The texts of all chunks, joined in order, are the body's JSON. The pages follow each other. All but the last leave
    the consumer where it is (`through` equals `after`). A page with chunk 0 begins anew.
    """

    number: int
    count: int
    text: str


class RecordChanged(Event):
    """A page of a connection's change feed. Published by the spaces-writer, in the order of the sequence numbers.

    Consumed by the linker and by readers of the feed. The page has every record whose last change has a sequence number
    above `after` and up to `through`. A consumer that stands at `after` stands at `through` when it has handled the
    page. One that stands elsewhere below `after` has a gap: it requests a read (`ReadRequested`), or reads the
    published views. One at `through` or above it has seen the page. Idempotency key: (`feed`, `epoch`, `through`); of
    each record, its entry's `sequence`.
    """

    connection: ConnectionName
    feed: UUID
    """The id of the feed. It is renewed when the spaces-writer's database was restored or failed over, because its
    sequence numbers may then be used again: what is known by another feed's numbers must be read again."""
    epoch: Epoch
    after: int
    through: int
    erased: bool = False
    """Whether all data of the connection was deleted. Consumers then delete all they have of it, and keep `through`."""
    changes: tuple[FeedEntry, ...] = ()
    chunk: BodyChunk | None = None


class ReadRequested(Event):
    """A request for the whole state of a connection as `RecordsRead`. Consumed by the spaces-writer.

    Published by whoever consumes the change feed and has a gap, or begins. Idempotency key: `read_id`.
    """

    read_id: UUID
    connection: ConnectionName
    requested_at: int


class RecordsRead(Event):
    """A page of the whole state of a connection, on request. Published by the spaces-writer.

    Consumed by the linker and by other readers, each of which takes the reads that it has requested. The pages of one
    read have every record that exists throughout the read. A record that changes in the meantime is also on the change
    feed above the sequence number `changes_follow`, from which the consumer goes on there. It keeps the entry with the
    higher sequence number. Idempotency key: (`read_id`, `page`, the chunk's number).
    """

    connection: ConnectionName
    feed: UUID
    epoch: Epoch
    read_id: UUID
    page: int
    records: tuple[FeedEntry, ...] = ()
    chunk: BodyChunk | None = None
    changes_follow: int | None = None
    """On the last page: the sequence number from which the change feed continues this read; None on all others."""


class SyncState(Event):
    """What the scheduler's ledger says about one sync."""

    sync_id: UUID
    mode: Literal["full", "incremental"]
    cause: str
    state: Literal["queued", "running", "storing", "success", "failed", "cancelled"]
    requested_at: int
    started_at: int | None = None
    finished_at: int | None = None
    records: int = 0
    """The number of records that were read so far."""
    changed: int = 0
    deleted: int = 0
    sequence: int | None = None
    """From state `storing` on: the connection's sequence number that includes all data of the sync."""
    reason: str | None = None
    """Why it failed or what it waits for: the first 500 characters."""
    coalesced_into: UUID | None = None
    """The sync that does the work of this one; both end together."""


class SyncChanged(Event):
    """The state of a connection's syncs. Published by the scheduler whenever it changes, at most a few times a second.

    Read by the data API; consumed by the linker. The topic is compacted: the last event of a connection says all that
    is to be known. Idempotency key: (`connection`, `revision`). Of a redacted connection only the connection, the epoch
    and the revision are left.
    """

    connection: ConnectionName
    epoch: Epoch
    revision: int
    """A number that rises with each event of the connection, also after a restore of the scheduler's database."""
    fully_read: bool = False
    """Whether a full sync has succeeded since the account was connected."""
    last_success_at: int | None = None
    """When the data of the latest successful sync was in the bucket."""
    last_error: str | None = None
    """Why the latest sync failed; None if the latest one that ended has not failed. Cancelled ones are left out."""
    next_poll_at: int | None = None
    blocked: str | None = None
    """Why the platform refuses every call about the account ("the account is ..."); None if it does not."""
    syncs: tuple[SyncState, ...] = ()
    """The syncs that have not ended, and then those that ended last, newest first: at most 20 that are full syncs or
    were requested by a person or a reader (cause `manual`), and at most 30 others, so that neither hides the other."""


class ApiKey(Event):
    """A key with which readers of the data API prove who they are. The key itself is shown once, and stored nowhere."""

    id: UUID
    name: str
    prefix: str
    """The visible beginning of the key, which tells keys apart in lists and logs."""
    sha256: str
    """The SHA-256 of the key in hexadecimal."""
    scopes: tuple[Literal["read", "refresh", "manage"], ...]
    epoch: Epoch
    merchant: UUID
    """A key is good only for the epoch and the merchant that the connection had when the key was made."""
    expires_at: int | None = None
    origin: UUID | None = None
    """The id of the first key that this one replaces, directly or through others; `id` if it replaces none.

    What any of them has made belongs to all.
    """


class KeysChanged(Event):
    """All keys of a connection. Published by the gateway; read by the data API.

    The topic is compacted. Idempotency key: (`connection`, `revision`). A key that is no longer listed is revoked.
    """

    connection: ConnectionName
    revision: int
    """A number that rises with each change of the connection's keys."""
    keys: tuple[ApiKey, ...] = ()


class LinkChanged(Event):
    """The full state of the link of a shop. Published by the linker; read by the data API, and by whoever shows links.

    A link keeps a shop and a database of Odoo of one merchant in step. A shop has one link at most. The topic is
    compacted, and its key is the shop's connection. Idempotency key: (`connection`, `revision`).
    """

    connection: ConnectionName
    """The shop."""
    link_id: UUID
    revision: int
    """A number that rises with each event of the connection, also from one link of the shop to the next."""
    odoo: ConnectionName
    merchant: UUID
    """The merchant of both connections when the link was made."""
    state: Literal["reading", "draft", "active", "paused", "ended"]
    """`reading`: what both sides have is not known yet. `draft`: it is compared, and nothing is written until somebody
    approves it. `active`: changes are written."""
    reason: str | None = None
    """What the link waits for, or why it is paused: the first 500 characters."""
    plan_number: int = 0
    """The number of the latest plan. It rises with each decision about a pair of records."""
    pairs: dict[str, int] = Field(default_factory=dict)
    """The number of pairs of records by their state, such as `linked` or `ambiguous`."""
    planned_fields: int = 0
    """The number of fields that a link sync would write."""

    @property
    def connections(self) -> tuple[str, str]:
        """The shop and the database."""
        return self.connection, self.odoo


class WriteRequested(Event):
    """A request to write fields of one record at a platform.

    Published by the linker; consumed by the platform's writer. The key is the connection that is written to.
    Idempotency key: `write_id`. The request may come again under the same id, when nothing was heard of it: a writer
    reads the record first, and writes nothing that is there already.
    """

    write_id: UUID
    """Follows from the pair of records, the side and the number of the plan that decided it: said twice it is one."""
    link_id: UUID
    connection: ConnectionName
    epoch: Epoch
    resource: Literal["products", "variants", "stock"]
    """Stock is requested on a topic of its own. Its only operation is `update`, and its `fields` are the whole units
    that are free to be sold, by the platform's ids of locations."""
    operation: Literal["update", "create", "draft", "archive", "delete"]
    """`create` makes the product with its `variants`. The last three take it off sale, archive it, or delete it."""
    record: str | None = None
    """The platform's id of the record, with stock that of the variant; None for `create`."""
    product: str | None = None
    """The id of the product of a variant, or of the variant whose stock it is; None for products."""
    external_id: str | None = None
    """Of `create`: the id under which the product is known at the platform, so that it is never made twice."""
    expected: dict[str, Any] = Field(default_factory=dict)
    """The values of `fields` that the record had when this was decided. Other ones than these make a `conflict`."""
    fields: dict[str, Any] = Field(default_factory=dict)
    """The values to write, by the names of shared fields, in the form that both sides of a link share."""
    variants: tuple[dict[str, Any], ...] = ()
    """Of `create`: the values of each variant, with its `option_values` by the names of the product's options.

    Where stock is kept in step, also its `stock`: units by the platform's ids of locations."""
    currency: str | None = None
    """The currency of all amounts (ISO 4217)."""
    sku_format: str = "plain"
    attempt: int = 1
    requested_at: int


class WriteCompleted(Event):
    """What came of one attempt at a write. Published by the platform's writer; consumed by the linker.

    Idempotency key: (`write_id`, `attempt`).
    """

    write_id: UUID
    link_id: UUID
    connection: ConnectionName
    epoch: Epoch
    attempt: int
    outcome: Literal["applied", "unchanged", "conflict", "refused", "failed", "postponed"]
    """`unchanged`: the record had the wanted values already. `conflict`: it had neither these nor the expected ones.
    `refused`: the platform will not take it, however often it is sent. `failed`: it may succeed later. `postponed`: it
    has not been tried, and is to be requested again at `not_before`."""
    record: str | None = None
    """The platform's id of the record."""
    variants: dict[str, str] = Field(default_factory=dict)
    """Of `create`: the platform's ids of the variants, by SKU."""
    values: dict[str, Any] = Field(default_factory=dict)
    """The record's values of the requested fields as they were read last. The platform may have changed their form."""
    written: dict[str, Any] = Field(default_factory=dict)
    """Of `applied`: what was written to fields that had another value when they were read again, because somebody has
    edited them in between."""
    version: datetime | None = None
    """The time at which the platform last changed the record (with a variant, its product), read with `values`."""
    read_at: int = 0
    """When `values` were read."""
    reason_code: str | None = None
    """Of `postponed`: `throttled`, or `access_denied` where the account is closed to every call, or the merchant must
    sign in again. Neither is the write's fault."""
    message: str | None = None
    """What the platform says: the first 500 characters."""
    not_before: int | None = None
    calls: int = 0
    points: int = 0


EVENTS: tuple[type[Event], ...] = (
    ConnectionChanged,
    SyncRequested,
    FullSyncStepRequested,
    SyncProgressed,
    RecordsPage,
    IdsListed,
    RangeCompleted,
    FullReadCompleted,
    DirectReadCompleted,
    IncrementalReadCompleted,
    DataStored,
    RecordChanged,
    ReadRequested,
    RecordsRead,
    SyncChanged,
    KeysChanged,
    LinkChanged,
    WriteRequested,
    WriteCompleted,
)
"""The events whose JSON Schemas are committed in `schemas/`."""
