"""Counts over all links, for the metrics."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.metrics import LinkCounts

_LINKS = text("SELECT state, count(*) AS number FROM links WHERE state <> 'ended' GROUP BY state")
_PAIRS = text("SELECT state, count(*) AS number FROM pairs WHERE resource = 'products' GROUP BY state")
_UNMATCHABLE = text("SELECT count(*) FROM match_problems")
# Of links that follow both sides and have compared them: others have nothing to plan yet.
_UNPLANNED = text("""
SELECT coalesce(greatest(extract(epoch FROM now()) - min(changed_at) / 1000.0, 0), 0)
FROM side_records JOIN links ON links.id = side_records.link
WHERE NOT side_records.is_matched AND links.state IN ('draft', 'active')
""")
_UNWRITTEN = text("""
SELECT coalesce(extract(epoch FROM now() - min(writes.created_at)), 0)
FROM writes JOIN links ON links.id = writes.link WHERE writes.state = 'open' AND links.state = 'active'
""")
_READING = text("""
SELECT coalesce(extract(epoch FROM now() - min(read_at)), 0) FROM sides JOIN links ON links.id = sides.link
WHERE read_id IS NOT NULL AND links.state IN ('reading', 'draft', 'active')
""")
_FAILING = text("""
SELECT count(*) FROM links l WHERE state = 'active' AND (
    SELECT s.state FROM link_syncs s WHERE s.link = l.id AND s.state IN ('success', 'failed')
    ORDER BY s.finished_at DESC LIMIT 1) = 'failed'
""")


async def load_counts(tx: AsyncConnection) -> LinkCounts:
    """Return the counts over all links."""
    return LinkCounts(
        links={row.state: row.number for row in await tx.execute(_LINKS)},
        pairs={row.state: row.number for row in await tx.execute(_PAIRS)},
        unmatchable=int((await tx.execute(_UNMATCHABLE)).scalar_one()),
        oldest_unplanned_seconds=float((await tx.execute(_UNPLANNED)).scalar_one()),
        oldest_unwritten_seconds=float((await tx.execute(_UNWRITTEN)).scalar_one()),
        longest_reading_seconds=float((await tx.execute(_READING)).scalar_one()),
        failing=int((await tx.execute(_FAILING)).scalar_one()),
    )
