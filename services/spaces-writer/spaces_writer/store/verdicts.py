"""What pages listed, the ends of windows and walks, and the verdicts given."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import FullReadCompleted, RangeCompleted, RecordsPage, SyncResult, SyncTotals
from spaces_writer.verdicts import WindowVerdict


@dataclass(frozen=True)
class Counts:
    """What became of a page's records."""

    records: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    removed: int = 0


_LIST = text("""
INSERT INTO listings (connection, source, resource, "window", attempt, step, page, ids,
                      records, changed, unchanged, stale, removed)
VALUES (:connection, :source, :resource, :window, :attempt, :step, :page, CAST(:ids AS text[]),
        :records, :changed, :unchanged, :stale, :removed)
ON CONFLICT (connection, source, resource, "window", attempt, step, page)
DO UPDATE SET ids = listings.ids || EXCLUDED.ids
""")
_LISTED = text("""
SELECT count(DISTINCT id) FROM listings, unnest(ids) AS id
WHERE connection = :connection AND source = :source AND resource = :resource
  AND "window" = :window AND attempt = :attempt
""")
_LISTED_IDS = text("""
SELECT DISTINCT resource, id FROM listings, unnest(ids) AS id WHERE connection = :connection AND source = :source
""")
_TOTALS = text("""
SELECT count(*) AS pages, coalesce(sum(records), 0) AS records, coalesce(sum(changed), 0) AS changed,
       coalesce(sum(unchanged), 0) AS unchanged, coalesce(sum(stale), 0) AS stale, coalesce(sum(removed), 0) AS removed
FROM listings WHERE connection = :connection AND source = :source
""")
_END_WINDOW = text("""
INSERT INTO windows (connection, source, resource, "window", attempt, good, reason, again)
VALUES (:connection, :source, :resource, :window, :attempt, :good, :reason, :again)
ON CONFLICT (connection, source, resource, "window", attempt)
DO UPDATE SET good = EXCLUDED.good, reason = EXCLUDED.reason
""")
_WINDOWS = text("""
SELECT resource, "window", attempt, good, reason, again FROM windows
WHERE connection = :connection AND source = :source ORDER BY attempt
""")
_END_WALK = text("""
INSERT INTO walks (connection, source, marker) VALUES (:connection, :source, :marker) ON CONFLICT DO NOTHING
""")
_WALK = text("SELECT marker FROM walks WHERE connection = :connection AND source = :source")
_GIVE = text("""
INSERT INTO verdicts (connection, source, verdict) VALUES (:connection, :source, :verdict) ON CONFLICT DO NOTHING
""")
_GIVEN = text("SELECT verdict FROM verdicts WHERE connection = :connection AND source = :source")
_CLEAR = [
    text(f"DELETE FROM {table} WHERE connection = :connection AND source = :source")
    for table in ("listings", "windows", "walks")
]
_PRUNE = [
    text(f"DELETE FROM {table} WHERE at < now() - interval '8 days'")
    for table in ("listings", "windows", "walks", "verdicts", "parts")
]


def _scope(connection: str, source: UUID) -> dict[str, object]:
    return {"connection": connection, "source": source}


async def list_page(tx: AsyncConnection, page: RecordsPage, ids: Sequence[str], counts: Counts) -> None:
    """Keep what a page listed. A page number said again with another cut adds its ids; its counts stay the first's."""
    await tx.execute(
        _LIST,
        {
            **_scope(page.connection, page.read_id),
            "window": page.id_range,
            **page.model_dump(include={"resource", "attempt", "step", "page"}),
            "ids": list(ids),
            **asdict(counts),
        },
    )


async def listed(tx: AsyncConnection, marker: RangeCompleted) -> int:
    """How many distinct ids this attempt at the window listed."""
    place = {"window": marker.id_range, **marker.model_dump(include={"resource", "attempt"})}
    return int((await tx.execute(_LISTED, {**_scope(marker.connection, marker.read_id), **place})).scalar_one())


async def listed_ids(tx: AsyncConnection, connection: str, source: UUID) -> set[tuple[str, str]]:
    """(resource, id) of all that a records fetch brought."""
    return {(row.resource, row.id) for row in await tx.execute(_LISTED_IDS, _scope(connection, source))}


async def totals(tx: AsyncConnection, connection: str, source: UUID) -> SyncTotals:
    """What became of all that this walk or fetch has said so far."""
    row = (await tx.execute(_TOTALS, _scope(connection, source))).one()
    return SyncTotals(read_id=source, **{name: int(value) for name, value in row._mapping.items()})


async def end_window(tx: AsyncConnection, connection: str, source: UUID, verdict: WindowVerdict) -> None:
    """Keep a window's verdict."""
    await tx.execute(_END_WINDOW, {**_scope(connection, source), **asdict(verdict)})


async def windows(tx: AsyncConnection, connection: str, source: UUID) -> list[WindowVerdict]:
    """All verdicts so far on the windows of a walk."""
    return [WindowVerdict(*row) for row in (await tx.execute(_WINDOWS, _scope(connection, source))).all()]


async def end_walk(tx: AsyncConnection, marker: FullReadCompleted) -> None:
    """Keep the walk marker, which may come before a window has been walked again."""
    await tx.execute(_END_WALK, {**_scope(marker.connection, marker.read_id), "marker": marker.model_dump_json()})


async def walk(tx: AsyncConnection, connection: str, source: UUID) -> FullReadCompleted | None:
    """The walk's marker, once it has come."""
    marker = (await tx.execute(_WALK, _scope(connection, source))).scalar()
    return FullReadCompleted.model_validate_json(marker) if marker else None


async def give(tx: AsyncConnection, connection: str, source: UUID, verdict: SyncResult) -> None:
    """Give the final verdict, once, and drop what it was made from."""
    await tx.execute(_GIVE, {**_scope(connection, source), "verdict": verdict.model_dump_json()})
    for statement in _CLEAR:
        await tx.execute(statement, _scope(connection, source))


async def given(tx: AsyncConnection, connection: str, source: UUID) -> SyncResult | None:
    """The final verdict already given on this walk or fetch."""
    verdict = (await tx.execute(_GIVEN, _scope(connection, source))).scalar()
    return SyncResult.model_validate_json(verdict) if verdict else None


async def prune(tx: AsyncConnection) -> None:
    """Drop what no message still in Kafka can ask about."""
    for statement in _PRUNE:
        await tx.execute(statement)
