"""Encodes where a read of a shop continues: a cursor is small JSON with a version, and only this service reads it."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from connector.source import UnreadableRecord
from platform_sdk.errors import PermanentError
from shopify_fetcher.chunked_records import UnfinishedRecord
from shopify_fetcher.scopes import CHILD_RESOURCES, READ_ORDER, describe_missing_scope, is_allowed

VERSION = 4
END = ""
"""The value of `FullReadCursor.resource` when the full read is complete."""


RangePhase = Literal["new", "counted", "verified", "listed"]
"""How the current id range is read. `new`: its upper bound has not been determined yet. `counted`: page by page,
between two counts. `verified`: it was read so, but the counts did not prove it complete, and its ids are listed once
more. `listed`: it is read from lists that come with their counts."""


@dataclass(frozen=True)
class FullReadCursor:
    """Where a full read continues: the resource, the id range and the position in it; and the results so far.

    The id range has the number `id_range`. It contains the ids above `low`, up to and including `high`. If `high` is
    None, it has no upper bound.
    """

    resource: str = READ_ORDER[0]
    id_range: int = 0
    low: int = 0
    high: int | None = None
    phase: RangePhase = "new"
    position: int | None = None
    """The number of the last id whose record was read; None at the beginning of the id range."""
    listed_up_to: int | None = None
    """The number of the last id up to which lists with counts were published; None at the beginning of the id range,
    and when the last list has no upper bound."""
    is_listed: bool = False
    """Whether lists with counts were published for the whole id range."""
    unread_up_to: int | None = None
    """The number of the last id of the published list whose records are being read; None when all were read. Its end is
    fixed, so that a shop that gets new records all the time is read to an end."""
    page_ends: tuple[int, ...] = ()
    """The numbers of the last ids of the full pages that were listed: the bounds of the parts that one response shows
    if the id range must be listed once more. There are 100 at most."""
    tries: int = 0
    """How often the list and the count of the next part of the id range disagreed."""
    attempt: int = 1
    sent_count: int = 0
    """The number of distinct ids that were published in this attempt at the id range."""
    count_before: int | None = None
    """How many ids Shopify counted before the id range was read; None when they were not or cannot be counted."""
    count_after: int | None = None
    """How many ids Shopify counted after the id range was read; None when they were not or cannot be counted."""
    is_retry: bool = False
    """Whether this cursor reads only this one id range again, after a full read that is otherwise complete."""
    started_at: int | None = None
    """A time before the first record was read (Unix time, ms); None until a record was read."""
    completed: tuple[tuple[str, int], ...] = ()
    """The resources that are complete, each with the number of its id ranges."""
    skipped: tuple[tuple[str, str], ...] = ()
    """The resources that are skipped, each with the reason."""
    chunked_records: tuple[UnfinishedRecord, ...] = ()
    """The records that are not complete. Their remaining chunks are read before more ids are listed."""

    def build_retry_cursor(self) -> "FullReadCursor":
        """Return the cursor that reads this id range, and nothing else, once more from its beginning."""
        return FullReadCursor(
            self.resource, self.id_range, self.low, self.high, attempt=self.attempt + 1, is_retry=True
        )

    def complete_range(self, scopes: frozenset[str]) -> "FullReadCursor":
        """Return the cursor of the next id range, else of the next resource that `scopes` allow, else of the end."""
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
        """Mark this resource as skipped. Return the cursor of the next resource that `scopes` allow, or of the end."""
        return self._find_next_resource(self.completed, self.exclude_resource(self.resource, scopes).skipped, scopes)

    def exclude_resource(self, resource: str, scopes: frozenset[str]) -> "FullReadCursor":
        """Return this cursor with `resource` and its child resources marked as skipped.

        The reason is the scope that is missing. A resource that is marked already keeps its first reason.
        """
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
        """Parse a cursor; None gives the beginning of a read. Raises PermanentError for a cursor of another version."""
        if cursor is None:
            return cls()
        body = _parse_cursor(cursor)
        chunked_records = tuple(UnfinishedRecord.decode(content) for content in body["chunked_records"])
        lists = {name: tuple(map(tuple, body[name])) for name in ("completed", "skipped")}
        lists["page_ends"] = tuple(body["page_ends"])
        return cls(**{**{name: body[name] for name in _PLAIN_FIELDS}, **lists}, chunked_records=chunked_records)


_PLAIN_FIELDS = (
    "resource", "id_range", "low", "high", "phase", "position", "listed_up_to", "is_listed", "unread_up_to",
    "page_ends", "tries", "attempt", "sent_count", "count_before", "count_after", "is_retry", "started_at",
    "completed", "skipped",
)  # fmt: skip


@dataclass(frozen=True)
class IncrementalReadCursor:
    """Where an incremental read continues.

    `done_count` is how many of the requested ids, in sorted order, are done. `chunked_records` are the records of which
    some chunks are still to be read, and `unreadable` those that could not be read.
    """

    done_count: int = 0
    chunked_records: tuple[UnfinishedRecord, ...] = ()
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
        """Parse a cursor; None gives the beginning of a read. Raises PermanentError for a cursor of another version."""
        if cursor is None:
            return cls()
        body = _parse_cursor(cursor)
        unreadable = tuple(UnreadableRecord(resource, gid, reason) for resource, gid, reason in body["unreadable"])
        chunked_records = tuple(UnfinishedRecord.decode(content) for content in body["chunked_records"])
        return cls(body["done_count"], chunked_records, unreadable)


def _parse_cursor(cursor: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(cursor)
    if body.get("v") != VERSION:
        raise PermanentError("a cursor of another version: the work must begin anew", retryable=True)
    return body
