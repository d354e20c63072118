"""Chains: a record whose nested lists are longer than one answer is said in pieces, from list to list to its end.

Nothing is gathered: each answer is one piece, and the place of the next is small enough for the cursor.
"""

from dataclasses import dataclass
from typing import Any

from contracts.events import RecordChunk


@dataclass(frozen=True)
class Rest:
    """A nested list that goes on: its name in `listings`, and the platform's cursor (None: from its beginning)."""

    listing: str
    after: str | None

    @property
    def token(self) -> str:
        """Names the place in the chain."""
        return f"{self.listing}:{self.after or ''}"


@dataclass(frozen=True)
class Chain:
    """One reading of one record that is not at its end; `rests` are the lists that are still to be read, in order."""

    resource: str
    id: str
    read_at: int
    name: str
    """Names the reading: pieces of different readings never join."""
    rests: tuple[Rest, ...]

    @property
    def opening(self) -> RecordChunk:
        """The part that the first piece is."""
        return RecordChunk(reading_id=self.name, cursor=None, next_cursor=self.rests[0].token)

    def following(self, after: str | None) -> "Chain | None":
        """The chain after a piece was read whose list goes on at `after` (None: the list is at its end)."""
        first, *others = self.rests
        rests = (Rest(first.listing, after), *others) if after is not None else tuple(others)
        return Chain(self.resource, self.id, self.read_at, self.name, rests) if rests else None

    def part(self, path: tuple[str, ...], following: "Chain | None") -> RecordChunk:
        """The part that the next piece is, with items at `path`."""
        end = following.rests[0].token if following is not None else None
        return RecordChunk(reading_id=self.name, cursor=self.rests[0].token, next_cursor=end, path=path)

    def packed(self) -> list[Any]:
        """As it stands in a cursor."""
        return [self.resource, self.id, self.read_at, self.name, [[rest.listing, rest.after] for rest in self.rests]]

    @classmethod
    def unpacked(cls, packed: list[Any]) -> "Chain":
        """From a cursor."""
        resource, gid, read_at, name, rests = packed
        return cls(resource, gid, read_at, name, tuple(Rest(listing, after) for listing, after in rests))
