"""Publishes a record in chunks when its nested lists are longer than one response.

Each response becomes one chunk, so that no record has to be held in memory. The lists are read one after another, and
the position of the next chunk is small enough for the read's cursor.
"""

from dataclasses import dataclass
from typing import Any

from contracts.events import RecordChunk


@dataclass(frozen=True)
class Continuation:
    """A nested list of which more is to be read.

    `nested_list` is its name in `continuations.NESTED_LISTS`. `after` is Shopify's cursor of the last item that was
    read; None reads the list from its beginning.
    """

    nested_list: str
    after: str | None

    @property
    def cursor(self) -> str:
        """The position of the next chunk in its record: the list's name, a colon, and Shopify's cursor."""
        return f"{self.nested_list}:{self.after or ''}"


@dataclass(frozen=True)
class UnfinishedRecord:
    """A record of which some chunks are still to be read.

    `continuations` are the remaining lists, in the order in which they are read. `read_at` is when the first chunk was
    requested (ms). `reading_id` identifies this reading of the record: the chunks of one record are joined only when
    their `reading_id` is the same.
    """

    resource: str
    id: str
    read_at: int
    reading_id: str
    continuations: tuple[Continuation, ...]

    def build_first_chunk_info(self) -> RecordChunk:
        """Return the `chunk` field of the record's first message.

        The field has the id of the reading and the cursor of the following chunk. The chunk's data is not in it.
        """
        return RecordChunk(reading_id=self.reading_id, cursor=None, next_cursor=self.continuations[0].cursor)

    def advance(self, after: str | None) -> "UnfinishedRecord | None":
        """Return what remains after the next chunk, or None when the record is complete.

        `after` is Shopify's cursor at the end of that chunk; None when the chunk completes its list.
        """
        first, *others = self.continuations
        remaining = (Continuation(first.nested_list, after), *others) if after is not None else tuple(others)
        if not remaining:
            return None
        return UnfinishedRecord(self.resource, self.id, self.read_at, self.reading_id, remaining)

    def build_chunk_info(self, path: tuple[str, ...], remaining: "UnfinishedRecord | None") -> RecordChunk:
        """Return the `chunk` field of the message with the next chunk.

        The field has the id of the reading, and the cursors of this chunk and of the following one. `path` leads from
        the record's body to the list that the chunk's items belong to. `remaining` is what `advance` has returned for
        this chunk.
        """
        next_cursor = remaining.continuations[0].cursor if remaining is not None else None
        return RecordChunk(
            reading_id=self.reading_id, cursor=self.continuations[0].cursor, next_cursor=next_cursor, path=path
        )

    def encode(self) -> list[Any]:
        """Return the unfinished record as a JSON list, which becomes a part of the read's cursor."""
        continuations = [[c.nested_list, c.after] for c in self.continuations]
        return [self.resource, self.id, self.read_at, self.reading_id, continuations]

    @classmethod
    def decode(cls, content: list[Any]) -> "UnfinishedRecord":
        """Return the unfinished record from which `encode` has made the list `content`."""
        resource, gid, read_at, reading_id, continuations = content
        return cls(
            resource, gid, read_at, reading_id, tuple(Continuation(name, after) for name, after in continuations)
        )
