"""Reads of stored records: one, some by id, or page by page in the order of their ids or of their last changes.

A page is chosen without its bodies, by their sizes, and only then its bodies are read: large records never come into
memory by hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases, Row
from data_api.store.heads import COLUMNS, Head, parse_head

_FIELDS = "id, resource, sequence, updated_at, read_at, first_seen_at, is_deleted, content_hash"
_SELECTED = ", ".join(f"p.{name}" for name in _FIELDS.split(", "))
_BODY = "(SELECT body FROM records WHERE connection = $1 AND resource = p.resource AND id = p.id OFFSET 0) AS body"

_LOAD = f"""
SELECT {COLUMNS}, {_SELECTED}, p.body FROM snapshots AS h LEFT JOIN LATERAL (
    SELECT {_FIELDS}, body FROM records WHERE connection = $1 AND resource = $2 AND id = $3 OFFSET 0) AS p ON true
WHERE h.connection = $1
"""

# $1 connection, $2 resource, $3 limit, $4 bytes, $5 with deleted records, $6 updated after
_FILTERED = f"""
SELECT {_FIELDS}, body_bytes FROM records
WHERE connection = $1 AND resource = $2 AND ($5 OR NOT is_deleted) AND ($6::timestamptz IS NULL OR updated_at > $6)
"""


def _build_page(chosen: str, order: str) -> str:
    """Return the statement for a page of the records that `chosen` selects, at most one more than the limit."""
    return f"""
SELECT {COLUMNS}, {_SELECTED}, p.found, {_BODY} FROM snapshots AS h LEFT JOIN LATERAL (
    SELECT *, count(*) OVER () AS found, row_number() OVER (ORDER BY {order}) AS number,
        sum(body_bytes) OVER (ORDER BY {order}) - body_bytes AS bytes_before
    FROM ({chosen}) AS chosen
) AS p ON p.number <= $3 AND (p.number = 1 OR p.bytes_before + p.body_bytes <= $4)
WHERE h.connection = $1 ORDER BY p.{order}
"""


def _build_page_of(ids: str) -> str:
    """Return the statement for a page of the records whose ids `ids` selects, in their order."""
    chosen = f"""
