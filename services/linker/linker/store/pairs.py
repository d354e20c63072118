"""Pairs of records, and the records that could not be matched."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.pair_plans import Pair, PlannedPair
from linker.pairing import PairChanges, StoredPair
from linking.matching import MatchProblem
from linking.records import PRODUCTS, VARIANTS, Side
from linking.stock import StockState

ODOO_MODELS = {PRODUCTS: "product.template", VARIANTS: "product.product"}
_ROW = """
id, resource, product_pair, shopify_id, odoo_id, state, reason, name, shopify_base, odoo_base, shopify_archived,
odoo_archived, failed_write, unbooked
"""
_STORED = "id, resource, product_pair, shopify_id, odoo_id, state, reason"
_LIST_ALL = text(f"SELECT {_STORED} FROM pairs WHERE link = :link AND resource <> 'stock'")
_LIST_OF = text(f"""
WITH products AS (
    SELECT id FROM pairs WHERE link = :link AND resource = 'products'
      AND (shopify_id = ANY(CAST(:shopify AS text[])) OR odoo_id = ANY(CAST(:odoo AS text[]))))
SELECT {_STORED} FROM pairs
WHERE (id IN (SELECT id FROM products) OR product_pair IN (SELECT id FROM products)) AND resource <> 'stock'
""")
_DELETE = text("DELETE FROM pairs WHERE id = ANY(CAST(:ids AS uuid[]))")
_UNLINK = text("""
UPDATE pairs SET state = 'unlinked', reason = changed.reason, is_planned = product_pair IS NOT NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS changed (id, reason) WHERE pairs.id = changed.id
""")
_RELINK = text("""
UPDATE pairs SET state = 'linked', reason = NULL, is_planned = product_pair IS NOT NULL,
    shopify_base = '{}', odoo_base = '{}', shopify_archived = NULL, odoo_archived = NULL, failed_write = NULL
WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_COMPLETE = text("""
UPDATE pairs SET shopify_id = new.shopify_id, odoo_id = new.odoo_id, odoo_model = new.model, state = 'linked',
    reason = NULL, is_planned = product_pair IS NOT NULL, failed_write = NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:shopify_ids AS text[]), CAST(:models AS text[]), CAST(:odoo_ids AS text[]))
    AS new (id, shopify_id, model, odoo_id)
WHERE pairs.id = new.id
""")
_INSERT = text("""
INSERT INTO pairs (id, link, resource, product_pair, shopify_id, odoo_model, odoo_id, state, reason, is_planned)
SELECT id, :link, resource, product_pair, shopify_id, CASE WHEN odoo_id IS NOT NULL THEN model END, odoo_id, state,
    reason, product_pair IS NOT NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:resources AS text[]), CAST(:product_pairs AS uuid[]),
    CAST(:shopify_ids AS text[]), CAST(:models AS text[]), CAST(:odoo_ids AS text[]), CAST(:states AS text[]),
    CAST(:reasons AS text[]))
    AS new (id, resource, product_pair, shopify_id, model, odoo_id, state, reason)
""")
_MARK_PRODUCTS = text("""
UPDATE pairs SET is_planned = false WHERE link = :link AND resource = 'products'
  AND (shopify_id = ANY(CAST(:shopify AS text[])) OR odoo_id = ANY(CAST(:odoo AS text[])))
""")
_MARK_VARIANTS = text("""
UPDATE pairs SET is_planned = false WHERE id IN (
    SELECT product_pair FROM pairs WHERE link = :link AND resource = 'variants'
      AND (shopify_id = ANY(CAST(:shopify AS text[])) OR odoo_id = ANY(CAST(:odoo AS text[]))))
""")
_MARK_ALL = text("UPDATE pairs SET is_planned = false WHERE link = :link AND resource = 'products'")
_LIST_UNPLANNED = text("SELECT id FROM pairs WHERE link = :link AND NOT is_planned LIMIT :limit")
_LOAD = text(f"""
SELECT {_ROW} FROM pairs WHERE id = ANY(CAST(:ids AS uuid[])) OR product_pair = ANY(CAST(:ids AS uuid[]))
""")
# The stock of variants that are paired otherwise by now, or not at all.
_DELETE_STOCK = text("""
WITH variants AS (
    SELECT product_pair, shopify_id, odoo_id FROM pairs
    WHERE product_pair = ANY(CAST(:ids AS uuid[])) AND resource = 'variants')
DELETE FROM pairs WHERE link = :link AND resource = 'stock'
  AND (product_pair = ANY(CAST(:ids AS uuid[])) OR shopify_id IN (SELECT shopify_id FROM variants)
       OR odoo_id IN (SELECT odoo_id FROM variants))
  AND NOT EXISTS (SELECT FROM pairs v WHERE v.product_pair = pairs.product_pair AND v.resource = 'variants'
                  AND v.shopify_id = pairs.shopify_id AND v.odoo_id = pairs.odoo_id AND v.state <> 'unlinked')
""")
_INSERT_STOCK = text("""
INSERT INTO pairs (link, resource, product_pair, shopify_id, odoo_model, odoo_id, state, is_planned)
SELECT link, 'stock', product_pair, shopify_id, odoo_model, odoo_id, 'linked', true FROM pairs v
WHERE product_pair = ANY(CAST(:ids AS uuid[])) AND resource = 'variants' AND state <> 'unlinked'
  AND shopify_id IS NOT NULL AND odoo_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM pairs s WHERE s.link = v.link AND s.resource = 'stock' AND s.shopify_id = v.shopify_id)
""")
_SAVE = text("""
UPDATE pairs SET state = planned.state, reason = planned.reason, name = planned.name,
    shopify_base = CAST(planned.shopify_base AS jsonb), odoo_base = CAST(planned.odoo_base AS jsonb),
    shopify_archived = planned.shopify_archived, odoo_archived = planned.odoo_archived,
    unbooked = CAST(planned.unbooked AS jsonb), is_planned = true
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:names AS text[]),
    CAST(:shopify_bases AS text[]), CAST(:odoo_bases AS text[]), CAST(:shopify_archived AS boolean[]),
    CAST(:odoo_archived AS boolean[]), CAST(:unbooked AS text[]))
    AS planned (id, state, reason, name, shopify_base, odoo_base, shopify_archived, odoo_archived, unbooked)
WHERE pairs.id = planned.id
""")
_DELETE_ALL = text("DELETE FROM pairs WHERE link = :link")
_MARK_PAIR = text("""
UPDATE pairs SET is_planned = false
WHERE id IN (SELECT coalesce(product_pair, id) FROM pairs WHERE id = ANY(CAST(:ids AS uuid[])))
""")
_LOCK = text(f"SELECT {_ROW} FROM pairs WHERE id = :id FOR UPDATE")
_SAVE_BASES = text("""
UPDATE pairs SET shopify_base = CAST(:shopify_base AS jsonb), odoo_base = CAST(:odoo_base AS jsonb) WHERE id = :id
""")
_NOTE_REMOVED = text("""
UPDATE pairs SET shopify_archived = CASE :side WHEN 'shopify' THEN true ELSE shopify_archived END,
    odoo_archived = CASE :side WHEN 'odoo' THEN true ELSE odoo_archived END
WHERE id = :id
""")
_NOTE_FAILED = text("UPDATE pairs SET state = 'error', reason = :reason, failed_write = :write WHERE id = :id")
_FORGET_FAILED = text("UPDATE pairs SET failed_write = NULL WHERE id = ANY(CAST(:ids AS uuid[]))")
# Both sides are held to have agreed on the value that loses: so the other one is a change of its side.
_SETTLE = text("""
UPDATE pairs SET shopify_base = shopify_base || lost.values, odoo_base = odoo_base || lost.values
FROM (
    SELECT l.pair, jsonb_object_agg(l.field, CASE coalesce(CAST(:loser AS text), l.target) WHEN 'shopify' THEN l.shopify
                                             ELSE l.odoo END) AS values
    FROM plan_lines l
    WHERE l.link = :link AND l.action = 'conflict' AND coalesce(CAST(:loser AS text), l.target) IS NOT NULL
      AND (CAST(:pairs AS uuid[]) IS NULL OR l.pair = ANY(CAST(:pairs AS uuid[])))
      AND (CAST(:field AS text) IS NULL OR l.field = :field)
      -- The stock of the side that counts is corrected there, by counting.
      AND (l.resource <> 'stock' OR CAST(:loser AS text) IS NULL OR l.target = :loser)
    GROUP BY l.pair) AS lost
WHERE pairs.id = lost.pair RETURNING pairs.id
""")
_RENUMBER = text("""
UPDATE pairs SET plan_number = :number, failed_write = NULL, state = 'linked', reason = NULL
WHERE link = :link AND failed_write IS NOT NULL AND (CAST(:reason AS text) IS NULL OR reason = :reason) RETURNING id
""")
_RENUMBER_PAIRS = text("UPDATE pairs SET plan_number = :number WHERE id = ANY(CAST(:ids AS uuid[]))")
_LIST_UNBOOKED = text(f"""
SELECT {_ROW} FROM pairs WHERE link = :link AND resource = 'stock' AND unbooked <> '{{}}'
  AND (CAST(:record AS text) IS NULL OR shopify_id = :record OR odoo_id = :record) FOR UPDATE
""")
_SAVE_STOCK_STATE = text("""
UPDATE pairs SET shopify_base = jsonb_set(shopify_base, ARRAY[:location], to_jsonb(CAST(:shopify AS integer))),
    odoo_base = jsonb_set(odoo_base, ARRAY[:location], to_jsonb(CAST(:odoo AS integer))),
    unbooked = unbooked - :location || CASE CAST(:unbooked AS integer) WHEN 0 THEN '{}'::jsonb
        ELSE jsonb_build_object(CAST(:location AS text), CAST(:unbooked AS integer)) END
WHERE id = :id
""")
_LIST_UNBOOKED_UNITS = text("""
SELECT name, shopify_id, odoo_id, units.key AS location, CAST(units.value AS integer) AS units
FROM pairs, jsonb_each_text(unbooked) AS units WHERE link = :link AND resource = 'stock'
ORDER BY name, shopify_id, location LIMIT :limit
""")
_COUNT_UNBOOKED = text("""
SELECT coalesce(sum(CAST(units.value AS integer)), 0)
FROM pairs, jsonb_each_text(unbooked) AS units WHERE link = :link AND resource = 'stock'
""")
_FIND_OF_RECORD = text("""
SELECT id, resource FROM pairs WHERE link = :link AND (shopify_id = :record OR odoo_id = :record)
  AND (CAST(:resource AS text) IS NULL OR resource = :resource)
""")
_COUNT = text("SELECT state, count(*) AS pairs FROM pairs WHERE link = :link AND resource = 'products' GROUP BY state")
_COUNT_UNLINKED = text("""
SELECT resource, reason, count(*) FROM pairs WHERE link = :link AND state IN ('unlinked', 'error')
GROUP BY resource, reason ORDER BY resource, reason
""")
_LIST_UNLINKED = text("""
SELECT resource, state, reason, shopify_id, odoo_id, name FROM pairs
WHERE link = :link AND state IN ('unlinked', 'error') ORDER BY resource, reason, name, shopify_id, odoo_id LIMIT :limit
""")
_IN_PROBLEM = """
link = :link AND (shopify_products && CAST(:shopify AS text[]) OR odoo_products && CAST(:odoo AS text[]))
"""
_LIST_PROBLEM_PRODUCTS = text(f"SELECT shopify_products, odoo_products FROM match_problems WHERE {_IN_PROBLEM}")
_DELETE_PROBLEMS = text(f"DELETE FROM match_problems WHERE {_IN_PROBLEM}")
_DELETE_ALL_PROBLEMS = text("DELETE FROM match_problems WHERE link = :link")
_INSERT_PROBLEM = text("""
INSERT INTO match_problems
    (link, reason, key, shopify_products, odoo_products, shopify_variants, odoo_variants)
VALUES (:link, :reason, :key, :shopify_products, :odoo_products, :shopify_variants, :odoo_variants)
""")
_COUNT_PROBLEMS = text("SELECT reason, count(*) FROM match_problems WHERE link = :link GROUP BY reason ORDER BY reason")
_LIST_PROBLEMS = text("""
SELECT reason, key, shopify_products, odoo_products, shopify_variants, odoo_variants FROM match_problems
WHERE link = :link ORDER BY reason, key, shopify_products, odoo_products LIMIT :limit
""")

