"""Writes: commands to one side of a pair, until they have ended and seven days longer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.pair_plans import RECORD_FIELD
from linker.write_requests import SENT_ACTIONS, DueLine, NewWrite
from linking.records import Side

OPEN = "open"
APPLIED, UNCHANGED, CONFLICT, REFUSED, FAILED = "applied", "unchanged", "conflict", "refused", "failed"
KEPT_DAYS = 7


@dataclass(frozen=True)
class Write:
    """A write as it is stored, with the records of its pair.

    `product` is the id of a variant's product on the side that is written; None for products. `fields` has for each
    field the value that is expected, the wanted one, and the other side's with which it was decided.
    """

    id: UUID
    link: UUID
    pair: UUID
    product_pair: UUID | None
    side: Side
    plan_number: int
    operation: str
    resource: str
    record: str | None
    product: str | None
    other_record: str | None
    fields: dict[str, dict[str, Any]]
    state: str
    attempt: int
    failures: int


# What a link would write of lines about which no write was made yet, without the pairs that have an open one.
_DUE = f"""
FROM plan_lines l JOIN pairs p ON p.id = l.pair
WHERE l.link = :link AND l.target IS NOT NULL AND l.action IN ({", ".join(f"'{action}'" for action in SENT_ACTIONS)})
  AND NOT EXISTS (SELECT FROM writes w WHERE w.pair = l.pair AND w.side = l.target
                  AND (w.state = 'open' OR w.plan_number = p.plan_number))
"""
_LIST_DUE_LINES = text(f"""
WITH due AS (
    SELECT DISTINCT l.pair, l.target {_DUE} AND l.target = :side AND (l.resource = 'stock') = :of_stock
    ORDER BY l.pair LIMIT :limit)
SELECT p.id AS pair, p.resource, p.product_pair, p.plan_number, l.target,
    CASE l.target WHEN 'shopify' THEN p.shopify_id ELSE p.odoo_id END AS record,
    CASE l.target WHEN 'shopify' THEN parent.shopify_id ELSE parent.odoo_id END AS product,
    l.field, l.action, l.shopify, l.odoo, l.after
FROM due JOIN plan_lines l ON l.pair = due.pair AND l.target = due.target JOIN pairs p ON p.id = l.pair
LEFT JOIN pairs parent ON parent.id = p.product_pair
WHERE l.action IN ({", ".join(f"'{action}'" for action in SENT_ACTIONS)})
ORDER BY p.id, l.target, l.field
""")
# By product: its variants are written with it, and the stock of these is counted apart.
_LIST_UNAPPROVED = text(f"""
WITH planned AS (
    SELECT coalesce(p.product_pair, p.id) AS product, l.action IN ('draft', 'archive', 'delete') AS is_removal
    {_DUE} AND (p.resource = 'stock') = :of_stock AND p.plan_number > :approved
    UNION ALL
    SELECT coalesce(p.product_pair, p.id), w.operation IN ('draft', 'archive', 'delete')
    FROM writes w JOIN pairs p ON p.id = w.pair
    WHERE w.link = :link AND (p.resource = 'stock') = :of_stock AND w.plan_number > :approved
      AND w.created_at > now() - interval '1 hour' AND w.state <> 'cancelled')
SELECT product, bool_or(is_removal) AS is_removal FROM planned GROUP BY product
""")
_COUNT_PRODUCTS = text("SELECT count(*) FROM pairs WHERE link = :link AND resource = 'products'")
_COUNT_OPEN = text("""
SELECT side, count(*) AS number FROM writes w JOIN pairs p ON p.id = w.pair
WHERE w.link = :link AND w.state = 'open' AND (p.resource = 'stock') = :of_stock GROUP BY side
""")
_INSERT = text("""
INSERT INTO writes (id, link, pair, side, plan_number, operation, fields, state, due_at)
SELECT :id, :link, :pair, :side, :plan_number, :operation, CAST(:fields AS jsonb), 'open',
    -- From the second conflict on within ten minutes: 1, 2, 4 and up to 60 seconds.
    now() + make_interval(secs => CASE WHEN count(*) < 2 THEN 0 ELSE least(60, 2 ^ least(count(*) - 2, 6)) END)
