"""Loads what is published about the syncs of connections."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncChanged, SyncState

MAX_REQUESTED_SYNCS = 20
"""The most syncs of a connection that are full or were requested by a person or a reader."""
MAX_OTHER_SYNCS = 30
"""The most syncs of a connection of all other kinds: those of webhooks and verifications."""
MAX_REASON_LENGTH = 500

_LOAD_CONNECTIONS = text(f"""
SELECT c.connection, c.epoch, c.state = 'redacted' AS is_redacted, c.fully_read,
    CAST(extract(epoch FROM c.next_poll_at) * 1000 AS bigint) AS next_poll_at,
    left(c.blocked, {MAX_REASON_LENGTH}) AS blocked,
    (SELECT CAST(extract(epoch FROM finished_at) * 1000 AS bigint) FROM syncs
     WHERE syncs.connection = c.connection AND finished_at IS NOT NULL AND syncs.state = 'success'
     ORDER BY finished_at DESC LIMIT 1) AS last_success_at,
    (SELECT CASE syncs.state WHEN 'failed' THEN left(coalesce(reason, ''), {MAX_REASON_LENGTH}) END FROM syncs
     WHERE syncs.connection = c.connection AND finished_at IS NOT NULL AND syncs.state <> 'cancelled'
     ORDER BY finished_at DESC LIMIT 1) AS last_error
FROM connections c WHERE c.connection = ANY(CAST(:names AS text[]))
""")
_IS_REQUESTED = "(mode = 'full' OR cause = 'manual')"
_LATEST = f"""
SELECT connection, sync_id, mode, cause, state, records, changed, deleted, result_sequence AS sequence, coalesced_into,
    CAST(extract(epoch FROM requested_at) * 1000 AS bigint) AS requested_at,
    CAST(extract(epoch FROM started_at) * 1000 AS bigint) AS started_at,
    CAST(extract(epoch FROM finished_at) * 1000 AS bigint) AS finished_at,
    left(reason, {MAX_REASON_LENGTH}) AS reason
FROM syncs WHERE connection = name
"""
# The order of an index: first those that have not ended (null), then those that ended last.
_ORDER = "ORDER BY syncs.finished_at DESC, syncs.requested_at DESC"
_LOAD_SYNCS = text(f"""
SELECT shown.* FROM unnest(CAST(:names AS text[])) AS name CROSS JOIN LATERAL (
    ({_LATEST} AND {_IS_REQUESTED} {_ORDER} LIMIT {MAX_REQUESTED_SYNCS})
    UNION ALL
    ({_LATEST} AND NOT {_IS_REQUESTED} {_ORDER} LIMIT {MAX_OTHER_SYNCS})) AS shown
ORDER BY shown.requested_at DESC
""")


async def load_states(tx: AsyncConnection, names: Sequence[str], revision: int) -> list[SyncChanged]:
    """Return the present state of each of the connections that exists, as an event with this revision."""
    rows = (await tx.execute(_LOAD_CONNECTIONS, {"names": list(names)})).all()
    syncs: dict[str, list[SyncState]] = {row.connection: [] for row in rows if not row.is_redacted}
    for row in await tx.execute(_LOAD_SYNCS, {"names": list(syncs)}):
        values = row._asdict()
        syncs[values.pop("connection")].append(SyncState(**values))
    return [_build_event(row, syncs.get(row.connection, []), revision) for row in rows]


def _build_event(row: Row[Any], syncs: Sequence[SyncState], revision: int) -> SyncChanged:
    if row.is_redacted:
        return SyncChanged(connection=row.connection, epoch=row.epoch, revision=revision)
    return SyncChanged(
        connection=row.connection,
        epoch=row.epoch,
        revision=revision,
        fully_read=row.fully_read,
        last_success_at=row.last_success_at,
        last_error=row.last_error,
        next_poll_at=row.next_poll_at,
        blocked=row.blocked,
        syncs=tuple(syncs),
    )