Ids = Mapping[Side, Collection[str]]
"""Ids of products, or of variants, by side."""


@dataclass(frozen=True)
class ReasonCount:
    """How many records or problems have a reason. `resource` is empty for problems, which name records of both."""

    reason: str
    count: int
    resource: str = ""


async def list_stored(tx: AsyncConnection, link: UUID, products: Ids | None) -> list[StoredPair]:
    """Return the pairs of these products and of their variants, or all pairs of the link for None."""
    if products is None:
        rows = await tx.execute(_LIST_ALL, {"link": link})
    else:
        rows = await tx.execute(_LIST_OF, {"link": link, **_spread(products)})
    return [StoredPair(*row) for row in rows]


def _spread(products: Ids) -> dict[str, list[str]]:
    return {"shopify": list(products[Side.SHOPIFY]), "odoo": list(products[Side.ODOO])}


async def apply(tx: AsyncConnection, link: UUID, changes: PairChanges) -> None:
    """Store how pairs have changed. The products among them are to be planned."""
    if changes.deleted:
        await tx.execute(_DELETE, {"ids": changes.deleted})
    if changes.unlinked:
        await tx.execute(_UNLINK, {"ids": list(changes.unlinked), "reasons": list(changes.unlinked.values())})
    if changes.relinked:
        await tx.execute(_RELINK, {"ids": changes.relinked})
    if changes.completed:
        columns = _build_columns(changes.completed)
        await tx.execute(_COMPLETE, {name: columns[name] for name in ("ids", "shopify_ids", "models", "odoo_ids")})
    if changes.inserted:
        await tx.execute(_INSERT, {"link": link, **_build_columns(changes.inserted)})


