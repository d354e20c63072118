"""Merchants whose document is to be put again."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MARK = text("""
INSERT INTO merchants (merchant, dirty) SELECT unnest(CAST(:merchants AS uuid[])), true
ON CONFLICT (merchant) DO UPDATE SET dirty = true
""")
_DUE = text("SELECT merchant FROM merchants WHERE dirty ORDER BY merchant LIMIT 50")
_LOCK = text("SELECT sha256 FROM merchants WHERE merchant = :merchant AND dirty FOR UPDATE SKIP LOCKED")
_CONNECTIONS = text("SELECT connection, object_key, state FROM connections WHERE merchant = :merchant")
_CLEAN = text("UPDATE merchants SET dirty = false, sha256 = :sha256 WHERE merchant = :merchant")


async def mark(tx: AsyncConnection, merchants: Iterable[UUID | None]) -> None:
    """These merchants' documents are dirty."""
    named = [merchant for merchant in merchants if merchant is not None]
    if named:
        await tx.execute(_MARK, {"merchants": named})


async def due(tx: AsyncConnection) -> list[UUID]:
    """Merchants whose documents are dirty."""
    return list((await tx.execute(_DUE)).scalars())


async def lock(tx: AsyncConnection, merchant: UUID) -> tuple[str | None] | None:
    """(sha256 of the bytes put last,), the row held until the transaction ends; None when it is clean or held."""
    row = (await tx.execute(_LOCK, {"merchant": merchant})).one_or_none()
    return (row.sha256,) if row else None


async def connections(tx: AsyncConnection, merchant: UUID) -> list[tuple[str, str | None, str]]:
    """(connection, object key, state) of all that is the merchant's, read under the lock."""
    rows = await tx.execute(_CONNECTIONS, {"merchant": merchant})
    return [(row.connection, row.object_key, row.state) for row in rows]


async def clean(tx: AsyncConnection, merchant: UUID, sha256: str) -> None:
    """The document with these bytes is in the bucket."""
    await tx.execute(_CLEAN, {"merchant": merchant, "sha256": sha256})
