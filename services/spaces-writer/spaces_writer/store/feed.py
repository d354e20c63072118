"""The change feed of each connection: its records in the order of the sequence numbers of their last changes.

A record is on the feed once, at its last change, so the feed needs no table of its own: only how far it is published to
Kafka is stored, and which reads of whole states are requested.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.feed_cursors import FeedCursor
from spaces_writer.feed_pages import StoredChange

PAGE_RECORDS = 500
PAGE_BYTES = 1024 * 1024
"""The bytes of bodies after which a page gets no further record."""

# The cluster, its timeline (which a failover or a point-in-time restore begins anew) and the table (which a restored
# dump makes anew): where one of them differs, changes that had numbers already may be missing here.
DATABASE_IDENTITY = """concat_ws('.', (SELECT system_identifier FROM pg_control_system()),
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), CAST(CAST('feed' AS regclass) AS oid))"""

_RENEW = text(f"""
UPDATE feed SET id = gen_random_uuid(), database = {DATABASE_IDENTITY} WHERE database <> {DATABASE_IDENTITY}
""")
_SAVE_HEAD = text("""
INSERT INTO feed_positions AS f (connection, sequence) VALUES (:connection, :sequence)
ON CONFLICT (connection) DO UPDATE SET sequence = EXCLUDED.sequence,
    behind_since = CASE WHEN f.published < f.sequence THEN f.behind_since ELSE now() END
""")
_LOCK_LEASE = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.feed'))")
# Before the first full sync has succeeded no reader is shown anything: full pages cost less than prompt ones.
_LIST_BEHIND = text(f"""
SELECT connection, published,
    CAST(extract(epoch FROM now() - min(behind_since) OVER ()) AS double precision) AS lag
FROM feed_positions f JOIN connections c USING (connection)
WHERE published < f.sequence AND connection > :after
    AND (c.fully_read OR f.sequence - published >= {PAGE_RECORDS} OR published_at < now() - interval '1 second')
ORDER BY connection LIMIT :limit
""")
_SAVE_PUBLISHED = text("""
UPDATE feed_positions SET published = :through, published_at = now(),
    behind_since = CASE WHEN CAST(:is_last AS boolean) THEN now() ELSE behind_since END
WHERE connection = :connection AND published = :after
""")
# `sum(...) OVER` counts the bytes of the rows before: the first record is on the page, whatever its size. The row of
# the connection is there even if no record is.
_LOAD_PAGE = """
SELECT f.id AS feed, c.epoch, c.sequence AS head, c.erased_sequence, page.*
FROM connections c CROSS JOIN feed f LEFT JOIN (
    SELECT r.*, b.body FROM (
        SELECT listed.*, sum(body_bytes) OVER (ORDER BY number) - body_bytes AS bytes_before FROM (
            SELECT resource, id, sequence, created_sequence, content_hash, updated_at, read_at, changed_at, changed_by,
                parent, body_bytes, row_number() OVER (ORDER BY {order}) AS number
            FROM records WHERE connection = :connection AND {condition} ORDER BY {order} LIMIT :limit) listed) r
    LEFT JOIN LATERAL (
        SELECT body FROM bodies
        WHERE connection = :connection AND bodies.resource = r.resource AND bodies.id = r.id OFFSET 0) b ON true
    WHERE bytes_before < :max_bytes) page ON true
WHERE c.connection = :connection ORDER BY number
"""
_LOAD_CHANGES = text(_LOAD_PAGE.format(order="sequence", condition="sequence > :after"))
_LOAD_STATE = text(
    _LOAD_PAGE.format(
        order="resource, id",
        condition="(resource, id) > (:after_resource, :after_id) AND content_hash IS NOT NULL",
    )
)
_SAVE_READ = text("""
INSERT INTO feed_reads (connection, read_id) VALUES (:connection, :read_id) ON CONFLICT DO NOTHING
""")
_LIST_READS = text("""
SELECT connection, read_id, page, after_resource, after_id, changes_follow FROM feed_reads
ORDER BY requested_at LIMIT :limit
""")
_SAVE_READ_PROGRESS = text("""
UPDATE feed_reads SET page = page + 1, after_resource = :after_resource, after_id = :after_id,
    changes_follow = :changes_follow