FROM writes WHERE pair = :pair AND side = :side AND state = 'conflict' AND ended_at > now() - interval '10 minutes'
ON CONFLICT DO NOTHING
""")
_COLUMNS = """
w.id, w.link, w.pair, p.product_pair, w.side, w.plan_number, w.operation, p.resource,
CASE w.side WHEN 'shopify' THEN p.shopify_id ELSE p.odoo_id END AS record,
CASE w.side WHEN 'shopify' THEN parent.shopify_id ELSE parent.odoo_id END AS product,
CASE w.side WHEN 'shopify' THEN p.odoo_id ELSE p.shopify_id END AS other_record,
w.fields, w.state, w.attempt, w.failures
FROM writes w JOIN pairs p ON p.id = w.pair LEFT JOIN pairs parent ON parent.id = p.product_pair
"""
_LOCK = text(f"SELECT {_COLUMNS} WHERE w.id = :id FOR UPDATE OF w")
_LOCK_DUE = text(f"""
SELECT {_COLUMNS} WHERE w.state = 'open' AND w.link = :link AND w.due_at <= now() ORDER BY w.due_at LIMIT :limit
FOR UPDATE OF w
""")
_NOTE_REQUESTED = text("""
UPDATE writes SET attempt = attempt + 1, failures = failures + CASE WHEN attempt > 0 AND is_silent THEN 1 ELSE 0 END,
    is_silent = true, due_at = now() + make_interval(secs => :seconds)
WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_POSTPONE = text("""
UPDATE writes SET due_at = GREATEST(
        to_timestamp(:not_before / 1000.0),
        -- After failures: 1, 2, 4 and up to 60 seconds.
        now() + make_interval(secs => CAST(:counted AS integer) * least(60, 2 ^ least(failures, 6)))),
    is_silent = false,
    failures = failures + CAST(:counted AS integer), reason_code = :reason_code, message = :message,
    calls = calls + :calls, points = points + :points
WHERE id = :id
""")
_END = text("""
UPDATE writes SET state = :state, reason_code = :reason_code, message = :message, calls = calls + :calls,
    points = points + :points, ended_at = now()
WHERE id = :id
""")
_LIST_OPEN_FIELDS = text("""
SELECT pair, fields FROM writes WHERE state = 'open' AND pair = ANY(CAST(:pairs AS uuid[]))
""")
_CANCEL = text("""
UPDATE writes SET state = 'cancelled', ended_at = now() FROM pairs p
WHERE p.id = writes.pair AND p.resource <> 'stock' AND writes.link = :link AND writes.state = 'open' RETURNING pair
""")
_MAKE_DUE = text("""
UPDATE writes SET due_at = now() FROM sides s
WHERE s.link = writes.link AND s.side = writes.side AND s.connection = :connection AND writes.state = 'open'
  AND NOT is_silent
""")
_PRUNE = text("DELETE FROM writes WHERE ended_at < now() - make_interval(days => :days)")
_LIST_FAILED = text("""
SELECT w.id, w.side, w.operation, p.resource, p.name, p.shopify_id, p.odoo_id, w.fields, w.state, w.reason_code,
    w.message, w.attempt, w.ended_at
FROM pairs p JOIN writes w ON w.id = p.failed_write WHERE p.link = :link ORDER BY w.ended_at DESC LIMIT :limit
""")
_COUNT_BY_OUTCOME = text("""
SELECT side, state, count(*) AS number FROM writes WHERE link = :link GROUP BY side, state ORDER BY side, state
""")


async def list_due_lines(tx: AsyncConnection, link: UUID, side: Side, limit: int, *, of_stock: bool) -> list[DueLine]:
    """Return the lines of at most `limit` pairs that are to be written to this side, those of a pair together.

    They are those of stock, or all others.
    """
    values = {"link": link, "side": side, "limit": limit, "of_stock": of_stock}
    rows = (await tx.execute(_LIST_DUE_LINES, values)).mappings()
    return [DueLine(**{**row, "target": Side(row["target"])}) for row in rows]


async def list_unapproved(tx: AsyncConnection, link: UUID, approved: int, *, of_stock: bool) -> dict[UUID, bool]:
    """Return the products that would be written, or were in the last hour, by decisions above the number `approved`.

    Each with whether it would be taken off sale, archived or deleted. With `of_stock`, those whose stock would be.
    """
    rows = await tx.execute(_LIST_UNAPPROVED, {"link": link, "approved": approved, "of_stock": of_stock})
    return {row.product: row.is_removal for row in rows}


async def count_products(tx: AsyncConnection, link: UUID) -> int:
    """Return the number of pairs of products."""
    return int((await tx.execute(_COUNT_PRODUCTS, {"link": link})).scalar_one())