def _build_columns(pairs: Sequence[StoredPair]) -> dict[str, list[Any]]:
    return {
        "ids": [pair.id for pair in pairs],
        "resources": [pair.resource for pair in pairs],
        "product_pairs": [pair.product_pair for pair in pairs],
        "shopify_ids": [pair.shopify_id for pair in pairs],
        "models": [ODOO_MODELS[pair.resource] for pair in pairs],
        "odoo_ids": [pair.odoo_id for pair in pairs],
        "states": [pair.state for pair in pairs],
        "reasons": [pair.reason for pair in pairs],
    }


async def mark_unplanned(tx: AsyncConnection, link: UUID, products: Ids | None) -> None:
    """Have the pairs of these products planned anew, or all pairs of the link for None."""
    if products is None:
        await tx.execute(_MARK_ALL, {"link": link})
    else:
        await tx.execute(_MARK_PRODUCTS, {"link": link, **_spread(products)})


async def mark_variants_unplanned(tx: AsyncConnection, link: UUID, variants: Ids) -> None:
    """Have the pairs of the products of these variants planned anew."""
    await tx.execute(_MARK_VARIANTS, {"link": link, **_spread(variants)})


async def arrange_stock(tx: AsyncConnection, link: UUID, products: Sequence[UUID]) -> None:
    """Make the pairs of stock of these pairs of products as their variants are paired now."""
    values = {"link": link, "ids": list(products)}
    await tx.execute(_DELETE_STOCK, values)
    await tx.execute(_INSERT_STOCK, values)


async def list_unplanned(tx: AsyncConnection, link: UUID, limit: int) -> Sequence[UUID]:
    """Return the ids of at most `limit` pairs of products that are to be planned, with their variants."""
    return (await tx.execute(_LIST_UNPLANNED, {"link": link, "limit": limit})).scalars().all()


async def load(tx: AsyncConnection, ids: Sequence[UUID]) -> list[Pair]:
    """Return pairs of products, and all pairs of their variants and of the stock of these."""
    rows = (await tx.execute(_LOAD, {"ids": list(ids)})).mappings()
    return [Pair(**row) for row in rows]


