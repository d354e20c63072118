"""What all mappers share: what they need to know of a response, and the records that they return."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.chunked_records import Continuation, UnfinishedRecord
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
    """What a mapper needs to know of a response besides its data.

    `read_id` is the read that the response belongs to. `read_at` is when its request was sent (Unix time, ms).
    `includes_inventory` says whether the scopes allow inventory, so that it came with the products.
    """

    read_id: UUID
    read_at: int
    includes_inventory: bool = True

    def build_unfinished_record(
        self, resource: str, gid: str, continuations: tuple[Continuation, ...]
    ) -> UnfinishedRecord | None:
        """Return what is still to be read of a record: the rest of the nested lists in `continuations`.

        Returns None when `continuations` is empty, because the record is then complete.
        """
        reading_id = f"{self.read_id}:{gid}:{self.read_at}"
        return UnfinishedRecord(resource, gid, self.read_at, reading_id, continuations) if continuations else None


@dataclass
class MappedRecords:
    """Holds the records of responses, the chunked records still to be completed, and incomplete inventory items.

    An inventory item is incomplete when not all of its levels (quantities at a location) came with its product; it is
    then read directly.
    """

    records: list[Record] = field(default_factory=list)
    chunked_records: list[UnfinishedRecord] = field(default_factory=list)
    incomplete_items: dict[str, str] = field(default_factory=dict)
    """The gid of each incomplete inventory item, with the gid of its product."""

    def add_record(self, record: Record, chunked: UnfinishedRecord | None = None) -> None:
        """Add a complete record or, when `chunked` says what remains to be read, the record's first chunk."""
        if chunked is None:
            self.records.append(record)
            return
        self.records.append(record.model_copy(update={"chunk": chunked.build_first_chunk_info()}))
        self.chunked_records.append(chunked)

    def merge(self, other: "MappedRecords") -> None:
        """Add the records, chunked records and incomplete inventory items of `other`."""
        self.records += other.records
        self.chunked_records += other.chunked_records
        self.incomplete_items |= other.incomplete_items


def build_continuations(nested_list: str, page_info: PageInfo) -> tuple[Continuation, ...]:
    """Return where to continue the nested list when it has more pages; otherwise an empty tuple."""
    return (Continuation(nested_list, page_info.endCursor),) if page_info.hasNextPage else ()


def sort_by_number(gids: list[str]) -> list[str]:
    """Return gids (Shopify's global ids) in the order of the numbers at their ends."""
    return sorted(gids, key=parse_number)


def build_tombstone(resource: str, gid: str, read_at: int) -> Record:
    """Return a tombstone: the note that the record with the id `gid` was requested at `read_at` and does not exist."""
    return Record(resource=resource, id=gid, read_at=read_at, sort_key=parse_number(gid))


def build_left_out_record(resource: str, gid: str, read_at: int, reason: str) -> Record:
    """Return the note that the record with the id `gid` exists and could not be read at `read_at`, for `reason`."""
    return Record(resource=resource, id=gid, read_at=read_at, unreadable=reason, sort_key=parse_number(gid))