SELECT found.* FROM ({ids} AND id > coalesce($7::text, '') ORDER BY id) AS wanted
CROSS JOIN LATERAL ({_FILTERED} AND records.id = wanted.id OFFSET 0) AS found ORDER BY wanted.id LIMIT $3 + 1
"""
    return _build_page(chosen, "id")


# Each list has a statement for all records, and one for those that a lookup key finds. $7 is where the page begins;
# then come the ids and the lookup key, where there are any.
_FOUND = "SELECT id FROM lookups WHERE connection = $1 AND key = {key}"
_IS_FOUND = f"EXISTS ({_FOUND} AND lookups.id = {{id}} OFFSET 0)"
_LIST_BY_ID = (
    _build_page(f"{_FILTERED} AND ($7::text IS NULL OR id > $7) ORDER BY id LIMIT $3 + 1", "id"),
    _build_page_of(_FOUND.format(key="$8")),
)
_LIST_NAMED = (
    _build_page_of("SELECT DISTINCT id FROM unnest($8::text[]) AS id WHERE true"),
    _build_page_of(
        f"SELECT DISTINCT id FROM unnest($8::text[]) AS wanted (id) WHERE {_IS_FOUND.format(key='$9', id='wanted.id')}"
    ),
)
# Few are looked up and sorted, many are found on the way through all records: either way a page costs little.
_FEW = 1000
_FOUND_BY_SEQUENCE = f"""
WITH few AS MATERIALIZED ({_FOUND.format(key="$8")} LIMIT {_FEW} + 1)
SELECT * FROM (
    (SELECT found.* FROM few
    CROSS JOIN LATERAL ({_FILTERED} AND records.id = few.id AND sequence > $7 OFFSET 0) AS found
    WHERE (SELECT count(*) FROM few) <= {_FEW})
    UNION ALL
    ({_FILTERED} AND sequence > $7 AND {_IS_FOUND.format(key="$8", id="records.id")}
    AND (SELECT count(*) FROM few) > {_FEW} ORDER BY sequence LIMIT $3 + 1)
) AS found ORDER BY sequence LIMIT $3 + 1
"""
_LIST_BY_SEQUENCE = (
    _build_page(f"{_FILTERED} AND sequence > $7 ORDER BY sequence LIMIT $3 + 1", "sequence"),
    _build_page(_FOUND_BY_SEQUENCE, "sequence"),
)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records of a resource a list has.

    `lookup_key` is the key of a value that they have in a lookup field (`contracts.lookup_keys`).
    """

    with_deleted: bool = False
    updated_after: datetime | None = None
    lookup_key: str | None = None
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of rows, and the head of the change feed at the same moment.

    `has_more` says whether more rows follow. A page may have fewer rows than asked for although more follow, because
    its bodies are limited to a number of bytes.
    """

    head: Head
    rows: Sequence[Row]
    has_more: bool


def parse_page(rows: Sequence[Row]) -> RowPage | None:
    """Return the page in the rows of a statement; None where the spaces-writer does not know the connection."""
    if not rows:
        return None
    found = rows[0]["found"] or 0
    return RowPage(parse_head(rows[0]), rows if found else (), found > len(rows))


async def load_record(
    databases: ReadDatabases, connection: str, resource: str, record_id: str, *, reached: FeedCursor | None = None
) -> tuple[Head, Row | None] | None:
    """Return the record, which may be deleted, or None if there was none, and the head at the same moment.

    Returns None where the spaces-writer does not know the connection.
    """
    rows = await databases.fetch(_LOAD, connection, resource, record_id, reached=reached)
    return (parse_head(rows[0]), rows[0] if rows[0]["id"] is not None else None) if rows else None


async def list_by_id(
    databases: ReadDatabases,
    connection: str,
    resource: str,
    filters: RecordFilter,
    *,
    after: str | None,
    limit: int,
    max_bytes: int,
    reached: FeedCursor | None = None,
) -> RowPage | None:
    """Return the records with ids above `after`, in the order of their ids.

    A record that exists throughout the reading of all pages is on one of them. Returns None where the spaces-writer
    does not know the connection.
    """
    scope = (connection, resource, limit, max_bytes)
    statements = _LIST_BY_ID if filters.ids is None else _LIST_NAMED
    return await _read_page(databases, statements, scope, filters, after, reached)


async def list_by_sequence(
    databases: ReadDatabases,
    connection: str,
    resource: str,
    filters: RecordFilter,
    *,
    after: int,
    limit: int,
    max_bytes: int,
    reached: FeedCursor | None = None,
) -> RowPage | None:
    """Return the records whose last changes have numbers above `after`, in their order. `filters` name no ids.

    A record that changes while the pages are read moves to the end. Returns None where the spaces-writer does not know
    the connection.
    """
    scope = (connection, resource, limit, max_bytes)
    return await _read_page(databases, _LIST_BY_SEQUENCE, scope, filters, after, reached)


async def _read_page(
    databases: ReadDatabases,
    statements: tuple[str, str],
    scope: tuple[object, ...],
    filters: RecordFilter,
    after: str | int | None,
    reached: FeedCursor | None,
) -> RowPage | None:
    """Run the statement for all records, or the one for those that a lookup key finds."""
    statement = statements[filters.lookup_key is not None]
    ids = () if filters.ids is None else (list(filters.ids),)
    key = () if filters.lookup_key is None else (filters.lookup_key,)
    places = (filters.with_deleted, filters.updated_after, after, *ids, *key)
    return parse_page(await databases.fetch(statement, *scope, *places, reached=reached))