WHERE connection = :connection AND read_id = :read_id AND page = :page
""")
_DELETE_READ = text("DELETE FROM feed_reads WHERE connection = :connection AND read_id = :read_id")


@dataclass(frozen=True)
class StoredPage:
    """Changes in order, and the end of the feed at the same moment. `is_last` says that there are no more of them.

    `erased_sequence` is the number at which all data of the connection was deleted last; 0 if it never was.
    """

    changes: Sequence[StoredChange]
    is_last: bool
    head: FeedCursor
    erased_sequence: int


@dataclass(frozen=True)
class RequestedRead:
    """A requested read of a connection's whole state, after the record at which its last published page has ended.

    `changes_follow` is the sequence number from which the feed continues the read; None before its first page.
    """

    connection: str
    read_id: UUID
    page: int
    after_resource: str
    after_id: str
    changes_follow: int | None


async def renew_feed(tx: AsyncConnection) -> None:
    """Give the feed a new id, unless another transaction has done so since this database was restored or failed over.

    Sequence numbers that readers know may be used again, so cursors of the former feed are good for nothing.
    """
    await tx.execute(_RENEW)


async def save_head(tx: AsyncConnection, connection: str, sequence: int) -> None:
    """Store up to which sequence number the connection has changes, so that they are published."""
    await tx.execute(_SAVE_HEAD, {"connection": connection, "sequence": sequence})


async def lock_lease(tx: AsyncConnection) -> bool:
    """Return whether this process may publish the feeds until the transaction ends. Only one may at a time."""
    return bool((await tx.execute(_LOCK_LEASE)).scalar())


async def list_behind(tx: AsyncConnection, after: str, limit: int) -> tuple[list[tuple[str, int]], float]:
    """Return connections with unpublished changes, and up to which sequence number each is published.

    They are in the order of their names, of which the first one follows `after`. The second value is the age in seconds
    of the oldest unpublished change of all that follow; 0 if there is none.
    """
    rows = (await tx.execute(_LIST_BEHIND, {"after": after, "limit": limit})).all()
    return [(row.connection, row.published) for row in rows], rows[0].lag if rows else 0.0


async def save_published(tx: AsyncConnection, connection: str, *, after: int, through: int, is_last: bool) -> None:
    """Store that the changes up to `through` are published, unless another process has published beyond `after`.

    `is_last` says that there were no more of them when `tx` began.
    """
    values = {"connection": connection, "after": after, "through": through, "is_last": is_last}
    await tx.execute(_SAVE_PUBLISHED, values)


async def load_changes(tx: AsyncConnection, connection: str, after: int) -> StoredPage:
    """Return the changes that follow the sequence number `after`, as many as one page may have."""
    return await _load_page(tx, _LOAD_CHANGES, {"connection": connection, "after": after})


async def load_state(tx: AsyncConnection, connection: str, after_resource: str, after_id: str) -> StoredPage:
    """Return the last changes of the living records that follow this one in the order of resource and id."""
    return await _load_page(
        tx, _LOAD_STATE, {"connection": connection, "after_resource": after_resource, "after_id": after_id}
    )


async def _load_page(tx: AsyncConnection, statement: TextClause, parameters: dict[str, object]) -> StoredPage:
    limits = {"limit": PAGE_RECORDS, "max_bytes": PAGE_BYTES}
    rows = (await tx.execute(statement, {**parameters, **limits})).all()
    changes = [
        StoredChange(
            row.resource,
            row.id,
            row.sequence,
            row.created_sequence,
            row.content_hash,
            row.updated_at,
            row.read_at,
            row.changed_at,
            row.changed_by,
            row.parent,
            row.body,
        )
        for row in rows
        if row.resource is not None
    ]
    is_full = len(changes) == PAGE_RECORDS or sum(row.body_bytes or 0 for row in rows) >= PAGE_BYTES
    first = rows[0]
    return StoredPage(changes, not is_full, FeedCursor(first.feed, first.epoch, first.head), first.erased_sequence)


async def save_read_request(tx: AsyncConnection, connection: str, read_id: UUID) -> None:
    """Store that the whole state of the connection is requested, unless that is stored already."""
    await tx.execute(_SAVE_READ, {"connection": connection, "read_id": read_id})


async def list_reads(tx: AsyncConnection, limit: int) -> list[RequestedRead]:
    """Return the reads that are not completely published, the oldest requests first."""
    return [RequestedRead(*row) for row in await tx.execute(_LIST_READS, {"limit": limit})]


async def save_read_progress(tx: AsyncConnection, read: RequestedRead, last: StoredChange, changes_follow: int) -> None:
    """Store that the page of the read up to the record `last` is published."""
    parameters = {
        "connection": read.connection,
        "read_id": read.read_id,
        "page": read.page,
        "after_resource": last.resource,
        "after_id": last.id,
        "changes_follow": changes_follow,
    }
    await tx.execute(_SAVE_READ_PROGRESS, parameters)


async def delete_read(tx: AsyncConnection, read: RequestedRead) -> None:
    """Delete a read whose last page is published."""
    await tx.execute(_DELETE_READ, {"connection": read.connection, "read_id": read.read_id})
