"""Layouts: how the current records of a connection become its document. One pure module a platform that needs one."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """A stored record as a layout sees it: its canonical body, when it was read (ms), and what moves by itself in it
    (canonical JSON)."""

    id: str
    body: bytes
    read_at: int
    volatile: str = "{}"


class Records(Protocol):
    """One consistent view of a connection's living records. Everything is read from one moment."""

    async def ids(self, resource: str, *, by_title: bool = False) -> Sequence[str]:
        """Ids in the document's order: by rank, or by the fact `title` (code points) and then rank."""
        ...

    def stored(self, resource: str, ids: Sequence[str]) -> AsyncIterator[Sequence[Stored]]:
        """Bodies in the order of `ids`, in chunks of a few megabytes."""
        ...

    async def children(self, resource: str, parents: Sequence[str]) -> Sequence[Stored]:
        """All records of `resource` that belong to one of `parents`."""
        ...

    async def facts(self, resource: str) -> Mapping[str, Mapping[str, str | None]]:
        """The facts of all records of `resource` by id."""
        ...


Layout = Callable[[Records], AsyncIterator[bytes]]
"""Gives the document's bytes piece by piece; the pieces joined are canonical JSON."""
