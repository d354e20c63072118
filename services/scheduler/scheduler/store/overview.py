"""Counts over all stored syncs and connections, for metrics and for the operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.store import merchant_documents
from scheduler.store.deletion_guards import GuardedConnection, list_guarded
from scheduler.store.merchant_documents import DocumentBehind, OverdueDocuments
from scheduler.store.uploads import ConnectionBehind, WaitingUploads, count_waiting, list_behind

Entry = TypeVar("Entry")

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
SELECT connection, blocked AS reason, CAST(extract(epoch FROM now() - blocked_since) AS double precision) AS age,
    count(*) OVER () AS total
FROM connections WHERE blocked IS NOT NULL ORDER BY blocked_since LIMIT CAST(:limit AS int)
""")
_FINISHED = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs FROM syncs
WHERE finished_at > now() - interval '24 hours' GROUP BY 1, 2, 3
""")
_FAILURES = text("""
SELECT sync_id, connection, mode, cause, reason,
    CAST(extract(epoch FROM now() - finished_at) AS double precision) AS age, count(*) OVER () AS total
FROM syncs WHERE state = 'failed' AND finished_at > now() - interval '24 hours'
ORDER BY finished_at DESC LIMIT CAST(:limit AS int)
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
    CAST(extract(epoch FROM now() - l.finished_at) AS double precision) AS age, count(*) OVER () AS total
FROM connections c CROSS JOIN LATERAL (
    SELECT * FROM syncs WHERE syncs.connection = c.connection AND mode = 'full' AND coalesced_into IS NULL
        AND syncs.state NOT IN ('queued', 'running', 'cancelled') ORDER BY requested_at DESC LIMIT 1) l
WHERE c.state = 'connected' AND l.state = 'failed' ORDER BY l.finished_at DESC LIMIT CAST(:limit AS int)
""")
_COUNT_SYNCS = text("SELECT count(*) FROM syncs WHERE connection = :connection")


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
    overdue_documents: tuple[OverdueDocuments, ...]


async def load_counts(tx: AsyncConnection) -> LedgerCounts:
    """Load the current counts of open syncs, of connections, and of uploads that syncs wait for.

    Indexes on open and on storing syncs keep the queries fast, however many finished syncs there are.
    """
    return LedgerCounts(
        tuple(OpenSyncs(*row) for row in await tx.execute(_OPEN_SYNCS)),
        tuple(ConnectionCount(*row) for row in await tx.execute(_CONNECTIONS)),
        tuple(await count_waiting(tx)),
        tuple(await merchant_documents.list_overdue(tx)),
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
    documents_behind: tuple[DocumentBehind, ...]
    """The connections whose latest state the document of their merchant in the bucket does not show."""
    guarded: tuple[GuardedConnection, ...]
    """The connections whose deletions the deletion guard has stopped."""
    totals: Mapping[str, int]
    """How many entries each of the lists has that is cut at a limit, without this limit."""


async def load_overview(tx: AsyncConnection, *, limit: int | None = None) -> LedgerOverview:
    """Load the counts of open syncs and of connections, the syncs of the last 24 hours, and the age of the data.

    The syncs are those that finished in this time; the latest failed ones and blocked connections are also listed, and
    so are the connections whose latest full sync failed, or that an object in the bucket does not show as they are.
    Each of these lists has at most `limit` entries; None means all.
    """
    failures, failure_count = await _load_list(tx, _FAILURES, FailedSync, limit)
    blocked, blocked_count = await _load_list(tx, _BLOCKED, BlockedConnection, limit)
    failed_full_syncs, failed_full_count = await _load_list(tx, _FAILED_FULL_SYNCS, FailedSync, limit)
    behind, behind_count = await list_behind(tx, limit=limit)
    documents_behind, document_count = await merchant_documents.list_behind(tx, limit=limit)
    return LedgerOverview(
        current=await load_counts(tx),
        finished=tuple(FinishedSyncs(*row) for row in await tx.execute(_FINISHED)),
        failures=failures,
        blocked=blocked,
        failed_full_syncs=failed_full_syncs,
        freshness=tuple(Freshness(*row) for row in await tx.execute(_FRESHNESS)),
        behind=tuple(behind),
        documents_behind=tuple(documents_behind),
        guarded=tuple(await list_guarded(tx)),
        totals={
            "failures": failure_count,
            "blocked": blocked_count,
            "failed_full_syncs": failed_full_count,
            "behind": behind_count,
            "documents_behind": document_count,
        },
    )


async def count_syncs(tx: AsyncConnection, connection: str) -> int:
    """Return the number of all stored syncs of the connection."""
    return int((await tx.execute(_COUNT_SYNCS, {"connection": connection})).scalar_one())


async def _load_list(
    tx: AsyncConnection, statement: TextClause, entry: Callable[..., Entry], limit: int | None
) -> tuple[tuple[Entry, ...], int]:
    """Return the rows of the statement as entries, and the number of rows without the limit: its last column."""
    rows = (await tx.execute(statement, {"limit": limit})).all()
    return tuple(entry(*row[:-1]) for row in rows), rows[0][-1] if rows else 0