async def save(tx: AsyncConnection, planned: Sequence[PlannedPair]) -> None:
    """Store what planning has found out about pairs."""
    columns = {
        "ids": [one.id for one in planned],
        "states": [one.state for one in planned],
        "reasons": [one.reason for one in planned],
        "names": [one.name for one in planned],
        "shopify_bases": [orjson.dumps(one.shopify_base).decode() for one in planned],
        "odoo_bases": [orjson.dumps(one.odoo_base).decode() for one in planned],
        "shopify_archived": [one.shopify_archived for one in planned],
        "odoo_archived": [one.odoo_archived for one in planned],
        "unbooked": [orjson.dumps(one.unbooked).decode() for one in planned],
    }
    await tx.execute(_SAVE, columns)


async def lock(tx: AsyncConnection, pair: UUID) -> Pair | None:
    """Return a pair, locked until the transaction ends; None if there is none."""
    row = (await tx.execute(_LOCK, {"id": pair})).mappings().one_or_none()
    return Pair(**row) if row else None


async def save_bases(
    tx: AsyncConnection, pair: UUID, shopify_base: Mapping[str, Any], odoo_base: Mapping[str, Any]
) -> None:
    """Store what both sides of a pair have agreed on."""
    values = {"shopify_base": orjson.dumps(shopify_base).decode(), "odoo_base": orjson.dumps(odoo_base).decode()}
    await tx.execute(_SAVE_BASES, {"id": pair, **values})


async def note_removed(tx: AsyncConnection, pair: UUID, side: Side) -> None:
    """Store that it was acted on that the record of this side is archived or gone."""
    await tx.execute(_NOTE_REMOVED, {"id": pair, "side": side})


async def note_failed(tx: AsyncConnection, pair: UUID, write: UUID, reason: str) -> None:
    """Store that a write to a pair has failed for good, until something else is decided about it."""
    await tx.execute(_NOTE_FAILED, {"id": pair, "write": write, "reason": reason})


async def forget_failed(tx: AsyncConnection, ids: Collection[UUID]) -> None:
    """Store that something else was decided about pairs whose writes have failed."""
    await tx.execute(_FORGET_FAILED, {"ids": list(ids)})


async def mark_pairs_unplanned(tx: AsyncConnection, ids: Collection[UUID]) -> None:
    """Have the products of these pairs planned anew."""
    await tx.execute(_MARK_PAIR, {"ids": list(ids)})


async def settle(
    tx: AsyncConnection,
    link: UUID,
    *,
    ids: Sequence[UUID] | None = None,
    field: str | None = None,
    loser: Side | None = None,
) -> Sequence[UUID]:
    """Decide conflicts: all of the link, or those of some pairs and of one field. Return the pairs that had any.

    The side `loser` gets the other one's value; for None, the side that the authority names. Conflicts for which it
    names none stay.
    """
    values = {"link": link, "pairs": list(ids) if ids is not None else None, "field": field, "loser": loser}
    return (await tx.execute(_SETTLE, values)).scalars().all()


async def set_numbers_of_failed(tx: AsyncConnection, link: UUID, number: int, reason: str | None) -> Sequence[UUID]:
    """Give pairs whose writes have failed (with this reason, or any) a new number, so that they are written again."""
    return (await tx.execute(_RENUMBER, {"link": link, "number": number, "reason": reason})).scalars().all()


async def set_numbers(tx: AsyncConnection, ids: Collection[UUID], number: int) -> None:
    """Give pairs a new number, so that what is decided about them is written again."""
    await tx.execute(_RENUMBER_PAIRS, {"ids": list(ids), "number": number})


async def find_pairs_of_record(tx: AsyncConnection, link: UUID, record: str, resource: str | None) -> dict[UUID, str]:
    """Return the pairs (of a resource, or any) that have a record with this id on one side, with their resources."""
    rows = await tx.execute(_FIND_OF_RECORD, {"link": link, "record": record, "resource": resource})
    return {row.id: row.resource for row in rows}


async def list_unbooked(tx: AsyncConnection, link: UUID, record: str | None) -> list[Pair]:
    """Return the stock of which anything is unbooked, of one variant or (None) of all, locked until the end."""
    rows = (await tx.execute(_LIST_UNBOOKED, {"link": link, "record": record})).mappings()
    return [Pair(**row) for row in rows]


