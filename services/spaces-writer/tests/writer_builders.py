"""Builders of events, for tests that read as claims."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.events import (
    ConnectionChanged,
    FullReadCompleted,
    IncrementalReadCompleted,
    RangeCompleted,
    Record,
    RecordsPage,
)
from spaces_writer.object_keys import build_snapshot_key

SHOP = "shopify:acme.myshopify.com"
PAGE = "facebook:1029384756"
PAGE_KEY = "facebook/1029384756/page_data.json"
EARLY = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 1, 13, 0, tzinfo=UTC)
MERCHANT = UUID("00000000-0000-0000-0000-00000000000a")


def make_connection(
    connection: str = SHOP, *, revision: int = 1, epoch: int = 1, state: str = "connected"
) -> ConnectionChanged:
    return ConnectionChanged(
        connection=connection,
        revision=revision,
        epoch=epoch,
        state=state,
        merchant=MERCHANT,
        object_key=build_snapshot_key(connection),
    )


def make_page_connection(
    *, revision: int = 1, epoch: int = 1, state: str = "connected", merchant: UUID | None = MERCHANT
) -> ConnectionChanged:
    """The state of a Facebook page's connection."""
    return ConnectionChanged(
        connection=PAGE, revision=revision, epoch=epoch, state=state, merchant=merchant, object_key=PAGE_KEY
    )


def make_redaction(connection: str = PAGE, *, revision: int = 2, epoch: int = 2) -> ConnectionChanged:
    """The state of a connection whose data is to be deleted: only name and epoch are set."""
    return ConnectionChanged(connection=connection, revision=revision, epoch=epoch, state="redacted")


def make_page_record(*, read_at: int, name: str = "Acme", **volatile_fields: Any) -> Record:
    """The record of a Facebook page with these volatile fields."""
    body = {"id": PAGE.partition(":")[2], "name": name}
    return Record(resource="page", id=body["id"], read_at=read_at, body=body, volatile_fields=volatile_fields)


def make_full_read(
    *records: Record, connection: str = PAGE, epoch: int = 1
) -> list[RecordsPage | RangeCompleted | FullReadCompleted]:
    """All events of a full read of these records, with one page and one id range for each."""
    events: list[RecordsPage | RangeCompleted | FullReadCompleted] = []
    scope: dict[str, Any] = {"connection": connection, "epoch": epoch, "read_id": uuid4()}
    counts = {"sent_count": 1, "count_before": 1, "count_after": 1}
    for number, record in enumerate(records):
        id_range = {**scope, "resource": record.resource, "id_range": number}
        events.append(RecordsPage(**id_range, step=1, page=number, records=(record,)))
        events.append(RangeCompleted(**id_range, attempt=1, retry_cursor="", **counts))
    id_ranges = tuple((record.resource, number) for number, record in enumerate(records))
    events.append(FullReadCompleted(**scope, id_ranges=id_ranges, started_at=min(record.read_at for record in records)))
    return events


def make_direct_read(record: Record, *, epoch: int = 1) -> RecordsPage:
    """The page of an incremental read of a Facebook page."""
    return RecordsPage(
        connection=PAGE, epoch=epoch, read_id=uuid4(), step=1, page=0, resource="page", records=(record,)
    )


def make_product(
    number: int, *, read_at: int, updated_at: datetime | None = EARLY, title: str = "Mug", **more: Any
) -> Record:
    body = {"id": make_gid(number), "title": title, "handle": "mug", "variants": {"edges": []}}
    return Record(
        resource="products",
        id=make_gid(number),
        read_at=read_at,
        updated_at=updated_at,
        body=body,
        sort_key=number,
        lookup_fields={"title": title, "handle": "mug"},
        **more,
    )


def make_tombstone(number: int, *, read_at: int) -> Record:
    return Record(resource="products", id=make_gid(number), read_at=read_at, sort_key=number)


def make_gid(number: int, kind: str = "Product") -> str:
    return f"gid://shopify/{kind}/{number}"


def make_page(
    *records: Record, read_id: UUID | None = None, number: int = 0, epoch: int = 1, step: int = 1
) -> RecordsPage:
    return RecordsPage(
        connection=SHOP,
        epoch=epoch,
        read_id=read_id or uuid4(),
        step=step,
        page=number,
        resource="products",
        records=records,
    )


def make_range_completed(
    read_id: UUID, sent_count: int, count: int | None = None, *, attempt: int = 1
) -> RangeCompleted:
    return RangeCompleted(
        connection=SHOP,
        epoch=1,
        read_id=read_id,
        resource="products",
        id_range=0,
        attempt=attempt,
        retry_cursor=f"retry-{attempt + 1}",
        sent_count=sent_count,
        count_before=sent_count if count is None else count,
        count_after=sent_count if count is None else count,
    )


def make_full_read_completed(read_id: UUID, started_at: int, *, epoch: int = 1) -> FullReadCompleted:
    return FullReadCompleted(
        connection=SHOP,
        epoch=epoch,
        read_id=read_id,
        id_ranges=(("products", 0),),
        child_resources=("inventory",),
        started_at=started_at,
    )


def make_incremental_read_completed(
    read_id: UUID, *numbers: int, sync_id: UUID | None = None
) -> IncrementalReadCompleted:
    return IncrementalReadCompleted(
        connection=SHOP,
        epoch=1,
        read_id=read_id,
        sync_ids=(sync_id or read_id,),
        requested={"products": tuple(make_gid(n) for n in numbers)},
    )
