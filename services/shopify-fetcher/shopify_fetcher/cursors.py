"""The places that cursors hold. Small, versioned JSON that only this service reads."""

from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from fetching.errors import Refused
from shopify_fetcher.chains import Chain
from shopify_fetcher.scopes import WALKED, allowed

VERSION = 1


@dataclass(frozen=True)
class WalkPlace:
    """Where a walk is: a resource, its window (low, high], the place in its list, and what is known so far."""

    resource: str = WALKED[0]
    window: int = 0
    low: int = 0
    high: int | None = None
    at: str | None = None
    """The last place passed in the list; None at the window's beginning."""
    attempt: int = 1
    sent: int = 0
    """Distinct ids said in this attempt at the window."""
    opened: bool = False
    before: int | None = None
    """The platform's count when the window was opened."""
    alone: bool = False
    """This window is walked once more by itself: the rest of the walk is done."""
    started_at: int | None = None
    """Before the walk's first read (ms); None until something was read."""
    done: tuple[tuple[str, int], ...] = ()
    """Resources that are behind, with the number of their windows."""
    chains: tuple[Chain, ...] = ()
    """Records said in part, to be gone on with before the list."""

    def again(self) -> "WalkPlace":
        """The beginning of one more attempt at this window alone."""
        return replace(
            self,
            at=None,
            attempt=self.attempt + 1,
            sent=0,
            opened=False,
            before=None,
            alone=True,
            started_at=None,
            done=(),
            chains=(),
        )

    def after_window(self, scopes: frozenset[str]) -> "WalkPlace | None":
        """The next window, or the next resource that may be read; None at the walk's end."""
        if self.high is not None:
            return WalkPlace(self.resource, self.window + 1, self.high, started_at=self.started_at, done=self.done)
        done = self.finished()
        following = [r for r in WALKED[WALKED.index(self.resource) + 1 :] if allowed(r, scopes)]
        return WalkPlace(following[0], started_at=self.started_at, done=done) if following else None

    def finished(self) -> tuple[tuple[str, int], ...]:
        """Resources behind the end of this one, with the number of their windows."""
        return (*self.done, (self.resource, self.window + 1))

    def encoded(self) -> str:
        """As a cursor."""
        body: dict[str, Any] = {"v": VERSION, **{name: getattr(self, name) for name in _PLAIN}}
        body["chains"] = [chain.packed() for chain in self.chains]
        return orjson.dumps(body).decode()

    @classmethod
    def decoded(cls, cursor: str | None) -> "WalkPlace":
        """From a cursor; None is the walk's beginning. Raises `Refused` for one of another version."""
        if cursor is None:
            return cls()
        body = _body(cursor)
        chains = tuple(Chain.unpacked(packed) for packed in body["chains"])
        done = tuple((resource, windows) for resource, windows in body["done"])
        return cls(**{name: body[name] for name in _PLAIN if name != "done"}, done=done, chains=chains)


_PLAIN = (
    "resource", "window", "low", "high", "at", "attempt", "sent", "opened", "before", "alone", "started_at", "done",
)  # fmt: skip


@dataclass(frozen=True)
class ReadPlace:
    """Where a records fetch is: how many of its sorted ids are behind, and records said in part."""

    passed: int = 0
    chains: tuple[Chain, ...] = field(default=())

    def encoded(self) -> str:
        """As a cursor."""
        return orjson.dumps(
            {"v": VERSION, "passed": self.passed, "chains": [chain.packed() for chain in self.chains]}
        ).decode()

    @classmethod
    def decoded(cls, cursor: str | None) -> "ReadPlace":
        """From a cursor; None is the beginning. Raises `Refused` for one of another version."""
        if cursor is None:
            return cls()
        body = _body(cursor)
        return cls(body["passed"], tuple(Chain.unpacked(packed) for packed in body["chains"]))


def _body(cursor: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(cursor)
    if body.get("v") != VERSION:
        raise Refused("a cursor of another version: the work must begin anew", retry=True)
    return body
