"""Counts over the whole ledger, for metrics and for the operator."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_OPEN_SYNCS = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs,
    CAST(extract(epoch FROM now() - min(requested_at)) AS double precision) AS age
FROM syncs WHERE state IN ('queued', 'running') GROUP BY 1, 2, 3
""")
_CONNECTIONS = text("""
SELECT split_part(connection, ':', 1) AS platform, state, count(*) AS connections FROM connections GROUP BY 1, 2
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
MAX_FAILURES = 20


@dataclass(frozen=True)
class OpenSyncs:
    """Number of open syncs of one kind; `age` is that of the oldest, in seconds."""

    platform: str
    mode: str
    state: str
    syncs: int
    age: float


@dataclass(frozen=True)
class ConnectionCount:
    """Number of connections in one state."""

    platform: str
    state: str
    connections: int


@dataclass(frozen=True)
class LedgerCounts:
    """The counts at one moment."""

    open_syncs: tuple[OpenSyncs, ...]
    connections: tuple[ConnectionCount, ...]


async def load_counts(tx: AsyncConnection) -> LedgerCounts:
    """Load the present counts. Open syncs are found by their index, so that finished ones cost nothing."""
    return LedgerCounts(
        tuple(OpenSyncs(*row) for row in await tx.execute(_OPEN_SYNCS)),
        tuple(ConnectionCount(*row) for row in await tx.execute(_CONNECTIONS)),
    )


@dataclass(frozen=True)
class FinishedSyncs:
    """Number of syncs of one kind that finished within a day."""

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
class Freshness:
    """How long ago the connected connections of a platform had their last successful sync, in seconds.

    `never_synced` is the number of connections that had none yet.
    """

    platform: str
    connections: int
    never_synced: int
    oldest: float | None
    p95: float | None


@dataclass(frozen=True)
class DirtySnapshots:
    """Number of snapshots that do not contain all stored data yet; `age` is that of the oldest change, in seconds."""

    platform: str
    snapshots: int
    age: float


@dataclass(frozen=True)
class LedgerOverview:
    """What the operator sees of the ledger. Loading it costs more than the counts that every scrape loads."""

    current: LedgerCounts
    finished: tuple[FinishedSyncs, ...]
    failures: tuple[FailedSync, ...]
    freshness: tuple[Freshness, ...]
    dirty_snapshots: tuple[DirtySnapshots, ...]


async def load_overview(tx: AsyncConnection) -> LedgerOverview:
    """Load the present state of the ledger and its last day."""
    return LedgerOverview(
        await load_counts(tx),
        tuple(FinishedSyncs(*row) for row in await tx.execute(_FINISHED)),
        tuple(FailedSync(*row) for row in await tx.execute(_FAILURES, {"limit": MAX_FAILURES})),
        tuple(Freshness(*row) for row in await tx.execute(_FRESHNESS)),
        tuple(DirtySnapshots(*row) for row in await tx.execute(_DIRTY)),
    )
