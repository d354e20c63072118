"""What a link knows of the records of both sides."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.linked_records import decode_keys, decode_record, encode_keys, encode_record, list_keys
from linker.written_values import WrittenValues, decode_written, encode_written
from linking.matching import ProductKeys
from linking.records import PRODUCTS, STOCK, LinkedRecord, Side


@dataclass(frozen=True)
class SideRecord:
    """A record as it is known. `record` is None once it was deleted; its number stays, for late pages.

    `read_at` (ms) and `updated_at` are those of the reading at the platform; `changed_at` (ms) is when the
    spaces-writer stored it. `has_changed` says whether an entry has changed anything that links know of the record.
    `written` is what was written to the record that no entry has shown yet; `record` has these values. `resource` is
    the shared one.
    """

    id: str
    sequence: int
    record: LinkedRecord | None
    seen_at: Mapping[str, Mapping[str, int]]
    updated_at: datetime | None = None
    read_at: int = 0
    changed_at: int = 0
    has_changed: bool = True
    written: Mapping[str, WrittenValues] = field(default_factory=dict)
    resource: str = PRODUCTS


_RECORD = "record_id, sequence, content, seen_at, updated_at, read_at, changed_at, written, resource"
_LOAD = text(f"""
SELECT {_RECORD} FROM side_records
WHERE link = :link AND side = :side AND record_id = ANY(CAST(:ids AS text[]))
""")
_LOAD_STOCK = text(f"""
SELECT {_RECORD} FROM side_records
WHERE link = :link AND side = :side AND parent = ANY(CAST(:variants AS text[])) AND content IS NOT NULL
""")
# In the order of ids, so that transactions which store or match the same records wait for each other in one order.
_UPSERT = text("""
INSERT INTO side_records (link, side, record_id, sequence, read_id, content, variant_keys, is_in_domain, seen_at,
    updated_at, read_at, changed_at, written, resource, parent)
SELECT :link, :side, id, sequence, CAST(:read_id AS uuid), CAST(content AS jsonb), CAST(keys AS jsonb), in_domain,
    CAST(seen_at AS jsonb), updated_at, read_at, changed_at, CAST(written AS jsonb), resource, parent
FROM unnest(CAST(:ids AS text[]), CAST(:sequences AS bigint[]), CAST(:contents AS text[]), CAST(:keys AS text[]),
    CAST(:in_domain AS boolean[]), CAST(:seen_at AS text[]), CAST(:updated_at AS timestamptz[]),
    CAST(:read_at AS bigint[]), CAST(:changed_at AS bigint[]), CAST(:written AS text[]),
    CAST(:resources AS text[]), CAST(:parents AS text[]))
    AS new (id, sequence, content, keys, in_domain, seen_at, updated_at, read_at, changed_at, written, resource, parent)
ORDER BY id
ON CONFLICT (link, side, record_id) DO UPDATE SET sequence = EXCLUDED.sequence, content = EXCLUDED.content,
    read_id = coalesce(EXCLUDED.read_id, side_records.read_id), variant_keys = EXCLUDED.variant_keys,
    is_in_domain = EXCLUDED.is_in_domain, seen_at = EXCLUDED.seen_at, updated_at = EXCLUDED.updated_at,
    read_at = EXCLUDED.read_at, changed_at = EXCLUDED.changed_at, written = EXCLUDED.written,
    parent = coalesce(EXCLUDED.parent, side_records.parent),
    is_matched = side_records.is_matched AND NOT side_records.record_id = ANY(CAST(:changed_ids AS text[]))
""")
_DELETE_KEYS = text("""
DELETE FROM record_keys WHERE link = :link AND side = :side AND record_id = ANY(CAST(:ids AS text[]))
""")
_INSERT_KEYS = text("""
INSERT INTO record_keys (link, side, record_id, key)
SELECT :link, :side, id, key FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[])) AS new (id, key)
""")
_NOTE_READ = text("""
UPDATE side_records SET read_id = :read_id
WHERE link = :link AND side = :side AND record_id = ANY(CAST(:ids AS text[]))
""")
_FORGET_NUMBERS = text("UPDATE side_records SET sequence = -1 WHERE link = :link AND side = :side")
_LIST_UNREAD = text("""
SELECT record_id FROM side_records WHERE link = :link AND side = :side AND sequence <= :sequence
  AND content IS NOT NULL AND read_id IS DISTINCT FROM :read_id
