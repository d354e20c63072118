"""Short ways to say events, for tests that read as claims."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.events import ConnectionChanged, Record, RecordsPage, Settled, WalkEnded, WindowEnded

SHOP = "shopify:acme.myshopify.com"
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
        rank=number,
        facts={"title": title, "handle": "mug"},
        **more,
    )


def gone(number: int, *, read_at: int) -> Record:
    return Record(resource="products", id=gid(number), read_at=read_at, rank=number)


def gid(number: int, kind: str = "Product") -> str:
    return f"gid://shopify/{kind}/{number}"


def page(*records: Record, source: UUID | None = None, number: int = 0, epoch: int = 1, step: int = 1) -> RecordsPage:
    return RecordsPage(
        connection=SHOP,
        epoch=epoch,
        source=source or uuid4(),
        step=step,
        page=number,
        resource="products",
        records=records,
    )


def window_end(source: UUID, sent: int, count: int | None = None, *, attempt: int = 1) -> WindowEnded:
    return WindowEnded(
        connection=SHOP,
        epoch=1,
        source=source,
        resource="products",
        window=0,
        attempt=attempt,
        again=f"again-{attempt + 1}",
        sent=sent,
        count_before=sent if count is None else count,
        count_after=sent if count is None else count,
    )


def walk_end(source: UUID, started_at: int, *, epoch: int = 1) -> WalkEnded:
    return WalkEnded(
        connection=SHOP,
        epoch=epoch,
        source=source,
        windows=(("products", 0),),
        dependents=("inventory",),
        started_at=started_at,
    )


def settled(source: UUID, *numbers: int, sync_id: UUID | None = None) -> Settled:
    return Settled(
        connection=SHOP,
        epoch=1,
        source=source,
        sync_ids=(sync_id or source,),
        asked={"products": tuple(gid(n) for n in numbers)},
    )
