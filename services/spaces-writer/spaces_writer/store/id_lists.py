"""The table of the ids that the platform listed in the parts of id ranges."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import IdsListed, RangeCompleted

_SAVE = text("""
INSERT INTO id_lists (connection, read_id, resource, id_range, attempt, after_id, up_to_id, ids, counted, is_repeated)
VALUES (:connection, :read_id, :resource, :id_range, :attempt, :after, :up_to, CAST(:ids AS text[]), :count,
        :is_repeated)
ON CONFLICT (connection, read_id, resource, id_range, attempt, after_id) DO UPDATE SET
    up_to_id = EXCLUDED.up_to_id, ids = EXCLUDED.ids, counted = EXCLUDED.counted, is_repeated = EXCLUDED.is_repeated
""")
_LOAD = text("""
SELECT after_id AS after, up_to_id AS up_to, ids, counted AS count, is_repeated FROM id_lists
WHERE connection = :connection AND read_id = :read_id AND resource = :resource
  AND id_range = :id_range AND attempt = :attempt
""")
_FIND_UNSTORED = text("""
SELECT resource, id FROM id_lists, unnest(ids) AS id WHERE connection = :connection AND read_id = :read_id
EXCEPT
SELECT resource, id FROM pages, unnest(ids) AS id WHERE connection = :connection AND read_id = :read_id
ORDER BY resource, id
""")


async def save(tx: AsyncConnection, event: IdsListed) -> None:
    """Store the list of a part of an id range. A later list of a part that begins with the same id replaces it."""
    fields = event.model_dump(exclude={"kind", "epoch", "ids"})
    await tx.execute(_SAVE, {**fields, "ids": list(event.ids)})


async def load(tx: AsyncConnection, event: RangeCompleted) -> list[IdsListed]:
    """Return the lists of the attempt at an id range that `event` names."""
    key = event.model_dump(include={"connection", "epoch", "read_id", "resource", "id_range", "attempt"})
    rows = await tx.execute(_LOAD, key)
    return [IdsListed(**key, **row._mapping) for row in rows]


async def find_unstored(tx: AsyncConnection, connection: str, read_id: UUID) -> list[tuple[str, str]]:
    """Return (resource, id) of the records that are on a list of the full read, but on none of its stored pages."""
    rows = await tx.execute(_FIND_UNSTORED, {"connection": connection, "read_id": read_id})
    return [(row.resource, row.id) for row in rows]
