"""Merchants whose document is to be put again, or to go."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MARK = text("""
INSERT INTO merchants (merchant) SELECT unnest(CAST(:merchants AS uuid[]))
ON CONFLICT (merchant) DO UPDATE SET dirty = merchants.dirty + 1
""")
_DISTRUST = text("""
INSERT INTO merchants (merchant) VALUES (:merchant)
ON CONFLICT (merchant) DO UPDATE SET dirty = merchants.dirty + 1, sha256 = NULL
""")
_DROP = text("DELETE FROM merchants WHERE merchant = :merchant AND dirty = :dirty")
_DUE = text("SELECT merchant FROM merchants WHERE dirty > put ORDER BY merchant LIMIT 50")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('merchant'), hashtext(:merchant))")
_READ = text("SELECT dirty, sha256 FROM merchants WHERE merchant = :merchant AND dirty > put")
_CONNECTIONS = text("SELECT connection, object_key, state FROM connections WHERE merchant = :merchant")
_CLEAN = text("UPDATE merchants SET put = GREATEST(put, :dirty), sha256 = :sha256 WHERE merchant = :merchant")


@dataclass(frozen=True)
class Dirty:
    """A merchant whose document is to be put: the number that it stands at, and the hash of the bytes put last."""

    dirty: int
    sha256: str | None


async def mark(tx: AsyncConnection, merchants: Iterable[UUID | None]) -> None:
    """These merchants' documents are dirty."""
    named = [merchant for merchant in merchants if merchant is not None]
    if named:
        await tx.execute(_MARK, {"merchants": named})


async def distrust(tx: AsyncConnection, merchant: UUID) -> None:
    """What lies in the bucket for this merchant is not known any more: it is to be put, or deleted, in any case."""
    await tx.execute(_DISTRUST, {"merchant": merchant})


async def due(tx: AsyncConnection) -> list[UUID]:
    """Merchants whose documents are dirty."""
    return list((await tx.execute(_DUE)).scalars())


async def lock(tx: AsyncConnection, merchant: UUID) -> Dirty | None:
    """The merchant, locked against other composers until the transaction ends; None when it is clean or locked."""
    if not (await tx.execute(_LOCK, {"merchant": str(merchant)})).scalar():
        return None
    row = (await tx.execute(_READ, {"merchant": merchant})).one_or_none()
    return Dirty(row.dirty, row.sha256) if row else None


async def connections(tx: AsyncConnection, merchant: UUID) -> list[tuple[str, str | None, str]]:
    """(connection, object key, state) of all that is the merchant's, read under the lock."""
    rows = await tx.execute(_CONNECTIONS, {"merchant": merchant})
    return [(row.connection, row.object_key, row.state) for row in rows]


async def drop(tx: AsyncConnection, merchant: UUID, dirty: int) -> None:
    """The merchant has no connection and no document; unless it has become dirty again, its row goes."""
    await tx.execute(_DROP, {"merchant": merchant, "dirty": dirty})


async def clean(tx: AsyncConnection, merchant: UUID, dirty: int, sha256: str) -> None:
    """The document as of the number `dirty`, with these bytes, is in the bucket."""
    await tx.execute(_CLEAN, {"merchant": merchant, "dirty": dirty, "sha256": sha256})
