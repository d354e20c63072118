"""What a platform gives to the lanes, piece by piece, and what it is asked with."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from connector.tokens import AccessToken
from contracts.events import Record, RecordIds


@dataclass(frozen=True)
class RecordBatch:
    """Records, and those that came with them; `resource` is the one that was asked for or walked."""

    resource: str
    records: tuple[Record, ...]
    id_range: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class UnreadableRecord:
    """An id that could not be read: never to be mistaken for one that is gone."""

    resource: str
    id: str
    reason: str
    retryable: bool = False
    """Whether asking again can help."""


@dataclass(frozen=True)
class Checkpoint:
    """All that was given so far is whole; from `cursor` the rest goes on. Lanes stop at these points only."""

    cursor: str


@dataclass(frozen=True)
class RangeEnd:
    """The end of one window; fields as in `contracts.events.WindowEnded`."""

    resource: str
    id_range: int
    attempt: int
    retry_cursor: str
    sent_count: int
    count_before: int | None = None
    count_after: int | None = None


@dataclass(frozen=True)
class FullReadEnd:
    """The end of the walk; fields as in `contracts.events.WalkEnded`."""

    id_ranges: tuple[tuple[str, int], ...]
    started_at: int
    child_resources: tuple[str, ...] = ()
    skipped_resources: dict[str, str] = field(default_factory=dict)


INCREMENTAL, FULL = "incremental", "full"
"""The lanes' names."""

IncrementalReadStep = RecordBatch | UnreadableRecord | Checkpoint
FullReadStep = RecordBatch | RangeEnd | FullReadEnd | Checkpoint


@dataclass
class SyncContext:
    """One handler's work at one connection: its access, and what it has cost so far.

    `source` names the walk or fetch; `lane` is quick or walk, and walks leave half of the platform's budget free.
    """

    token: AccessToken
    read_id: UUID
    mode: str
    replace_token: Callable[[AccessToken], Awaitable[AccessToken]]
    """Reports a refused access to the gateway and gives a new one; raises as `Tokens` of the lanes."""
    refresh_token: Callable[[], Awaitable[AccessToken]]
    """Asks the gateway for what is granted now: a remembered access may have old scopes. Raises as `renew`."""
    calls: int = 0
    points: int = 0


class Source(Protocol):
    """What a fetcher implements. No `Reached` comes at the very end: then the generator is simply exhausted.

    Both may raise `NotNow`, `Refused` or `ConnectionEnded` between two pieces.
    """

    def read_records(
        self, errand: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read these records directly, from the start or from a `Reached` cursor of an earlier try at the same ids.

        An id asked for and answered as absent without an error is a record without a body. What was unread for good in
        earlier tries is said again.
        """
        ...

    def read_all(self, errand: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Walk everything from `cursor`; it ends when the walk has come to its end."""
        ...

    def measure_budget(self) -> dict[str, float]:
        """By kind of rate limit, what is left of it now, from 0 to 1: where accounts have one each, the least."""
        ...
