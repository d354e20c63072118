"""The contents of the platform's cursors: small, versioned JSON that only this service reads."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from connector.source import UnreadableRecord
from platform_sdk.errors import PermanentError
from shopify_fetcher.chunked_records import ChunkedRecord
from shopify_fetcher.scopes import CHILD_RESOURCES, READ_ORDER, describe_missing_scope, is_allowed

VERSION = 3
END = ""
"""In place of a resource: the full read is complete."""


@dataclass(frozen=True)
class FullReadCursor:
    """Where a full read is: a resource, its id range (low, high], the position in its list, and the results so far."""

    resource: str = READ_ORDER[0]
    id_range: int = 0
    low: int = 0
    high: int | None = None
    position: str | None = None
    """The position of the last id read; None at the beginning of the id range."""
    attempt: int = 1
    sent_count: int = 0
    """Distinct ids published in this attempt at the id range."""
    is_open: bool = False
    """Whether the id range has its upper bound and its count."""
    count_before: int | None = None
    """The platform's count when the id range was opened."""
    is_retry: bool = False
    """This id range alone is read once more: the rest of the full read is complete."""
    started_at: int | None = None
    """A time before the first record was read (ms); None until one was read."""
    completed: tuple[tuple[str, int], ...] = ()
    """Resources that are complete, with the number of their id ranges."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Resources that are skipped, each with the reason."""
    chunked_records: tuple[ChunkedRecord, ...] = ()
    """Incomplete records, which continue before the list does."""

    def build_retry_cursor(self) -> "FullReadCursor":
        """Return the beginning of one more attempt at this id range alone."""
        return replace(
            self,
            position=None,
            attempt=self.attempt + 1,
            sent_count=0,
            is_open=False,
            count_before=None,
            is_retry=True,
            started_at=None,
            completed=(),
            skipped=(),
            chunked_records=(),
        )

    def complete_range(self, scopes: frozenset[str]) -> "FullReadCursor":
        """Return the next id range, or the next resource that may be read, or the end."""
        if self.is_retry:
            return replace(self, resource=END)
        if self.high is None:
            completed = (*self.completed, (self.resource, self.id_range + 1))
            return self._find_next_resource(completed, self.skipped, scopes)
        return FullReadCursor(
            self.resource,
            self.id_range + 1,
            self.high,
            started_at=self.started_at,
            completed=self.completed,
            skipped=self.skipped,
        )

    def skip_resource(self, scopes: frozenset[str]) -> "FullReadCursor":
        """Return the next resource that may be read, or the end; this one is skipped."""
        return self._find_next_resource(self.completed, self.exclude_resource(self.resource, scopes).skipped, scopes)

    def exclude_resource(self, resource: str, scopes: frozenset[str]) -> "FullReadCursor":
        """Return this cursor with `resource` and its child resources skipped, for the first reason that there was."""
        excluded = (resource, *CHILD_RESOURCES.get(resource, ()))
        new = ((r, describe_missing_scope(r, scopes)) for r in excluded if r not in dict(self.skipped))
        chunked_records = tuple(chunked for chunked in self.chunked_records if chunked.resource not in excluded)
        return replace(self, skipped=(*self.skipped, *new), chunked_records=chunked_records)

    def _find_next_resource(
        self, completed: tuple[tuple[str, int], ...], skipped: tuple[tuple[str, str], ...], scopes: frozenset[str]
    ) -> "FullReadCursor":
        cursor = FullReadCursor(END, started_at=self.started_at, completed=completed, skipped=skipped)
        for resource in READ_ORDER[READ_ORDER.index(self.resource) + 1 :]:
            if is_allowed(resource, scopes):
                return replace(cursor, resource=resource)
            cursor = cursor.exclude_resource(resource, scopes)
        return cursor

    def encode(self) -> str:
        """Return the cursor as text."""
        body: dict[str, Any] = {"v": VERSION, **{name: getattr(self, name) for name in _PLAIN_FIELDS}}
        body["chunked_records"] = [chunked.encode() for chunked in self.chunked_records]
        return orjson.dumps(body).decode()

    @classmethod
    def decode(cls, cursor: str | None) -> "FullReadCursor":
        """Return the cursor in a text; None is the beginning. Raises PermanentError for one of another version."""
        if cursor is None:
            return cls()
        body = _parse_cursor(cursor)
        chunked_records = tuple(ChunkedRecord.decode(content) for content in body["chunked_records"])
        pairs = {name: tuple(map(tuple, body[name])) for name in ("completed", "skipped")}
        return cls(**{**{name: body[name] for name in _PLAIN_FIELDS}, **pairs}, chunked_records=chunked_records)


_PLAIN_FIELDS = (
    "resource", "id_range", "low", "high", "position", "attempt", "sent_count", "is_open", "count_before", "is_retry",
    "started_at", "completed", "skipped",
)  # fmt: skip


@dataclass(frozen=True)
class IncrementalReadCursor:
    """Where an incremental read is: how many of its sorted ids are done, incomplete records, and unreadable ones."""

    done_count: int = 0
    chunked_records: tuple[ChunkedRecord, ...] = ()
    unreadable: tuple[UnreadableRecord, ...] = ()

    def encode(self) -> str:
        """Return the cursor as text."""
        body = {
            "v": VERSION,
            "done_count": self.done_count,
            "chunked_records": [chunked.encode() for chunked in self.chunked_records],
            "unreadable": [(record.resource, record.id, record.reason) for record in self.unreadable],
        }
        return orjson.dumps(body).decode()

    @classmethod
    def decode(cls, cursor: str | None) -> "IncrementalReadCursor":
        """Return the cursor in a text; None is the beginning. Raises PermanentError for one of another version."""
        if cursor is None:
            return cls()
        body = _parse_cursor(cursor)
        unreadable = tuple(UnreadableRecord(resource, gid, reason) for resource, gid, reason in body["unreadable"])
        chunked_records = tuple(ChunkedRecord.decode(content) for content in body["chunked_records"])
        return cls(body["done_count"], chunked_records, unreadable)


def _parse_cursor(cursor: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(cursor)
    if body.get("v") != VERSION:
        raise PermanentError("a cursor of another version: the work must begin anew", retryable=True)
    return body
