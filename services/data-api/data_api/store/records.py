"""Reads of stored records: one, some by id, or page by page in the order of their ids or of their last changes.

A page is chosen without its bodies, by their sizes, and only then its bodies are read: large records never come into
memory by hundreds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

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

# $1 connection, $2 resource, $3 limit, $4 bytes, $5 with deleted records, $6 updated after, $7 lookup fields as JSON
_FILTERED = f"""
SELECT {_FIELDS}, body_bytes FROM records
WHERE connection = $1 AND resource = $2 AND ($5 OR NOT is_deleted) AND ($6::timestamptz IS NULL OR updated_at > $6)
    AND ($7::text IS NULL OR CAST(lookup_fields AS jsonb) @> CAST($7 AS jsonb))
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


_LIST_BY_ID = _build_page(f"{_FILTERED} AND ($8::text IS NULL OR id > $8) ORDER BY id LIMIT $3 + 1", "id")
_LIST_BY_SEQUENCE = _build_page(f"{_FILTERED} AND sequence > $8 ORDER BY sequence LIMIT $3 + 1", "sequence")
_LIST_NAMED = _build_page(
    f"""
SELECT found.* FROM (SELECT DISTINCT id FROM unnest($8::text[]) AS id) AS wanted
CROSS JOIN LATERAL ({_FILTERED} AND records.id = wanted.id OFFSET 0) AS found
WHERE $9::text IS NULL OR found.id > $9 ORDER BY found.id LIMIT $3 + 1
""",
    "id",
)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records of a resource a list has. `lookup_fields` are values that the record's own must equal."""

    with_deleted: bool = False
    updated_after: datetime | None = None
    lookup_fields: Mapping[str, str] | None = None
    ids: Sequence[str] | None = None

    def build_parameters(self) -> tuple[object, ...]:
        """Return the parameters of the statements that all lists have."""
        lookup = orjson.dumps(self.lookup_fields).decode() if self.lookup_fields else None
        return self.with_deleted, self.updated_after, lookup


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
    common = (connection, resource, limit, max_bytes, *filters.build_parameters())
    if filters.ids is not None:
        return parse_page(await databases.fetch(_LIST_NAMED, *common, list(filters.ids), after, reached=reached))
    return parse_page(await databases.fetch(_LIST_BY_ID, *common, after, reached=reached))


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
    """Return the records whose last changes have numbers above `after`, in their order.

    A record that changes while the pages are read moves to the end. Returns None where the spaces-writer does not know
    the connection.
    """
    common = (connection, resource, limit, max_bytes, *filters.build_parameters())
    return parse_page(await databases.fetch(_LIST_BY_SEQUENCE, *common, after, reached=reached))
