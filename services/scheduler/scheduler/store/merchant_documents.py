"""Which connections the documents of their merchants in the bucket do not show as they are."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import MerchantDocument
from scheduler.store.uploads import UploadWait

_RECORD = text("""
UPDATE connections SET document_changed_at = to_timestamp(CAST(:changed_at AS double precision) / 1000),
    document_reason = :reason, document_not_before = to_timestamp(CAST(:not_before AS double precision) / 1000)
WHERE connection = :connection
""")
_LIST_BEHIND = text("""
SELECT connection, CAST(extract(epoch FROM now() - document_changed_at) AS double precision) AS overdue,
    CAST(extract(epoch FROM document_changed_at) * 1000 AS bigint) AS since,
    CAST(extract(epoch FROM document_not_before) * 1000 AS bigint) AS not_before, document_reason AS reason,
    count(*) OVER () AS total
FROM connections
WHERE document_changed_at IS NOT NULL
  AND (CAST(:connection AS text) IS NULL OR connection = CAST(:connection AS text))
ORDER BY document_changed_at, connection LIMIT CAST(:limit AS int)
""")
_LIST_OVERDUE = text("""
SELECT split_part(connection, ':', 1) AS platform,
    CAST(extract(epoch FROM now() - min(document_changed_at)) AS double precision) AS overdue
FROM connections WHERE document_changed_at IS NOT NULL GROUP BY 1
""")


@dataclass(frozen=True)
class DocumentBehind:
    """A connection whose latest state the document of its merchant in the bucket does not show, and what it waits for.

    `overdue` is the number of seconds since its state changed.
    """

    connection: str
    overdue: float
    wait: UploadWait


@dataclass(frozen=True)
class OverdueDocuments:
    """How many seconds the longest waiting of one platform's connections has waited for its merchant's document."""

    platform: str
    overdue: float


async def record(tx: AsyncConnection, connection: str, document: MerchantDocument) -> None:
    """Store whether the document of the connection's merchant shows the connection, as the spaces-writer reports."""
    await tx.execute(_RECORD, {"connection": connection, **document.model_dump()})


async def list_behind(
    tx: AsyncConnection, *, connection: str | None = None, limit: int | None
) -> tuple[list[DocumentBehind], int]:
    """Return the connections that their merchants' documents do not show as they are, and their number.

    Those that have waited longest come first. At most `limit` of them are returned; None means all. With `connection`,
    only this one is looked for.
    """
    rows = (await tx.execute(_LIST_BEHIND, {"connection": connection, "limit": limit})).all()
    behind = [
        DocumentBehind(
            row.connection,
            row.overdue,
            UploadWait(row.since, row.not_before if row.reason else None, row.reason, needs_full_sync=False),
        )
        for row in rows
    ]
    return behind, rows[0].total if rows else 0


async def list_overdue(tx: AsyncConnection) -> list[OverdueDocuments]:
    """Return for each platform how long the longest waiting of its connections has waited, if any does."""
    return [OverdueDocuments(*row) for row in await tx.execute(_LIST_OVERDUE)]
