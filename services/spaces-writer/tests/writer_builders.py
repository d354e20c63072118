"""Short ways to say events, for tests that read as claims."""

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

SHOP = "shopify:acme.myshopify.com"
PAGE = "facebook:1029384756"
PAGE_KEY = "facebook/1029384756/page_data.json"
EARLY = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 1, 13, 0, tzinfo=UTC)
MERCHANT = UUID("00000000-0000-0000-0000-00000000000a")


def connected(
    connection: str = SHOP, *, revision: int = 1, epoch: int = 1, state: str = "connected"
) -> ConnectionChanged:
    return ConnectionChanged(
        connection=connection,
        revision=revision,
        epoch=epoch,
        state=state,
        merchant=MERCHANT,
        object_key=f"{connection.partition(':')[2]}/shopify_data.json",
    )


def connected_page(
    *, revision: int = 1, epoch: int = 1, state: str = "connected", merchant: UUID | None = MERCHANT
) -> ConnectionChanged:
    """The gateway's word on a page."""
    return ConnectionChanged(
        connection=PAGE, revision=revision, epoch=epoch, state=state, merchant=merchant, object_key=PAGE_KEY
    )


def redacted(connection: str = PAGE, *, revision: int = 2, epoch: int = 2) -> ConnectionChanged:
    """The gateway's word on a connection whose data is to go: name and epoch alone."""
    return ConnectionChanged(connection=connection, revision=revision, epoch=epoch, state="redacted")


def facebook_page(*, read_at: int, name: str = "Acme", **volatile: Any) -> Record:
    """A page's record; what moves by itself by name."""
    body = {"id": PAGE.partition(":")[2], "name": name}
    return Record(resource="page", id=body["id"], read_at=read_at, body=body, volatile_fields=volatile)


def whole_walk(record: Record, *, epoch: int = 1) -> tuple[RecordsPage, RangeCompleted, FullReadCompleted]:
    """All that a walk of a page says."""
    source, said = uuid4(), {"connection": PAGE, "epoch": epoch}
    place = {**said, "read_id": source, "resource": "page"}
    return (
        RecordsPage(**place, step=1, page=0, records=(record,)),
        RangeCompleted(**place, id_range=0, attempt=1, retry_cursor="", sent_count=1, count_before=1, count_after=1),
        FullReadCompleted(**said, read_id=source, id_ranges=(("page", 0),), started_at=record.read_at),
    )


def read_directly(record: Record, *, epoch: int = 1) -> RecordsPage:
    """What a records fetch says of a page."""
    return RecordsPage(
        connection=PAGE, epoch=epoch, read_id=uuid4(), step=1, page=0, resource="page", records=(record,)
    )


def product(
    number: int, *, read_at: int, updated_at: datetime | None = EARLY, title: str = "Mug", **more: Any
) -> Record:
    body = {"id": gid(number), "title": title, "handle": "mug", "variants": {"edges": []}}
    return Record(
        resource="products",
        id=gid(number),
        read_at=read_at,
        updated_at=updated_at,
        body=body,
        sort_key=number,
        lookup_fields={"title": title, "handle": "mug"},
        **more,
    )


def gone(number: int, *, read_at: int) -> Record:
    return Record(resource="products", id=gid(number), read_at=read_at, sort_key=number)


def gid(number: int, kind: str = "Product") -> str:
    return f"gid://shopify/{kind}/{number}"


def page(*records: Record, source: UUID | None = None, number: int = 0, epoch: int = 1, step: int = 1) -> RecordsPage:
    return RecordsPage(
        connection=SHOP,
        epoch=epoch,
        read_id=source or uuid4(),
        step=step,
        page=number,
        resource="products",
        records=records,
    )


def window_end(source: UUID, sent: int, count: int | None = None, *, attempt: int = 1) -> RangeCompleted:
    return RangeCompleted(
        connection=SHOP,
        epoch=1,
        read_id=source,
        resource="products",
        id_range=0,
        attempt=attempt,
        retry_cursor=f"again-{attempt + 1}",
        sent_count=sent,
        count_before=sent if count is None else count,
        count_after=sent if count is None else count,
    )


def walk_end(source: UUID, started_at: int, *, epoch: int = 1) -> FullReadCompleted:
    return FullReadCompleted(
        connection=SHOP,
        epoch=epoch,
        read_id=source,
        id_ranges=(("products", 0),),
        child_resources=("inventory",),
        started_at=started_at,
    )


def settled(source: UUID, *numbers: int, sync_id: UUID | None = None) -> IncrementalReadCompleted:
    return IncrementalReadCompleted(
        connection=SHOP,
        epoch=1,
        read_id=source,
        sync_ids=(sync_id or source,),
        requested={"products": tuple(gid(n) for n in numbers)},
    )
