"""The table of merchants: the current and the uploaded version of each merchant's document."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_RAISE_VERSION = text("""
INSERT INTO merchants (merchant) SELECT unnest(CAST(:merchants AS uuid[]))
ON CONFLICT (merchant) DO UPDATE SET version = merchants.version + 1
""")
_INVALIDATE = text("""
INSERT INTO merchants (merchant) VALUES (:merchant)
ON CONFLICT (merchant) DO UPDATE SET version = merchants.version + 1, sha256 = NULL
""")
_DELETE = text("DELETE FROM merchants WHERE merchant = :merchant AND version = :version")
_LIST_DUE = text("SELECT merchant FROM merchants WHERE version > uploaded_version ORDER BY merchant LIMIT 50")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('merchant'), hashtext(:merchant))")
_LOAD_DUE = text("SELECT version, sha256 FROM merchants WHERE merchant = :merchant AND version > uploaded_version")
_LIST_CONNECTIONS = text("SELECT connection, state FROM connections WHERE merchant = :merchant")
_RECORD_UPLOAD = text("""
UPDATE merchants SET uploaded_version = GREATEST(uploaded_version, :version), sha256 = :sha256
WHERE merchant = :merchant
""")


@dataclass(frozen=True)
class DueDocument:
    """A merchant's document (the list of its connections in the bucket) that must be updated.

    `version` is its current version. `sha256` is the hash of the bytes that were uploaded last; None means that the
    document must be uploaded whatever its bytes are.
    """

    version: int
    sha256: str | None


async def raise_version(tx: AsyncConnection, merchants: Iterable[UUID | None]) -> None:
    """Mark the documents of the merchants as changed. Values that are None are ignored."""
    present = [merchant for merchant in merchants if merchant is not None]
    if present:
        await tx.execute(_RAISE_VERSION, {"merchants": present})


async def invalidate(tx: AsyncConnection, merchant: UUID) -> None:
    """Mark the merchant's document as changed, and forget the hash of its last upload.

    The document is then uploaded or deleted even if its bytes have not changed.
    """
    await tx.execute(_INVALIDATE, {"merchant": merchant})


async def list_due(tx: AsyncConnection) -> list[UUID]:
    """Return at most 50 merchants whose documents have changed since their last upload."""
    return list((await tx.execute(_LIST_DUE)).scalars())


async def lock_due_document_if_free(tx: AsyncConnection, merchant: UUID) -> DueDocument | None:
    """Lock the merchant until the transaction ends, and return the version and hash of the merchant's document.

    Returns None if the document is not due or if another process has the lock.
    """
    if not (await tx.execute(_LOCK, {"merchant": str(merchant)})).scalar():
        return None
    row = (await tx.execute(_LOAD_DUE, {"merchant": merchant})).one_or_none()
    return DueDocument(row.version, row.sha256) if row else None


async def list_connections(tx: AsyncConnection, merchant: UUID) -> list[tuple[str, str]]:
    """Return (connection, state) of all connections of the merchant."""
    rows = await tx.execute(_LIST_CONNECTIONS, {"merchant": merchant})
    return [(row.connection, row.state) for row in rows]


async def delete(tx: AsyncConnection, merchant: UUID, version: int) -> None:
    """Delete the row of a merchant without a connection, unless the document has changed since `version`."""
    await tx.execute(_DELETE, {"merchant": merchant, "version": version})


async def record_upload(tx: AsyncConnection, merchant: UUID, version: int, sha256: str) -> None:
    """Store that the bucket holds the document of this version, with the hash `sha256`."""
    await tx.execute(_RECORD_UPLOAD, {"merchant": merchant, "version": version, "sha256": sha256})
