"""The ledger at a glance, for whoever watches the system as a whole: what is open, and how connections stand."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_OPEN = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs,
    CAST(extract(epoch FROM now() - min(requested_at)) AS double precision) AS age
FROM syncs WHERE state IN ('queued', 'running') GROUP BY 1, 2, 3
""")
_CONNECTIONS = text("""
SELECT split_part(connection, ':', 1) AS platform, state, count(*) AS connections FROM connections GROUP BY 1, 2
""")
_ENDED = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs FROM syncs
WHERE finished_at > now() - interval '24 hours' GROUP BY 1, 2, 3
""")
_FAILED = text("""
SELECT sync_id, connection, mode, cause, reason,
    CAST(extract(epoch FROM now() - finished_at) AS double precision) AS age
FROM syncs WHERE state = 'failed' AND finished_at > now() - interval '24 hours'
ORDER BY finished_at DESC LIMIT :limit
""")
_FRESHNESS = text("""
SELECT split_part(c.connection, ':', 1) AS platform, count(*) AS connections, count(*) - count(s.age) AS never,
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
FAILURES = 20


@dataclass(frozen=True)
class Open:
    """So many open syncs of one kind; `age` is that of the oldest, in seconds."""

    platform: str
    mode: str
    state: str
    syncs: int
    age: float


@dataclass(frozen=True)
class Standing:
    """So many connections in one state."""

    platform: str
    state: str
    connections: int


@dataclass(frozen=True)
class Overview:
    """All of it at one moment."""

    open: tuple[Open, ...]
    connections: tuple[Standing, ...]


async def overview(tx: AsyncConnection) -> Overview:
    """The ledger as it is now. Open syncs are found by their index; ended ones cost nothing."""
    return Overview(
        tuple(Open(*row) for row in await tx.execute(_OPEN)),
        tuple(Standing(*row) for row in await tx.execute(_CONNECTIONS)),
    )


@dataclass(frozen=True)
class Ended:
    """So many syncs of one kind that have ended within a day."""

    platform: str
    mode: str
    state: str
    syncs: int


@dataclass(frozen=True)
class Failure:
    """A sync that failed, `age` seconds ago."""

    sync_id: UUID
    connection: str
    mode: str
    cause: str
    reason: str | None
    age: float


@dataclass(frozen=True)
class Freshness:
    """How long ago the connected ones of a platform had their last successful sync, in seconds; `never`: not yet."""

    platform: str
    connections: int
    never: int
    oldest: float | None
    p95: float | None


@dataclass(frozen=True)
class Dirty:
    """So many snapshots do not hold yet what was stored; `age`: since when, for the oldest, in seconds."""

    platform: str
    snapshots: int
    age: float


@dataclass(frozen=True)
class Situation:
    """What an operator asks of the ledger, which costs more than what every scrape asks."""

    now: Overview
    ended: tuple[Ended, ...]
    failed: tuple[Failure, ...]
    freshness: tuple[Freshness, ...]
    dirty: tuple[Dirty, ...]


async def situation(tx: AsyncConnection) -> Situation:
    """The ledger as it is now, and the last day of it."""
    return Situation(
        await overview(tx),
        tuple(Ended(*row) for row in await tx.execute(_ENDED)),
        tuple(Failure(*row) for row in await tx.execute(_FAILED, {"limit": FAILURES})),
        tuple(Freshness(*row) for row in await tx.execute(_FRESHNESS)),
        tuple(Dirty(*row) for row in await tx.execute(_DIRTY)),
    )
