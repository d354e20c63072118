"""Reads of a connection's change feed: each record once, with its present body, in the order of its last change."""

from collections.abc import Sequence

from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases
from data_api.store.heads import COLUMNS
from data_api.store.records import RowPage, parse_page

# $1 connection, $2 after, $3 limit, $4 bytes, $5 resources, $6 with bodies
_READ = f"""
SELECT {COLUMNS}, p.resource, p.id, p.sequence, p.created_sequence, p.is_deleted, p.found,
    CASE WHEN $6 THEN (
        SELECT body FROM changes WHERE connection = $1 AND sequence = p.sequence OFFSET 0) END AS body
FROM snapshots AS h LEFT JOIN LATERAL (
    SELECT *, count(*) OVER () AS found, row_number() OVER (ORDER BY sequence) AS number,
        sum(body_bytes) OVER (ORDER BY sequence) - body_bytes AS bytes_before
    FROM (
        SELECT resource, id, sequence, created_sequence, is_deleted,
            CASE WHEN $6 THEN body_bytes ELSE 0 END AS body_bytes
        FROM changes WHERE connection = $1 AND sequence > $2 AND ($5::text[] IS NULL OR resource = ANY($5))
        ORDER BY sequence LIMIT $3 + 1
    ) AS chosen
) AS p ON p.number <= $3 AND (p.number = 1 OR p.bytes_before + p.body_bytes <= $4)
WHERE h.connection = $1 ORDER BY p.sequence
"""


async def read_changes(
    databases: ReadDatabases,
    connection: str,
    after: FeedCursor,
    *,
    limit: int,
    max_bytes: int,
    resources: Sequence[str] | None = None,
    with_bodies: bool = True,
    reached: FeedCursor | None = None,
) -> RowPage | None:
    """Return the records whose last changes come after `after`, from a database that has reached `reached` or `after`.

    Whether the cursor is good for the connection's feed is for the caller to see from the page's head. Returns None
    where the spaces-writer does not know the connection.
    """
    listed = list(resources) if resources is not None else None
    parameters = (connection, after.sequence, limit, max_bytes, listed, with_bodies)
    return parse_page(await databases.fetch(_READ, *parameters, reached=reached or after))


def find_position(page: RowPage) -> FeedCursor:
    """Return the cursor from which the changes go on after a page of them."""
    head = page.head
    return FeedCursor(head.feed, head.epoch, page.rows[-1]["sequence"]) if page.has_more else head.cursor
