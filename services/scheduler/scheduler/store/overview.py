"""Counts over all stored syncs and connections, for metrics and for the operator."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.store.deletion_guards import GuardedConnection, list_guarded
from scheduler.store.uploads import ConnectionBehind, WaitingUploads, count_waiting, list_behind

_OPEN_SYNCS = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs,
    CAST(extract(epoch FROM now() - min(requested_at)) AS double precision) AS age
FROM syncs WHERE state IN ('queued', 'running') AND coalesced_into IS NULL
  AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.connection = syncs.connection AND c.blocked IS NOT NULL)
GROUP BY 1, 2, 3
""")
_CONNECTIONS = text("""
SELECT split_part(connection, ':', 1) AS platform, CASE WHEN blocked IS NULL THEN state ELSE 'blocked' END AS state,
    count(*) AS connections FROM connections GROUP BY 1, 2
""")
_BLOCKED = text("""
SELECT connection, blocked AS reason, CAST(extract(epoch FROM now() - blocked_since) AS double precision) AS age
FROM connections WHERE blocked IS NOT NULL ORDER BY blocked_since LIMIT :limit
""")
_FINISHED = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs FROM syncs
WHERE finished_at > now() - interval '24 hours' GROUP BY 1, 2, 3
""")
_FAILURES = text("""
SELECT sync_id, connection, mode, cause, reason,
    CAST(extract(epoch FROM now() - finished_at) AS double precision) AS age
FROM syncs WHERE state = 'failed' AND finished_at > now() - interval '24 hours'
ORDER BY finished_at DESC LIMIT :limit
""")
_FRESHNESS = text("""
SELECT split_part(c.connection, ':', 1) AS platform, count(*) AS connections, count(*) - count(s.age) AS never_synced,
    max(s.age) AS oldest, percentile_cont(0.95) WITHIN GROUP (ORDER BY s.age) AS p95
FROM connections c LEFT JOIN LATERAL (
    SELECT CAST(extract(epoch FROM now() - finished_at) AS double precision) AS age FROM syncs
    WHERE syncs.connection = c.connection AND state = 'success' ORDER BY requested_at DESC LIMIT 1) s ON true
WHERE c.state = 'connected' GROUP BY 1
""")
_FAILED_FULL_SYNCS = text("""
SELECT l.sync_id, c.connection, 'full' AS mode, l.cause, l.reason,
    CAST(extract(epoch FROM now() - l.finished_at) AS double precision) AS age
FROM connections c CROSS JOIN LATERAL (
    SELECT * FROM syncs WHERE syncs.connection = c.connection AND mode = 'full' AND coalesced_into IS NULL
        AND syncs.state NOT IN ('queued', 'running', 'cancelled') ORDER BY requested_at DESC LIMIT 1) l
WHERE c.state = 'connected' AND l.state = 'failed' ORDER BY l.finished_at DESC LIMIT :limit
""")
MAX_FAILURES = MAX_BLOCKED = 20
MAX_BEHIND = 100


@dataclass(frozen=True)
class OpenSyncs:
    """Number of open syncs of one platform, mode and state. `age` is the age of the oldest one in seconds.

    Those that were coalesced into another one and those of blocked connections, which wait for their platform, are left
    out.
    """

    platform: str
    mode: str
    state: str
    syncs: int
    age: float


@dataclass(frozen=True)
class ConnectionCount:
    """Number of connections of one platform in one state. Blocked connections have the state `blocked` here."""

    platform: str
    state: str
    connections: int


@dataclass(frozen=True)
class LedgerCounts:
    """The current counts of open syncs, of connections, and of uploads that syncs wait for."""

    open_syncs: tuple[OpenSyncs, ...]
    connections: tuple[ConnectionCount, ...]
    waiting_uploads: tuple[WaitingUploads, ...]


async def load_counts(tx: AsyncConnection) -> LedgerCounts:
    """Load the current counts of open syncs, of connections, and of uploads that syncs wait for.

    Indexes on open and on storing syncs keep the queries fast, however many finished syncs there are.
    """
    return LedgerCounts(
        tuple(OpenSyncs(*row) for row in await tx.execute(_OPEN_SYNCS)),
        tuple(ConnectionCount(*row) for row in await tx.execute(_CONNECTIONS)),
        tuple(await count_waiting(tx)),
    )


@dataclass(frozen=True)
class FinishedSyncs:
    """Number of syncs of one platform, mode and state that finished within the last 24 hours."""

    platform: str
    mode: str
    state: str
    syncs: int


@dataclass(frozen=True)
class FailedSync:
    """A sync that failed `age` seconds ago."""

    sync_id: UUID
    connection: str
    mode: str
    cause: str
    reason: str | None
    age: float


@dataclass(frozen=True)
class BlockedConnection:
    """A connection about which the platform has refused every call for `age` seconds: the account is `reason`."""

    connection: str
    reason: str
    age: float


@dataclass(frozen=True)
class Freshness:
    """The age in seconds of the last successful syncs of a platform's connected connections.

    `oldest` is the maximum and `p95` the 95th percentile; both are None if no connection had a successful sync.
    `never_synced` is the number of connections without a successful sync.
    """

    platform: str
    connections: int
    never_synced: int
    oldest: float | None
    p95: float | None


@dataclass(frozen=True)
class LedgerOverview:
    """What the operator sees of all syncs and connections. The queries are too slow for the scrapes of `/metrics`."""

    current: LedgerCounts
    finished: tuple[FinishedSyncs, ...]
    failures: tuple[FailedSync, ...]
    blocked: tuple[BlockedConnection, ...]
    failed_full_syncs: tuple[FailedSync, ...]
    """The connected connections whose latest full sync failed, however long ago."""
    freshness: tuple[Freshness, ...]
    behind: tuple[ConnectionBehind, ...]
    """The connections whose snapshot in the bucket lacks stored data."""
    guarded: tuple[GuardedConnection, ...]
    """The connections whose deletions the deletion guard has stopped."""


async def load_overview(tx: AsyncConnection) -> LedgerOverview:
    """Load the counts of open syncs and of connections, the syncs of the last 24 hours, and the age of the data.

    The syncs are those that finished in this time; the latest failed ones and blocked connections are also listed, and
    so are the connections whose latest full sync failed, or whose snapshot in the bucket is behind.
    """
    return LedgerOverview(
        await load_counts(tx),
        tuple(FinishedSyncs(*row) for row in await tx.execute(_FINISHED)),
        tuple(FailedSync(*row) for row in await tx.execute(_FAILURES, {"limit": MAX_FAILURES})),
        tuple(BlockedConnection(*row) for row in await tx.execute(_BLOCKED, {"limit": MAX_BLOCKED})),
        tuple(FailedSync(*row) for row in await tx.execute(_FAILED_FULL_SYNCS, {"limit": MAX_FAILURES})),
        tuple(Freshness(*row) for row in await tx.execute(_FRESHNESS)),
        tuple(await list_behind(tx, limit=MAX_BEHIND)),
        tuple(await list_guarded(tx)),
    )
