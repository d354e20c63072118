"""The places that cursors hold. Small, versioned JSON that only this service reads."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from connector.source import UnreadableRecord
from platform_sdk.errors import PermanentError
from shopify_fetcher.chains import Chain
from shopify_fetcher.scopes import COME_ALONG, WALKED, allowed, refusal

VERSION = 2
END = ""
"""In the place of a resource: the walk has come to its end."""


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
    left: tuple[tuple[str, str], ...] = ()
    """Resources that are left out, each with the reason."""
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
            left=(),
            chains=(),
        )

    def after_window(self, scopes: frozenset[str]) -> "WalkPlace":
        """The next window, or the next resource that may be read, or the walk's end."""
        if self.alone:
            return replace(self, resource=END)
        if self.high is None:
            return self._following((*self.done, (self.resource, self.window + 1)), self.left, scopes)
        return WalkPlace(
            self.resource, self.window + 1, self.high, started_at=self.started_at, done=self.done, left=self.left
        )

    def after_leaving(self, scopes: frozenset[str]) -> "WalkPlace":
        """The next resource that may be read, or the walk's end; this one is left out."""
        return self._following(self.done, self.without(self.resource, scopes).left, scopes)

    def without(self, resource: str, scopes: frozenset[str]) -> "WalkPlace":
        """Here, and `resource` with all that comes with it is left out, for the first reason that there was."""
        named = (resource, *COME_ALONG.get(resource, ()))
        new = ((r, refusal(r, scopes)) for r in named if r not in dict(self.left))
        chains = tuple(chain for chain in self.chains if chain.resource not in named)
        return replace(self, left=(*self.left, *new), chains=chains)

    def _following(
        self, done: tuple[tuple[str, int], ...], left: tuple[tuple[str, str], ...], scopes: frozenset[str]
    ) -> "WalkPlace":
        place = WalkPlace(END, started_at=self.started_at, done=done, left=left)
        for resource in WALKED[WALKED.index(self.resource) + 1 :]:
            if allowed(resource, scopes):
                return replace(place, resource=resource)
            place = place.without(resource, scopes)
        return place

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
        pairs = {name: tuple(map(tuple, body[name])) for name in ("done", "left")}
        return cls(**{**{name: body[name] for name in _PLAIN}, **pairs}, chains=chains)


_PLAIN = (
    "resource", "window", "low", "high", "at", "attempt", "sent", "opened", "before", "alone", "started_at", "done",
    "left",
)  # fmt: skip


@dataclass(frozen=True)
class ReadPlace:
    """Where a records fetch is: how many of its sorted ids are behind, records said in part, and what was unread."""

    passed: int = 0
    chains: tuple[Chain, ...] = ()
    unread: tuple[UnreadableRecord, ...] = ()

    def encoded(self) -> str:
        """As a cursor."""
        chains = [chain.packed() for chain in self.chains]
        unread = [(u.resource, u.id, u.reason) for u in self.unread]
        return orjson.dumps({"v": VERSION, "passed": self.passed, "chains": chains, "unread": unread}).decode()

    @classmethod
    def decoded(cls, cursor: str | None) -> "ReadPlace":
        """From a cursor; None is the beginning. Raises `Refused` for one of another version."""
        if cursor is None:
            return cls()
        body = _body(cursor)
        unread = tuple(UnreadableRecord(resource, gid, reason) for resource, gid, reason in body["unread"])
        return cls(body["passed"], tuple(Chain.unpacked(packed) for packed in body["chains"]), unread)


def _body(cursor: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(cursor)
    if body.get("v") != VERSION:
        raise PermanentError("a cursor of another version: the work must begin anew", retryable=True)
    return body