async def count_open(tx: AsyncConnection, link: UUID, *, of_stock: bool) -> Mapping[Side, int]:
    """Return the number of open writes of stock, or of all others, by side."""
    rows = await tx.execute(_COUNT_OPEN, {"link": link, "of_stock": of_stock})
    found = {Side(row.side): row.number for row in rows}
    return {side: found.get(side, 0) for side in Side}


async def insert(tx: AsyncConnection, link: UUID, new: Sequence[NewWrite]) -> None:
    """Store new writes as open ones, to be requested at once."""
    rows = [
        {
            "id": one.id,
            "link": link,
            "pair": one.pair,
            "side": one.side,
            "plan_number": one.plan_number,
            "operation": one.operation,
            "fields": orjson.dumps(one.fields).decode(),
        }
        for one in new
    ]
    if rows:
        await tx.execute(_INSERT, rows)


async def lock(tx: AsyncConnection, write_id: UUID) -> Write | None:
    """Return a write, locked until the transaction ends; None if there is none with this id."""
    row = (await tx.execute(_LOCK, {"id": write_id})).mappings().one_or_none()
    return _build(row) if row else None


async def lock_due(tx: AsyncConnection, link: UUID, limit: int) -> list[Write]:
    """Return open writes that are to be requested, or requested again, locked until the transaction ends."""
    return [_build(row) for row in (await tx.execute(_LOCK_DUE, {"link": link, "limit": limit})).mappings()]


def _build(row: RowMapping) -> Write:
    return Write(**{**row, "side": Side(row["side"])})


async def note_requested(tx: AsyncConnection, ids: Collection[UUID], seconds: float) -> None:
    """Store that these writes are requested now, and again if nothing is heard of them for `seconds`."""
    await tx.execute(_NOTE_REQUESTED, {"ids": list(ids), "seconds": seconds})


async def postpone(
    tx: AsyncConnection,
    write: Write,
    *,
    not_before: int,
    is_counted: bool,
    reason_code: str | None,
    message: str | None,
    calls: int,
    points: int,
) -> None:
    """Store that a write is to be requested again at `not_before` (ms), and whether the attempt has failed.

    Failed attempts are followed by waits that grow.
    """
    values = {"reason_code": reason_code, "message": message, "calls": calls, "points": points}
    await tx.execute(_POSTPONE, {"id": write.id, "not_before": not_before, "counted": int(is_counted), **values})


async def end(
    tx: AsyncConnection,
    write: Write,
    state: str,
    *,
    reason_code: str | None,
    message: str | None,
    calls: int,
    points: int,
) -> None:
    """Store what came of a write."""
    values = {"reason_code": reason_code, "message": message, "calls": calls, "points": points}
    await tx.execute(_END, {"id": write.id, "state": state, **values})


async def list_open_fields(tx: AsyncConnection, pairs: Collection[UUID]) -> dict[UUID, set[str]]:
    """Return the names of the fields in open writes by pair; `RECORD_FIELD` for one that is no update."""
    found = dict[UUID, set[str]]()
    for row in await tx.execute(_LIST_OPEN_FIELDS, {"pairs": list(pairs)}):
        found.setdefault(row.pair, set()).update(row.fields or (RECORD_FIELD,))
    return found


async def cancel_open(tx: AsyncConnection, link: UUID) -> Sequence[UUID]:
    """End the open writes of a link, and return their pairs. A writer may still carry out what it has received.

    Therefore those of stock stay open: one that was made and is not known to be would be made a second time.
    """
    return (await tx.execute(_CANCEL, {"link": link})).scalars().all()


async def make_due(tx: AsyncConnection, connection: str) -> None:
    """Have the postponed writes to a connection requested at once."""
    await tx.execute(_MAKE_DUE, {"connection": connection})


async def prune(tx: AsyncConnection) -> None:
    """Delete writes that ended `KEPT_DAYS` ago."""
    await tx.execute(_PRUNE, {"days": KEPT_DAYS})


async def list_failed(tx: AsyncConnection, link: UUID, limit: int) -> list[dict[str, Any]]:
    """Return the latest writes that were refused or have failed and about whose pairs nothing was decided since."""
    rows = (await tx.execute(_LIST_FAILED, {"link": link, "limit": limit})).mappings()
    return [dict(row) for row in rows]


async def count_by_outcome(tx: AsyncConnection, link: UUID) -> list[dict[str, Any]]:
    """Return the numbers of the last seven days' writes by side and state."""
    return [dict(row) for row in (await tx.execute(_COUNT_BY_OUTCOME, {"link": link})).mappings()]
