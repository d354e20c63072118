"""How many records a connection has."""

from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases
from data_api.store.heads import COLUMNS

_COUNT = f"""
SELECT {COLUMNS}, c.resource, c.records FROM snapshots AS h LEFT JOIN LATERAL (
    SELECT resource, count(*) AS records FROM records
    WHERE connection = $1 AND NOT is_deleted GROUP BY resource OFFSET 0) AS c ON true
WHERE h.connection = $1
"""


async def load_counts(databases: ReadDatabases, connection: str, *, reached: FeedCursor) -> dict[str, int]:
    """Return the number of stored records of each resource, without the deleted ones."""
    rows = await databases.fetch(_COUNT, connection, reached=reached)
    return {
        row["resource"]: row["records"]
        for row in sorted(rows, key=lambda row: row["resource"] or "")
        if row["resource"]
    }
