"""What building records from an answer needs to know, and what it gives."""

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from contracts.events import Record
from shopify_fetcher.chains import Chain, Rest
from shopify_fetcher.gids import number

Node = dict[str, Any]


class PageInfo(Protocol):
    """Whether a connection goes on, and from where."""

    hasNextPage: bool  # the platform's name
    endCursor: str | None


@dataclass(frozen=True)
class Moment:
    """One answer: which fetch or walk read it, when its request was sent (ms), and whether stock came with it."""

    source: UUID
    read_at: int
    stock: bool = True

    def chain(self, resource: str, gid: str, rests: tuple[Rest, ...]) -> Chain | None:
        """The chain of a record whose lists go on; None where none does."""
        name = f"{self.source}:{gid}:{self.read_at}"
        return Chain(resource, gid, self.read_at, name, rests) if rests else None


@dataclass
class Built:
    """Records, the chains of those that are not at their end, and inventory items that must be read by themselves."""

    records: list[Record] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    short: dict[str, str] = field(default_factory=dict)
    """Each with the product that it belongs to."""

    def add(self, record: Record, chain: Chain | None = None) -> None:
        """Take a record; with `chain`, it is the first piece of it."""
        if chain is None:
            self.records.append(record)
            return
        self.records.append(record.model_copy(update={"chunk": chain.opening}))
        self.chains.append(chain)

    def join(self, other: "Built") -> None:
        """Take all that `other` has."""
        self.records += other.records
        self.chains += other.chains
        self.short |= other.short


def rest(listing: str, page_info: PageInfo) -> tuple[Rest, ...]:
    """What is left of a connection, if anything."""
    return (Rest(listing, page_info.endCursor),) if page_info.hasNextPage else ()


def by_number(gids: list[str]) -> list[str]:
    """Gids in the order of their numbers."""
    return sorted(gids, key=number)


def gone(resource: str, gid: str, read_at: int) -> Record:
    """A record that was asked for directly and is not there."""
    return Record(resource=resource, id=gid, read_at=read_at, sort_key=number(gid))
