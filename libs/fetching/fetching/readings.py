"""What a platform gives to the lanes, piece by piece, and what it is asked with."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from contracts.events import Ids, Record
from fetching.access import Access


@dataclass(frozen=True)
class Batch:
    """Records, and those that came with them; `resource` is the one that was asked for or walked."""

    resource: str
    records: tuple[Record, ...]
    window: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class Unread:
    """An id that could not be read: never to be mistaken for one that is gone."""

    resource: str
    id: str
    reason: str
    retry: bool = False
    """Whether asking again can help."""


@dataclass(frozen=True)
class Reached:
    """All that was given so far is whole; from `cursor` the rest goes on. Lanes stop at these points only."""

    cursor: str


@dataclass(frozen=True)
class WindowDone:
    """The end of one window; fields as in `contracts.events.WindowEnded`."""

    resource: str
    window: int
    attempt: int
    again: str
    sent: int
    count_before: int | None = None
    count_after: int | None = None


@dataclass(frozen=True)
class WalkDone:
    """The end of the walk; fields as in `contracts.events.WalkEnded`."""

    windows: tuple[tuple[str, int], ...]
    started_at: int
    dependents: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)


QUICK, WALK = "quick", "walk"
"""The lanes' names."""

Reading = Batch | Unread | Reached
Step = Batch | WindowDone | WalkDone | Reached


@dataclass
class Errand:
    """One handler's work at one connection: its access, and what it has cost so far.

    `source` names the walk or fetch; `lane` is quick or walk, and walks leave half of the platform's budget free.
    """

    access: Access
    source: UUID
    lane: str
    renew: Callable[[Access], Awaitable[Access]]
    """Reports a refused access to the gateway and gives a new one; raises as `Tokens` of the lanes."""
    anew: Callable[[], Awaitable[Access]]
    """Asks the gateway for what is granted now: a remembered access may have old scopes. Raises as `renew`."""
    calls: int = 0
    points: int = 0


class Platform(Protocol):
    """What a fetcher implements. No `Reached` comes at the very end: then the generator is simply exhausted.

    Both may raise `NotNow`, `Refused` or `ConnectionEnded` between two pieces.
    """

    def read(self, errand: Errand, ids: Ids, cursor: str | None) -> AsyncGenerator[Reading, None]:
        """Read these records directly, from the start or from a `Reached` cursor of an earlier try at the same ids.

        An id asked for and answered as absent without an error is a record without a body. What was unread for good in
        earlier tries is said again.
        """
        ...

    def walk(self, errand: Errand, cursor: str | None) -> AsyncGenerator[Step, None]:
        """Walk everything from `cursor`; it ends when the walk has come to its end."""
        ...

    def left(self) -> dict[str, float]:
        """By kind of rate limit, what is left of it now, from 0 to 1: where accounts have one each, the least."""
        ...
