"""The two connections of each link, and how far their change feeds were read."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.feed_positions import FeedPosition


@dataclass(frozen=True)
class LinkSide:
    """One of the two connections of a link: `side` is its platform, and `epoch` that of the connection when linked."""

    link: UUID
    side: str
    connection: str
    epoch: int
    currency: str | None
    position: FeedPosition

    @property
    def is_waiting(self) -> bool:
        """Whether no read was requested yet, because the connection has not been read fully."""
        return not self.position.is_whole and self.position.read_id is None


_POSITION = "feed, sequence, is_whole, read_id, pages_after, pages_through, must_read_again"
_COLUMNS = f"link, side, connection, epoch, currency, {_POSITION}"
_LOCK_BY_CONNECTION = text(f"""
SELECT {_COLUMNS} FROM sides WHERE connection = :connection AND NOT has_ended ORDER BY link FOR UPDATE
""")
_LIST_BY_CONNECTION = text(
    f"SELECT {_COLUMNS} FROM sides WHERE connection = :connection AND NOT has_ended ORDER BY link"
)
_LIST_BY_LINK = text(f"SELECT {_COLUMNS} FROM sides WHERE link = :link ORDER BY side DESC")
_LOCK_BY_LINK = text(f"SELECT {_COLUMNS} FROM sides WHERE link = :link ORDER BY side DESC FOR UPDATE")
_LIST_LINKS = text("SELECT link FROM sides WHERE side = 'shopify' AND NOT has_ended ORDER BY connection")
_LIST_LINKS_OF_MERCHANT = text("""
SELECT link FROM links JOIN sides ON sides.link = links.id
WHERE merchant = :merchant AND state <> 'ended' AND side = 'shopify' AND NOT has_ended ORDER BY connection
""")
_FIND_LINK = text("SELECT link FROM sides WHERE connection = :shop AND side = 'shopify' AND NOT has_ended")
_INSERT = text("""
INSERT INTO sides (link, side, connection, epoch) VALUES (:link, :side, :connection, :epoch)
ON CONFLICT DO NOTHING RETURNING link
""")
_SAVE_POSITION = text("""
UPDATE sides SET feed = :feed, sequence = :sequence, is_whole = :is_whole, read_id = :read_id,
    pages_after = :pages_after, pages_through = :pages_through, must_read_again = :must_read_again, read_at = now()
WHERE link = :link AND side = :side
""")
_SET_EPOCH = text("UPDATE sides SET epoch = :epoch WHERE link = :link AND side = :side")
_SET_CURRENCY = text("""
UPDATE sides SET currency = :currency
WHERE link = :link AND side = :side AND currency IS DISTINCT FROM CAST(:currency AS text) RETURNING link
""")
_END = text("UPDATE sides SET has_ended = true WHERE link = :link")
_LOCK_STALLED = text(f"""
SELECT {_COLUMNS} FROM sides WHERE read_id IS NOT NULL AND read_at < now() - make_interval(secs => :seconds)
  AND EXISTS (SELECT FROM links WHERE links.id = sides.link AND links.state NOT IN ('paused', 'ended'))
ORDER BY read_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")


def _build(row: Sequence[object]) -> LinkSide:
    link, side, connection, epoch, currency, *position = row
    return LinkSide(link, side, connection, epoch, currency, FeedPosition(*position))  # type: ignore[arg-type]


async def lock_by_connection(tx: AsyncConnection, connection: str) -> list[LinkSide]:
    """Return the sides of open links that are this connection, locked until the transaction ends."""
    return [_build(row) for row in await tx.execute(_LOCK_BY_CONNECTION, {"connection": connection})]


async def list_by_connection(tx: AsyncConnection, connection: str) -> list[LinkSide]:
    """Return the sides of open links that are this connection."""
    return [_build(row) for row in await tx.execute(_LIST_BY_CONNECTION, {"connection": connection})]


async def list_by_link(tx: AsyncConnection, link: UUID) -> tuple[LinkSide, LinkSide]:
    """Return the sides of a link: the shop's first."""
    shop, database = [_build(row) for row in await tx.execute(_LIST_BY_LINK, {"link": link})]
    return shop, database


async def lock_by_link(tx: AsyncConnection, link: UUID) -> tuple[LinkSide, LinkSide]:
    """Return the sides of a link as `list_by_link` does, locked until the transaction ends."""
    shop, database = [_build(row) for row in await tx.execute(_LOCK_BY_LINK, {"link": link})]
    return shop, database


async def list_open_links(tx: AsyncConnection, merchant: UUID | None = None) -> Sequence[UUID]:
    """Return the ids of a merchant's links (None: of all) that have not ended, by the names of their shops."""
    if merchant is None:
        return (await tx.execute(_LIST_LINKS)).scalars().all()
    return (await tx.execute(_LIST_LINKS_OF_MERCHANT, {"merchant": merchant})).scalars().all()


async def find_link(tx: AsyncConnection, shop: str) -> UUID | None:
    """Return the id of the shop's link that has not ended; None if there is none."""
    return (await tx.execute(_FIND_LINK, {"shop": shop})).scalar_one_or_none()


async def insert(tx: AsyncConnection, link: UUID, side: str, connection: str, epoch: int) -> bool:
    """Insert a side of a new link. Return False if the connection is a shop that has an open link already."""
    values = {"link": link, "side": side, "connection": connection, "epoch": epoch}
    return (await tx.execute(_INSERT, values)).first() is not None


async def save_position(tx: AsyncConnection, side: LinkSide, position: FeedPosition) -> None:
    """Store how far the side's change feed was read."""
    await tx.execute(_SAVE_POSITION, {"link": side.link, "side": side.side, **vars(position)})


async def set_epoch(tx: AsyncConnection, side: LinkSide, epoch: int) -> None:
    """Store the connection's present epoch as the one of which pages are applied."""
    await tx.execute(_SET_EPOCH, {"link": side.link, "side": side.side, "epoch": epoch})


async def set_currency(tx: AsyncConnection, side: LinkSide, currency: str) -> bool:
    """Store the currency of the side's amounts. Return whether it was another one, or not known."""
    values = {"link": side.link, "side": side.side, "currency": currency}
    return (await tx.execute(_SET_CURRENCY, values)).first() is not None


async def end(tx: AsyncConnection, link: UUID) -> None:
    """Store that the link of these sides has ended: its shop may be linked anew."""
    await tx.execute(_END, {"link": link})


async def lock_stalled(tx: AsyncConnection, seconds: float) -> LinkSide | None:
    """Return a side whose read has made no progress for so long, locked until the end; None if there is none."""
    row = (await tx.execute(_LOCK_STALLED, {"seconds": seconds})).one_or_none()
    return _build(row) if row else None
