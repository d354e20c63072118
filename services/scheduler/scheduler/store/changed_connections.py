"""The marks of connections whose row or syncs have changed since their state was last published.

Triggers on the tables `connections` and `syncs` make them, in the transaction of each change.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

DELAY_MS = 250
"""How long a connection's first mark waits for further ones, so that its state is published once for all of them."""

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.changed_connections'))")
_TAKE_DUE = text(f"""
WITH due AS (
    SELECT connection FROM changed_connections GROUP BY connection
    HAVING min(changed_at) <= now() - interval '{DELAY_MS} ms' ORDER BY min(changed_at) LIMIT :limit)
DELETE FROM changed_connections USING due WHERE changed_connections.connection = due.connection
RETURNING due.connection
""")
# A sequence is not rolled back, so that a run that was killed after it had published leaves a lower number. The clock
# (microseconds) keeps the numbers above those that were published before an older backup was restored.
_RAISE_REVISION = text("""
SELECT setval('sync_state_revisions', GREATEST(
    nextval('sync_state_revisions'), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)))
""")


async def lock(tx: AsyncConnection) -> bool:
    """Return whether this transaction alone may take marks until it ends: no other one holds the lock."""
    return bool((await tx.execute(_LOCK)).scalar())


async def take_due(tx: AsyncConnection, limit: int) -> list[str]:
    """Delete the marks of at most `limit` connections, those marked for longest, and return their names.

    Marks younger than `DELAY_MS` wait. If the transaction is rolled back, the marks are there as before.
    """
    return sorted(set((await tx.execute(_TAKE_DUE, {"limit": limit})).scalars()))


async def raise_revision(tx: AsyncConnection) -> int:
    """Return a revision that is higher than all before, also of transactions that were rolled back.

    The caller holds the lock.
    """
    return int((await tx.execute(_RAISE_REVISION)).scalar_one())
