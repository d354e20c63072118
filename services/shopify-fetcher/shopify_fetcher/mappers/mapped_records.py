"""What mapping a response to records needs to know, and what it returns. Each resource's mapper has a module."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.chunked_records import ChunkedRecord, Continuation
from shopify_fetcher.generated.fragments import (
    CodePagePageInfo,
    CollectionIdPagePageInfo,
    LevelPagePageInfo,
    MediaPagePageInfo,
    MetafieldPagePageInfo,
    ProductIdPagePageInfo,
    VariantPagePageInfo,
    VariantTitlePagePageInfo,
)

Node = dict[str, Any]
PageInfo = (
    CodePagePageInfo
    | CollectionIdPagePageInfo
    | LevelPagePageInfo
    | MediaPagePageInfo
    | MetafieldPagePageInfo
    | ProductIdPagePageInfo
    | VariantPagePageInfo
    | VariantTitlePagePageInfo
)
"""Whether a nested list continues, and from which cursor."""


@dataclass(frozen=True)
class ResponseInfo:
    """The read that a response belongs to, when its request was sent (ms), and whether inventory came with it."""

    read_id: UUID
    read_at: int
    includes_inventory: bool = True

    def build_chunked_record(
        self, resource: str, gid: str, continuations: tuple[Continuation, ...]
    ) -> ChunkedRecord | None:
        """Return the chunked record whose nested lists continue; None where none does."""
        reading_id = f"{self.read_id}:{gid}:{self.read_at}"
        return ChunkedRecord(resource, gid, self.read_at, reading_id, continuations) if continuations else None


@dataclass
class MappedRecords:
    """Records, the chunked records that are not complete, and inventory items that must be read by themselves."""

    records: list[Record] = field(default_factory=list)
    chunked_records: list[ChunkedRecord] = field(default_factory=list)
    incomplete_items: dict[str, str] = field(default_factory=dict)
    """By inventory item, the product that it belongs to."""

    def add_record(self, record: Record, chunked: ChunkedRecord | None = None) -> None:
        """Add a record, which with `chunked` is the first chunk of it."""
        if chunked is None:
            self.records.append(record)
            return
        self.records.append(record.model_copy(update={"chunk": chunked.build_first_chunk()}))
        self.chunked_records.append(chunked)

    def merge(self, other: "MappedRecords") -> None:
        """Add everything in `other`."""
        self.records += other.records
        self.chunked_records += other.chunked_records
        self.incomplete_items |= other.incomplete_items


def build_continuations(nested_list: str, page_info: PageInfo) -> tuple[Continuation, ...]:
    """Return the continuation of a nested list, if it has one."""
    return (Continuation(nested_list, page_info.endCursor),) if page_info.hasNextPage else ()


def sort_by_number(gids: list[str]) -> list[str]:
    """Return gids in the order of their numbers."""
    return sorted(gids, key=parse_number)


def build_tombstone(resource: str, gid: str, read_at: int) -> Record:
    """Return the record of an id that was requested directly and does not exist."""
    return Record(resource=resource, id=gid, read_at=read_at, sort_key=parse_number(gid))
