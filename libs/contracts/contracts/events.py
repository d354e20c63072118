"""Every event of the system. Past-tense facts and requests, frozen, unknown fields ignored.

Additive change keeps an event's version; a breaking change is a new topic. Times named `*_at` are
milliseconds since the epoch (UTC) unless typed `datetime`. An event never holds a token or a secret.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*:.+$", max_length=255)]
"""`platform:account`, e.g. `shopify:acme.myshopify.com`. The platform is an open slug."""

Ids = dict[str, tuple[str, ...]]
"""Record ids by resource, e.g. `{"products": ("gid://shopify/Product/1",)}`."""


def platform_of(connection: str) -> str:
    """The platform's slug of a connection's name."""
    return connection.partition(":")[0]


def account_of(connection: str) -> str:
    """The account at the platform of a connection's name."""
    return connection.partition(":")[2]


class Event(BaseModel):
    """What all events share: frozen, and unknown fields are ignored so that additions break nobody. An error names the
    field that does not fit, never what was in it: errors are logged, and kept beside dead letters."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ConnectionChanged(Event):
    """The full state of one connection. Said by the gateway; heard by scheduler and spaces-writer.

    Idempotency: (`connection`, `revision`); a listener ignores a revision that it has passed, which absorbs
    redelivery and a compacted topic read from its beginning. `redacted` keeps name and epoch alone.
    """

    connection: ConnectionName
    revision: int
    """Rises with every change of this connection's row at the gateway."""
    epoch: int
    """Rises at uninstall and redaction, never at a sign-in to a live connection."""
    state: str
    """connected | reauthorise | uninstalled | redacted"""
    merchant: UUID | None = None
    object_key: str | None = None
    """Where the snapshot lies in the bucket."""
    wanted_sync: UUID | None = None
    """The full sync that the gateway wants; the scheduler starts it once."""
    wanted_cause: str = "connect"
    """Why it is wanted: connect | manual"""
    scopes: tuple[str, ...] = ()
    """The granted scopes, `write_x` standing for `read_x` too."""


class SyncRequested(Event):
    """Quick lane: bring these records. Said by gateway (webhook) and scheduler; heard by fetcher and scheduler.

    Idempotency: `sync_id`, made from the delivery's webhook id, so a delivery that comes twice is one sync.
    A request with cause `test` proves the way to Kafka and causes nothing.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: int
    cause: str
    """webhook | manual | retry | postponed | reconcile | test"""
    records: Ids
    requested_at: int
    covers: tuple[UUID, ...] = ()
    """Further syncs that this request carries on; each ends with the verdict on `sync_id`."""
    cursor: str | None = None
    """Where to go on inside a record that came in parts; only its fetcher reads it."""
    attempt: int = 1
    topic: str | None = None
    """The platform's webhook topic, for logs and counters."""


class WalkStepRequested(Event):
    """Slow lane: walk step N of this sync from this cursor (None: from the start). Said by the scheduler alone.

    Idempotency: (`sync_id`, `step`): a step that runs twice says the same `sync.progressed`, of which one is taken.
    """

    sync_id: UUID
    connection: ConnectionName
    epoch: int
    cause: str
    step: int
    cursor: str | None
    requested_at: int


class SyncProgressed(Event):
    """How a request or a walk step went on. Said by fetchers; heard by the scheduler.

    `advanced`: step done, `cursor` is where the next begins. `walked`: the walk has come to its end.
    `postponed`: not before `not_before`, with what is left (`records` and `cursor`, or the step's `cursor`).
    `failed`: `reason` says why; `retry` whether trying again can help. `settled` requests need none of these:
    they end by the writer's verdict.
    """

    connection: ConnectionName
    epoch: int
    outcome: Literal["advanced", "walked", "postponed", "failed"]
    sync_ids: tuple[UUID, ...]
    """One for a walk; all requests fetched together for the quick lane."""
    step: int | None = None
    """The walk step that this is about; None on the quick lane."""
    cursor: str | None = None
    records: Ids = Field(default_factory=dict)
    not_before: int | None = None
    reason: str | None = None
    retry: bool = True
    throttled: bool = False
    attempt: int = 1
    calls: int = 0
    """Calls made to the platform."""
    points: int = 0
    """Points that the platform charged for them."""


class Part(Event):
    """Where a piece of a record lies in the record's chain: pieces join from the first (start None) to the last."""

    chain: str
    """Names one reading of the record; pieces of different readings never join."""
    start: str | None
    end: str | None
    """The next piece's `start`; None on the last."""
    path: tuple[str, ...] = ()
    """Keys from the record's body to the list that this piece's `items` go on; empty on the first piece."""

    @property
    def last(self) -> bool:
        """Whether the chain ends here."""
        return self.end is None


class Record(Event):
    """One record, whole, in the form in which the document shows it.

    `body` None with `part` None means: asked for directly, and the platform answered that it is not there.
    A first piece (`part.start` None) has its `body`; a further piece has `items` alone.
    """

    resource: str
    id: str
    read_at: int
    """When the first request that contributed was sent: the worker's clock, corrected by the platform's."""
    updated_at: datetime | None = None
    """The record's own, where the platform has one."""
    body: dict[str, Any] | None = None
    rank: int = 0
    """Order among the records of its resource, e.g. the numeric id."""
    parent: str | None = None
    """The record that this one belongs to and goes with."""
    facts: dict[str, str | None] = Field(default_factory=dict)
    """Small values that other records show: titles, handles, names."""
    volatile: dict[str, Any] = Field(default_factory=dict)
    """What moves by itself (counters, signed addresses): shown beside the body, and no change of the record."""
    items: tuple[Any, ...] = ()
    part: Part | None = None


