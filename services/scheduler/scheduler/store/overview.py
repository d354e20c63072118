"""Counts over all stored syncs and connections, for metrics and for the operator."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

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
_DIRTY = text("""
SELECT split_part(connection, ':', 1) AS platform, count(DISTINCT connection) AS snapshots,
    CAST(extract(epoch FROM now() - min(finished_at)) AS double precision) AS age
FROM syncs WHERE state = 'success' AND NOT uploaded GROUP BY 1
""")
MAX_FAILURES = MAX_BLOCKED = 20


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
    """The current counts of open syncs and of connections."""

    open_syncs: tuple[OpenSyncs, ...]
    connections: tuple[ConnectionCount, ...]


async def load_counts(tx: AsyncConnection) -> LedgerCounts:
    """Load the current counts of open syncs and of connections.

    An index on open syncs keeps the query fast, however many finished syncs there are.
    """
    return LedgerCounts(
        tuple(OpenSyncs(*row) for row in await tx.execute(_OPEN_SYNCS)),
        tuple(ConnectionCount(*row) for row in await tx.execute(_CONNECTIONS)),
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
class DirtySnapshots:
    """Number of a platform's snapshots that lack the data of at least one successful sync.

    `age` is how many seconds ago the oldest of these syncs finished.
    """

    platform: str
    snapshots: int
    age: float


@dataclass(frozen=True)
class LedgerOverview:
    """What the operator sees of all syncs and connections. The queries are too slow for the scrapes of `/metrics`."""

    current: LedgerCounts
    finished: tuple[FinishedSyncs, ...]
    failures: tuple[FailedSync, ...]
    blocked: tuple[BlockedConnection, ...]
    freshness: tuple[Freshness, ...]
    dirty_snapshots: tuple[DirtySnapshots, ...]


async def load_overview(tx: AsyncConnection) -> LedgerOverview:
    """Load the counts of open syncs and of connections, the syncs of the last 24 hours, and the age of the data.

    The syncs are those that finished in this time; the latest failed ones and blocked connections are also listed.
    """
    return LedgerOverview(
        await load_counts(tx),
        tuple(FinishedSyncs(*row) for row in await tx.execute(_FINISHED)),
        tuple(FailedSync(*row) for row in await tx.execute(_FAILURES, {"limit": MAX_FAILURES})),
        tuple(BlockedConnection(*row) for row in await tx.execute(_BLOCKED, {"limit": MAX_BLOCKED})),
        tuple(Freshness(*row) for row in await tx.execute(_FRESHNESS)),
        tuple(DirtySnapshots(*row) for row in await tx.execute(_DIRTY)),
    )
