"""Chunked records: a record whose nested lists are longer than one response is published in chunks, list by list.

Nothing is collected: each response is one chunk, and the position of the next one is small enough for the cursor.
"""

from dataclasses import dataclass
from typing import Any

from contracts.events import RecordChunk


@dataclass(frozen=True)
class Continuation:
    """A nested list that continues: its name in `continuations.NESTED_LISTS`, and the platform's cursor (None: from its
    beginning)."""

    nested_list: str
    after: str | None

    @property
    def cursor(self) -> str:
        """The position in the chunked record."""
        return f"{self.nested_list}:{self.after or ''}"


@dataclass(frozen=True)
class ChunkedRecord:
    """One reading of one record that is not complete; `continuations` are the lists that are still to be read, in
    order. Chunks with different `reading_id` never join."""

    resource: str
    id: str
    read_at: int
    reading_id: str
    continuations: tuple[Continuation, ...]

    def build_first_chunk(self) -> RecordChunk:
        """Return the position of the first chunk."""
        return RecordChunk(reading_id=self.reading_id, cursor=None, next_cursor=self.continuations[0].cursor)

    def advance(self, after: str | None) -> "ChunkedRecord | None":
        """Return what remains after a chunk whose list continues at `after` (None: the list is complete)."""
        first, *others = self.continuations
        remaining = (Continuation(first.nested_list, after), *others) if after is not None else tuple(others)
        if not remaining:
            return None
        return ChunkedRecord(self.resource, self.id, self.read_at, self.reading_id, remaining)

    def build_chunk(self, path: tuple[str, ...], remaining: "ChunkedRecord | None") -> RecordChunk:
        """Return the position of the next chunk, whose items belong at `path`."""
        next_cursor = remaining.continuations[0].cursor if remaining is not None else None
        return RecordChunk(
            reading_id=self.reading_id, cursor=self.continuations[0].cursor, next_cursor=next_cursor, path=path
        )

    def encode(self) -> list[Any]:
        """Return the form in which cursors contain it."""
        continuations = [[c.nested_list, c.after] for c in self.continuations]
        return [self.resource, self.id, self.read_at, self.reading_id, continuations]

    @classmethod
    def decode(cls, content: list[Any]) -> "ChunkedRecord":
        """Return the chunked record in a cursor."""
        resource, gid, read_at, reading_id, continuations = content
        return cls(
            resource, gid, read_at, reading_id, tuple(Continuation(name, after) for name, after in continuations)
        )
