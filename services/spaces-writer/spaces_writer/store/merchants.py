"""The table of merchants: the current and the uploaded version of each merchant's document."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import DataStored, MerchantDocument

# In one statement for both tables, so that a change is noted with the version that shows it.
_RAISE_VERSION = text("""
WITH raised AS (
    INSERT INTO merchants (merchant) SELECT unnest(CAST(:merchants AS uuid[]))
    ON CONFLICT (merchant) DO UPDATE SET version = merchants.version + 1,
        sha256 = CASE WHEN :forget_hash THEN NULL ELSE merchants.sha256 END
    RETURNING merchant, version)
INSERT INTO document_changes (connection, merchant, version) SELECT :connection, merchant, version FROM raised
ON CONFLICT (connection, merchant) DO UPDATE SET version = EXCLUDED.version
""")
_DELETE = text("DELETE FROM merchants WHERE merchant = :merchant AND version = :version")
_LIST_DUE = text("""
SELECT merchant FROM merchants WHERE version > uploaded_version AND not_before <= :now ORDER BY merchant LIMIT 50
""")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('merchant'), hashtext(:merchant))")
_LOAD_DUE = text("""
SELECT version, sha256, failures FROM merchants WHERE merchant = :merchant AND version > uploaded_version
""")
_LIST_CONNECTIONS = text("SELECT connection, state FROM connections WHERE merchant = :merchant")
_RECORD_UPLOAD = text("""
UPDATE merchants SET uploaded_version = GREATEST(uploaded_version, :version), sha256 = :sha256,
    failures = 0, reason = NULL, not_before = 0
WHERE merchant = :merchant
""")
_RECORD_FAILURE = text("""
UPDATE merchants SET failures = failures + 1, reason = :reason, not_before = :not_before WHERE merchant = :merchant
""")
_DELETE_SHOWN_CHANGES = text("""
DELETE FROM document_changes WHERE merchant = :merchant AND version <= :version RETURNING connection
""")
_LIST_CHANGED_CONNECTIONS = text("SELECT connection FROM document_changes WHERE merchant = :merchant")
# Of several merchants' documents (the connection was moved), the one that failed says why.
_LOAD_STATES = text("""
SELECT c.connection, c.epoch, c.sequence, CAST(extract(epoch FROM min(d.since)) * 1000 AS bigint) AS changed_at,
    CAST(max(m.not_before) * 1000 AS bigint) AS not_before, max(m.reason) AS reason
FROM connections c LEFT JOIN document_changes d USING (connection) LEFT JOIN merchants m ON m.merchant = d.merchant
WHERE c.connection = ANY(CAST(:connections AS text[])) GROUP BY c.connection ORDER BY c.connection
""")


@dataclass(frozen=True)
class DueDocument:
    """A merchant's document (the list of its connections in the bucket) that must be updated.

    `version` is its current version. `sha256` is the hash of the bytes that were uploaded last; None means that the
    document must be uploaded whatever its bytes are. `failures` is how many updates in a row have failed.
    """

    version: int
    sha256: str | None
    failures: int


async def raise_version(tx: AsyncConnection, merchants: Iterable[UUID | None], connection: str) -> None:
    """Mark the documents of the merchants as changed, because the connection's state has changed.

    The merchants are those to which it belongs and belonged before. Values that are None are ignored.
    """
    present = sorted(merchant for merchant in merchants if merchant is not None)
    await _raise_version(tx, present, connection, forget_hash=False)


async def invalidate(tx: AsyncConnection, merchant: UUID, connection: str) -> None:
    """Mark the merchant's document as changed, and forget the hash of its last upload.

    The document is then uploaded or deleted even if its bytes have not changed. It may name `connection` although it
    should not.
    """
    await _raise_version(tx, [merchant], connection, forget_hash=True)


async def _raise_version(tx: AsyncConnection, merchants: list[UUID], connection: str, *, forget_hash: bool) -> None:
    if merchants:
        parameters = {"merchants": merchants, "connection": connection, "forget_hash": forget_hash}
        await tx.execute(_RAISE_VERSION, parameters)


async def list_due(tx: AsyncConnection, now: float) -> list[UUID]:
    """Return at most 50 merchants whose documents have changed since their last upload.

    Those that must still wait at `now` (seconds since 1970), after a failure, are left out.
    """
    return list((await tx.execute(_LIST_DUE, {"now": now})).scalars())


async def lock_due_document_if_free(tx: AsyncConnection, merchant: UUID) -> DueDocument | None:
    """Lock the merchant until the transaction ends, and return what must be updated.

    Returns None if the document is not due or if another process has the lock.
    """
    if not (await tx.execute(_LOCK, {"merchant": str(merchant)})).scalar():
        return None
    row = (await tx.execute(_LOAD_DUE, {"merchant": merchant})).one_or_none()
    return DueDocument(*row) if row else None


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


async def record_failure(tx: AsyncConnection, merchant: UUID, reason: str, not_before: float) -> None:
    """Store why an update of the document failed, and when the next one may begin (seconds since 1970)."""
    await tx.execute(_RECORD_FAILURE, {"merchant": merchant, "reason": reason, "not_before": not_before})


async def delete_shown_changes(tx: AsyncConnection, merchant: UUID, version: int) -> list[str]:
    """Delete the notes of the changes that the document of this version shows. Return the changed connections."""
    return list((await tx.execute(_DELETE_SHOWN_CHANGES, {"merchant": merchant, "version": version})).scalars())


async def list_changed_connections(tx: AsyncConnection, merchant: UUID) -> list[str]:
    """Return the connections whose latest state the document in the bucket may not show."""
    return list((await tx.execute(_LIST_CHANGED_CONNECTIONS, {"merchant": merchant})).scalars())


async def load_document_states(tx: AsyncConnection, connections: Iterable[str]) -> list[DataStored]:
    """Return, as an event for each of the connections, whether a merchant's document in the bucket shows it."""
    rows = await tx.execute(_LOAD_STATES, {"connections": list(connections)})
    return [
        DataStored(
            connection=row.connection,
            epoch=row.epoch,
            sequence=row.sequence,
            merchant_document=MerchantDocument(
                changed_at=row.changed_at, not_before=row.not_before or 0, reason=row.reason
            ),
        )
        for row in rows
    ]