async def list_unbooked_units(tx: AsyncConnection, link: UUID, limit: int) -> list[dict[str, Any]]:
    """Return how many units are unbooked, by variant and Shopify's location."""
    return [dict(row) for row in (await tx.execute(_LIST_UNBOOKED_UNITS, {"link": link, "limit": limit})).mappings()]


async def count_unbooked(tx: AsyncConnection, link: UUID) -> int:
    """Return how many units were sold on one side that the other one does not know of yet."""
    return int((await tx.execute(_COUNT_UNBOOKED, {"link": link})).scalar_one())


async def save_stock_state(tx: AsyncConnection, pair: UUID, location: str, state: StockState) -> None:
    """Store what both sides have agreed on of the stock at a location."""
    values = {"shopify": state.shopify, "odoo": state.odoo, "unbooked": state.unbooked}
    await tx.execute(_SAVE_STOCK_STATE, {"id": pair, "location": location, **values})


async def delete_all(tx: AsyncConnection, link: UUID) -> None:
    """Delete all pairs of a link, with what is planned for them, and all problems."""
    await tx.execute(_DELETE_ALL, {"link": link})
    await tx.execute(_DELETE_ALL_PROBLEMS, {"link": link})


async def count_states(tx: AsyncConnection, link: UUID) -> dict[str, int]:
    """Return the number of pairs of products by their state."""
    return {row.state: row.pairs for row in await tx.execute(_COUNT, {"link": link})}


async def count_unlinked(tx: AsyncConnection, link: UUID) -> list[ReasonCount]:
    """Return how many products and variants are unlinked or in error, by reason."""
    rows = await tx.execute(_COUNT_UNLINKED, {"link": link})
    return [ReasonCount(reason, count, resource) for resource, reason, count in rows]


async def list_unlinked(tx: AsyncConnection, link: UUID, limit: int) -> list[dict[str, Any]]:
    """Return the first products and variants that are unlinked or in error."""
    return [dict(row) for row in (await tx.execute(_LIST_UNLINKED, {"link": link, "limit": limit})).mappings()]


async def list_problem_products(tx: AsyncConnection, link: UUID, products: Ids) -> set[tuple[str, str]]:
    """Return (side, id) of all products in problems that name one of these products."""
    rows = (await tx.execute(_LIST_PROBLEM_PRODUCTS, {"link": link, **_spread(products)})).all()
    found = {(Side.SHOPIFY.value, record) for shopify, _ in rows for record in shopify}
    return found | {(Side.ODOO.value, record) for _, odoo in rows for record in odoo}


async def replace_problems(
    tx: AsyncConnection, link: UUID, products: Ids | None, problems: Iterable[MatchProblem]
) -> None:
    """Store the problems of these products in the place of those they had; for None of all products of the link."""
    if products is None:
        await tx.execute(_DELETE_ALL_PROBLEMS, {"link": link})
    else:
        await tx.execute(_DELETE_PROBLEMS, {"link": link, **_spread(products)})
    rows = [
        {
            "link": link,
            "reason": problem.reason.value,
            "key": problem.key,
            "shopify_products": list(problem.products.get(Side.SHOPIFY, ())),
            "odoo_products": list(problem.products.get(Side.ODOO, ())),
            "shopify_variants": list(problem.variants.get(Side.SHOPIFY, ())),
            "odoo_variants": list(problem.variants.get(Side.ODOO, ())),
        }
        for problem in problems
    ]
    if rows:
        await tx.execute(_INSERT_PROBLEM, rows)


async def count_problems(tx: AsyncConnection, link: UUID) -> list[ReasonCount]:
    """Return the number of problems by reason."""
    return [ReasonCount(reason, count) for reason, count in await tx.execute(_COUNT_PROBLEMS, {"link": link})]


async def list_problems(tx: AsyncConnection, link: UUID, limit: int) -> list[dict[str, Any]]:
    """Return the first problems, each with the records of both sides that it concerns."""
    return [dict(row) for row in (await tx.execute(_LIST_PROBLEMS, {"link": link, "limit": limit})).mappings()]