class RecordsPage(Event):
    """A bounded batch of records. Said by fetchers; heard by the spaces-writer.

    Never skipped because its number was seen: a step that ran twice may have cut its pages differently. Every
    record passes the version check, which absorbs redelivery. (`source`, `step`, `page`) keys what it listed.
    """

    kind: Literal["page"] = "page"
    connection: ConnectionName
    epoch: int
    """Of the token that read it."""
    source: UUID
    """The walk's sync id, or the id of the records fetch."""
    step: int
    page: int
    resource: str
    window: int = 0
    attempt: int = 1
    records: tuple[Record, ...]


class WindowEnded(Event):
    """All of one window's pages have been said. Heard by the spaces-writer, which gives the window's verdict."""

    kind: Literal["window_ended"] = "window_ended"
    connection: ConnectionName
    epoch: int
    source: UUID
    resource: str
    window: int
    attempt: int
    again: str
    """Cursor from which this window alone is walked once more, with the next attempt's number."""
    sent: int
    """Distinct ids said along the chain of cursors of this attempt."""
    count_before: int | None = None
    """The platform's count when the window began; None where it has none."""
    count_after: int | None = None


class WalkEnded(Event):
    """What the walk consisted of. The writer's verdict on it, once all windows are good, makes the sync `success`."""

    kind: Literal["walk_ended"] = "walk_ended"
    connection: ConnectionName
    epoch: int
    source: UUID
    windows: tuple[tuple[str, int], ...]
    """(resource, window) of all that was walked."""
    dependents: tuple[str, ...] = ()
    """Resources whose records came with those of a walked resource."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Resource to the reason why it was not read, e.g. a missing scope."""
    started_at: int
    """Before the walk's first read, on the clock of `read_at`."""


class Settled(Event):
    """A records fetch is complete: all its pages have been said. The spaces-writer answers with the verdict."""

    kind: Literal["settled"] = "settled"
    connection: ConnectionName
    epoch: int
    source: UUID
    sync_ids: tuple[UUID, ...]
    asked: Ids
    failed: dict[str, str] = Field(default_factory=dict)
    """Ids that could not be read, with the reason."""


Fetched = Annotated[RecordsPage | WindowEnded | WalkEnded | Settled, Field(discriminator="kind")]
"""Whatever is said on `data.fetched` and `data.fetched.walk`."""

FETCHED: TypeAdapter[RecordsPage | WindowEnded | WalkEnded | Settled] = TypeAdapter(
    Fetched, config=ConfigDict(hide_input_in_errors=True)
)


class Totals(Event):
    """What became of all that one walk or fetch has said so far: absolute, so saying it twice adds nothing."""

    source: UUID
    pages: int = 0
    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    removed: int = 0


class Verdict(Event):
    """The end of syncs, by the one who stored their data.

    `incomplete`: windows must be walked again from the cursors in `again`. `cancelled`: refused for its epoch.
    """

    sync_ids: tuple[UUID, ...]
    outcome: Literal["success", "failed", "incomplete", "cancelled"]
    change: int
    """The connection's change number that holds all of it; an upload of at least that number holds its bytes."""
    reason: str | None = None
    again: tuple[str, ...] = ()
    left_out: dict[str, str] = Field(default_factory=dict)
    totals: Totals | None = None


class Upload(Event):
    """What became of one composing of the snapshot."""

    key: str
    outcome: Literal["uploaded", "unchanged", "restored", "failed"]
    """`restored`: the object was lost or overwritten, and was put again."""
    change: int
    sha256: str = ""
    bytes: int = 0
    records: int = 0
    stored_at: int = 0
    reason: str | None = None


class Erased(Event):
    """A redaction is carried out: no record and no object of the connection is left. Saying it twice adds nothing."""

    keys: tuple[str, ...]
    """The objects that were taken out of the bucket."""
    erased_at: int


class DataStored(Event):
    """What the spaces-writer did. Heard by the scheduler and by readers of the bucket.

    Idempotency: totals are absolute, verdicts final, uploads carry their change number: twice changes nothing.
    """

    connection: ConnectionName
    epoch: int
    change: int
    totals: tuple[Totals, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    wanted: Ids = Field(default_factory=dict)
    """Records to be read directly: nominated by a walk, or read twice with different content in one moment."""
    wanted_by: UUID | None = None
    """Names this wish, so that it becomes one sync."""
    upload: Upload | None = None
    braked: str | None = None
    """Why a walk's removals were not carried out."""
    erased: Erased | None = None


EVENTS: tuple[type[Event], ...] = (
    ConnectionChanged,
    SyncRequested,
    WalkStepRequested,
    SyncProgressed,
    RecordsPage,
    WindowEnded,
    WalkEnded,
    Settled,
    DataStored,
)
"""Everything whose JSON Schema is kept beside this module."""