""")
_LIST_UP_TO = text("""
SELECT record_id FROM side_records WHERE link = :link AND side = :side AND sequence <= :sequence
""")
_DELETE = text("""
UPDATE side_records SET content = NULL, variant_keys = '[]', seen_at = '{}', written = '{}', is_matched = false
WHERE link = :link AND side = :side AND record_id = ANY(CAST(:ids AS text[]))
""")
_DELETE_ALL = text("DELETE FROM side_records WHERE link = :link AND side = :side")
_LOCK_UNMATCHED = text("""
SELECT side, record_id, resource, parent FROM side_records WHERE link = :link AND NOT is_matched
ORDER BY side, record_id LIMIT :limit FOR UPDATE
""")
_SET_MATCHED = text("""
UPDATE side_records SET is_matched = true FROM unnest(CAST(:sides AS text[]), CAST(:ids AS text[])) AS done (side, id)
WHERE link = :link AND side_records.side = done.side AND record_id = done.id
""")
_LIST_LACKING = text("""
SELECT DISTINCT jsonb_array_elements_text(content->'lacking') AS field FROM side_records
WHERE link = :link AND resource = 'products' AND content->'lacking' <> '[]' ORDER BY field
""")
_LOAD_KEYS = text("""
SELECT side, record_id, variant_keys, is_in_domain FROM side_records
WHERE link = :link AND resource = 'products' AND content IS NOT NULL
  AND (CAST(:ids AS text[]) IS NULL
       OR (side, record_id) IN (SELECT * FROM unnest(CAST(:sides AS text[]), CAST(:ids AS text[]))))
""")
# All records that a chain of shared keys and pairs leads to.
_LIST_CONNECTED = text("""
WITH RECURSIVE touched (side, id) AS (
    SELECT * FROM unnest(CAST(:sides AS text[]), CAST(:ids AS text[]))
    UNION
    SELECT next.side, next.id FROM touched CROSS JOIN LATERAL (
        SELECT other.side, other.record_id AS id FROM record_keys own JOIN record_keys other USING (link, key)
        WHERE own.link = :link AND own.side = touched.side AND own.record_id = touched.id
        UNION ALL
        SELECT 'odoo', odoo_id FROM pairs WHERE touched.side = 'shopify'
          AND link = :link AND resource = 'products' AND shopify_id = touched.id AND odoo_id IS NOT NULL
        UNION ALL
        SELECT 'shopify', shopify_id FROM pairs WHERE touched.side = 'odoo'
          AND link = :link AND resource = 'products' AND odoo_id = touched.id AND shopify_id IS NOT NULL
    ) AS next)
