"""Deletes the stored data of redacted connections, and keeps the table of erasures.

A connection is redacted when the deletion of its data was requested. An erasure is the deletion of its object from the
bucket. The object is deleted twice, because a late upload may have stored it again after the first deletion.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from spaces_writer.store import feed
from spaces_writer.store.connections import ConnectionRow

SECOND_DELETION_SECONDS = 600
"""The wait between the two deletions of an object: longer than a PUT of the bucket's client, including its retries."""
BATCH_SIZE = 100

_DELETE_DATA = [
    text(f"DELETE FROM {table} WHERE connection = :connection")
    for table in (
        "records",
        "rollbacks",
        "bodies",
        "chunks",
        "pages",
        "id_lists",
        "id_ranges",
        "full_reads",
        "direct_reads",
        "sync_results",
        "trace_links",
        "feed_reads",
    )
]
_RESET_CONNECTION = text("""
UPDATE connections SET full_read_epoch = NULL, last_full_read = NULL, settled_sequence = NULL, guarded_sync = NULL,
    allowed_sync = NULL, last_sync_id = NULL, sequence = sequence + 1, erased_sequence = sequence + 1
WHERE connection = :connection RETURNING sequence
""")
_SAVE = text("""
INSERT INTO erasures (connection, epoch, merchant) VALUES (:connection, :epoch, :merchant)
ON CONFLICT (connection) DO UPDATE SET
    epoch = EXCLUDED.epoch, merchant = coalesce(EXCLUDED.merchant, erasures.merchant),
    erased_at = NULL, is_published = false, due_at = now()
WHERE erasures.epoch < EXCLUDED.epoch
""")
# What no document in the bucket names any more: the redaction itself is one of these changes.
_IS_UNNAMED = "NOT EXISTS (SELECT 1 FROM document_changes d WHERE d.connection = e.connection)"
_IS_DUE = f"""CASE WHEN e.erased_at IS NULL THEN true WHEN e.is_published THEN e.due_at <= now()
    ELSE {_IS_UNNAMED} END"""
_LIST_DUE = text(f"SELECT connection FROM erasures e WHERE {_IS_DUE} ORDER BY due_at LIMIT :limit")
_LOAD_DUE = text(f"""
SELECT e.connection, e.epoch, e.merchant, e.erased_at, e.is_published, c.sequence
FROM erasures e JOIN connections c ON c.connection = e.connection WHERE e.connection = :connection AND {_IS_DUE}
""")
_RECORD_DELETION = text("""
UPDATE erasures SET erased_at = :erased_at, due_at = now() + make_interval(secs => :wait)
WHERE connection = :connection AND epoch = :epoch
""")
_RECORD_PUBLICATION = text(f"""
UPDATE erasures e SET is_published = true
WHERE connection = :connection AND epoch = :epoch AND {_IS_UNNAMED} RETURNING epoch
""")
_DELETE = text("DELETE FROM erasures WHERE connection = :connection AND epoch = :epoch")


@dataclass(frozen=True)
class PendingErasure:
    """An erasure that is not finished: the object of a redacted connection must be deleted, twice.

    `erased_at` is the time (ms) of the first deletion; None before it. `is_published` is whether the erasure has been
    reported, which it is once no merchant's document in the bucket names the account either.
    """

    connection: str
    epoch: int
    merchant: UUID | None
    erased_at: int | None
    is_published: bool
    sequence: int
    """The connection's sequence number."""


async def delete_data_and_request_erasure(
    tx: AsyncConnection, connection: str, epoch: int, row: ConnectionRow | None
) -> None:
    """Delete all data of the redacted connection, and request the erasure: the deletion of its object from the bucket.

    `epoch` is the one of the redaction. The caller must have locked `row`, the connection's row, which is None for a
    new connection. The change feed tells of the erasure. If the same redaction is delivered again, no further erasure
    is requested.
    """
    for statement in _DELETE_DATA:
        await tx.execute(statement, {"connection": connection})
    sequence = (await tx.execute(_RESET_CONNECTION, {"connection": connection})).scalar_one()
    await feed.save_head(tx, connection, sequence)
    await tx.execute(
        _SAVE,
        {
            "connection": connection,
            "epoch": epoch,
            "merchant": row.merchant if row else None,
        },
    )


async def list_due(tx: AsyncConnection) -> list[str]:
    """Return the names of connections whose object must be deleted, or whose erasure must be reported now."""
    return list((await tx.execute(_LIST_DUE, {"limit": BATCH_SIZE})).scalars())


async def load_due(tx: AsyncConnection, connection: str) -> PendingErasure | None:
    """Return the connection's erasure (the deletion of its object from the bucket), or None if nothing of it is due."""
    row = (await tx.execute(_LOAD_DUE, {"connection": connection})).one_or_none()
    return PendingErasure(*row) if row else None


async def record_first_deletion(tx: AsyncConnection, erasure: PendingErasure, erased_at: int) -> None:
    """Store that the object was deleted at `erased_at` (ms), and schedule the second deletion.

    Nothing is stored if a later redaction has replaced this erasure.
    """
    key = {"connection": erasure.connection, "epoch": erasure.epoch}
    await tx.execute(_RECORD_DELETION, {**key, "erased_at": erased_at, "wait": SECOND_DELETION_SECONDS})


async def record_publication_if_unnamed(tx: AsyncConnection, erasure: PendingErasure) -> bool:
    """Store that the erasure is reported, unless a merchant's document in the bucket may still name the account.

    Returns False, and stores nothing, if one may, or if a later redaction has replaced this erasure.
    """
    key = {"connection": erasure.connection, "epoch": erasure.epoch}
    return (await tx.execute(_RECORD_PUBLICATION, key)).scalar() is not None


async def delete(tx: AsyncConnection, erasure: PendingErasure) -> None:
    """Delete the row of the erasure, after the object has been deleted for the second time."""
    await tx.execute(_DELETE, {"connection": erasure.connection, "epoch": erasure.epoch})