SELECT side, id FROM touched
""")

RecordIds = Collection[tuple[str, str]]
"""Records of a link, as pairs of side and id."""


@dataclass(frozen=True)
class ChangedRecords:
    """Records that have changed: products, and stock with the variants that it is of."""

    products: RecordIds
    stock: RecordIds
    stocked_variants: RecordIds

    def __len__(self) -> int:
        return len(self.products) + len(self.stock)


async def load(tx: AsyncConnection, link: UUID, side: str, ids: Collection[str]) -> dict[str, SideRecord]:
    """Return what is known of these records of one side, by id."""
    rows = await tx.execute(_LOAD, {"link": link, "side": side, "ids": list(ids)})
    return {row.record_id: _build(row) for row in rows}


async def load_stock(tx: AsyncConnection, link: UUID, side: str, variants: Collection[str]) -> list[SideRecord]:
    """Return the records of stock that one side has of these variants."""
    return [
        _build(row) for row in await tx.execute(_LOAD_STOCK, {"link": link, "side": side, "variants": list(variants)})
    ]


async def load_units(
    tx: AsyncConnection, link: UUID, side: str, variants: Collection[str]
) -> dict[str, dict[str, int]]:
    """Return the units by location that one side has of these variants, by variant."""
    found = dict[str, dict[str, int]]()
    for one in await load_stock(tx, link, side, variants) if variants else ():
        if one.record is not None and one.record.parent is not None:
            found.setdefault(one.record.parent, {}).update(one.record.values)
    return found


def _build(row: Row[Any]) -> SideRecord:
    return SideRecord(
        row.record_id,
        row.sequence,
        decode_record(row.content) if row.content is not None else None,
        row.seen_at,
        row.updated_at,
        row.read_at,
        row.changed_at,
        written=decode_written(row.written),
        resource=row.resource,
    )


async def upsert(
    tx: AsyncConnection, link: UUID, side: str, changed: Sequence[SideRecord], *, read_id: UUID | None = None
) -> None:
    """Store records that have new entries. Those that have changed are to be matched anew.

    `read_id` is the read that has brought them; None if the feed of changes has.
    """
    if not changed:
        return
    place = {"link": link, "side": side}
    different = [one for one in changed if one.has_changed]
    keys = [(one.id, key) for one in different if one.record for key in list_keys(one.record)]
    ids = [one.id for one in different]
    await tx.execute(_UPSERT, {**place, "read_id": read_id, "changed_ids": ids, **_build_columns(changed)})
    await tx.execute(_DELETE_KEYS, {**place, "ids": ids})
    await tx.execute(_INSERT_KEYS, {**place, "ids": [one for one, _ in keys], "keys": [key for _, key in keys]})


def _build_columns(changed: Sequence[SideRecord]) -> dict[str, list[Any]]:
    return {
        "ids": [one.id for one in changed],
        "sequences": [one.sequence for one in changed],
        "contents": [_encode(encode_record(one.record)) if one.record else None for one in changed],
        "keys": [_encode(encode_keys(one.record)) if one.record else "[]" for one in changed],
        "in_domain": [one.record.is_in_domain if one.record else False for one in changed],
        "seen_at": [_encode(one.seen_at) for one in changed],
        "updated_at": [one.updated_at for one in changed],
        "read_at": [one.read_at for one in changed],
        "changed_at": [one.changed_at for one in changed],
        "written": [_encode(encode_written(one.written)) for one in changed],
        "resources": [one.resource for one in changed],
        # A product has no parent.
        "parents": [one.record.parent if one.record else None for one in changed],
    }


def _encode(value: object) -> str:
    return orjson.dumps(value).decode()


async def note_read(tx: AsyncConnection, link: UUID, side: str, ids: Collection[str], read_id: UUID) -> None:
    """Store that the read has these records, though they are known already."""
    await tx.execute(_NOTE_READ, {"link": link, "side": side, "ids": list(ids), "read_id": read_id})


async def forget_numbers(tx: AsyncConnection, link: UUID, side: str) -> None:
    """Let entries of another feed replace everything that is known of a side, whatever their numbers."""
    await tx.execute(_FORGET_NUMBERS, {"link": link, "side": side})


async def delete_unread(tx: AsyncConnection, link: UUID, side: str, read_id: UUID, sequence: int) -> None:
    """Mark the records as deleted that the read has not had, and that no change above `sequence` has brought."""
    place = {"link": link, "side": side}
    found = (await tx.execute(_LIST_UNREAD, {**place, "read_id": read_id, "sequence": sequence})).scalars().all()
    await _delete(tx, place, found)


async def delete_up_to(tx: AsyncConnection, link: UUID, side: str, sequence: int) -> None:
    """Mark the records as deleted whose last change is not above `sequence`, because the side was erased there."""
    place = {"link": link, "side": side}
    await _delete(tx, place, (await tx.execute(_LIST_UP_TO, {**place, "sequence": sequence})).scalars().all())


async def _delete(tx: AsyncConnection, place: Mapping[str, Any], ids: Sequence[str]) -> None:
    if ids:
        await tx.execute(_DELETE, {**place, "ids": list(ids)})
        await tx.execute(_DELETE_KEYS, {**place, "ids": list(ids)})


async def delete_all(tx: AsyncConnection, link: UUID, side: str) -> None:
    """Delete everything that is known of the records of one side."""
    await tx.execute(_DELETE_ALL, {"link": link, "side": side})


async def lock_unmatched(tx: AsyncConnection, link: UUID, limit: int | None) -> ChangedRecords:
    """Return at most `limit` records (None: all) that were not looked at as they are, locked until the end."""
    rows = (await tx.execute(_LOCK_UNMATCHED, {"link": link, "limit": limit})).all()
    return ChangedRecords(
        [(row.side, row.record_id) for row in rows if row.resource != STOCK],
        [(row.side, row.record_id) for row in rows if row.resource == STOCK],
        [(row.side, row.parent) for row in rows if row.resource == STOCK and row.parent is not None],
    )


async def set_matched(tx: AsyncConnection, link: UUID, changed: ChangedRecords) -> None:
    """Store that these records were looked at as they are."""
    await tx.execute(_SET_MATCHED, {"link": link, **_split([*changed.products, *changed.stock])})


async def list_connected(tx: AsyncConnection, link: UUID, ids: RecordIds) -> set[tuple[str, str]]:
    """Return these records and all that a chain of shared keys and of pairs leads to."""
    return {(row.side, row.id) for row in await tx.execute(_LIST_CONNECTED, {"link": link, **_split(ids)})}


async def list_lacking(tx: AsyncConnection, link: UUID) -> Sequence[str]:
    """Return the fields that the link's domain looks at and its database of Odoo has not."""
    return (await tx.execute(_LIST_LACKING, {"link": link})).scalars().all()


async def load_keys(tx: AsyncConnection, link: UUID, ids: RecordIds | None) -> dict[Side, list[ProductKeys]]:
    """Return the records of both sides that exist as candidates for matching: those of `ids`, or all for None."""
    selected = {"sides": None, "ids": None} if ids is None else _split(ids)
    found: dict[Side, list[ProductKeys]] = {side: [] for side in Side}
    for row in await tx.execute(_LOAD_KEYS, {"link": link, **selected}):
        keys = decode_keys(row.record_id, row.variant_keys, is_in_domain=row.is_in_domain)
        found[Side(row.side)].append(keys)
    return found


def _split(ids: RecordIds) -> dict[str, list[str]]:
    ordered = sorted(ids)
    return {"sides": [side for side, _ in ordered], "ids": [record_id for _, record_id in ordered]}
