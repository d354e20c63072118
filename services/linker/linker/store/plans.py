"""Plans of links: what a link sync would write, line by line."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.pair_plans import PlanLine, PlannedPair

KEPT_PLANS = 100
"""How many plans of a link are remembered with their numbers of lines."""

_LOAD_LINES = text("""
SELECT pair, field, field_group, action, reason, target, shopify, odoo, after FROM plan_lines
WHERE pair = ANY(CAST(:pairs AS uuid[]))
""")
_DELETE_LINES = text("DELETE FROM plan_lines WHERE pair = ANY(CAST(:pairs AS uuid[]))")
_INSERT_LINES = text("""
INSERT INTO plan_lines (pair, link, resource, field, field_group, action, reason, target, shopify, odoo, after)
SELECT pair, :link, resource, field, field_group, action, reason, target, CAST(shopify AS jsonb), CAST(odoo AS jsonb),
    CAST(after AS jsonb)
FROM unnest(CAST(:pairs AS uuid[]), CAST(:resources AS text[]), CAST(:fields AS text[]), CAST(:groups AS text[]),
    CAST(:actions AS text[]), CAST(:reasons AS text[]), CAST(:targets AS text[]), CAST(:shopify AS text[]),
    CAST(:odoo AS text[]), CAST(:after AS text[]))
    AS new (pair, resource, field, field_group, action, reason, target, shopify, odoo, after)
""")
_SET_NUMBER = text("UPDATE pairs SET plan_number = :number WHERE id = ANY(CAST(:pairs AS uuid[]))")
_INSERT_PLAN = text("""
INSERT INTO plans (link, number, pairs, writes, conflicts) VALUES (:link, :number, :pairs, :writes, :conflicts)
""")
_PRUNE = text("DELETE FROM plans WHERE link = :link AND number <= :number")
_GET_PLAN = text("SELECT number, made_at, pairs, writes, conflicts FROM plans WHERE link = :link AND number = :number")
_COUNT_LINES = text("""
SELECT resource, field, action, reason, target, count(*) AS lines FROM plan_lines WHERE link = :link
GROUP BY resource, field, action, reason, target ORDER BY resource, field, action, reason, target
""")
_COUNT_WRITES = text("""
SELECT count(*) FILTER (WHERE target IS NOT NULL), count(*) FILTER (WHERE action = 'conflict')
FROM plan_lines WHERE link = :link AND action <> 'blocked'
""")
_LIST_LINES = text("""
SELECT l.resource, p.shopify_id, p.odoo_id, p.name, l.field, l.action, l.reason, l.target, l.shopify, l.odoo,
    l.after
FROM plan_lines l JOIN pairs p ON p.id = l.pair
WHERE l.link = :link AND (CAST(:action AS text) IS NULL OR l.action = :action)
ORDER BY p.shopify_id, l.resource, l.field LIMIT :limit
""")


@dataclass(frozen=True)
class LineCounts:
    """The numbers of lines of a link's plan: those that would be written, and those that are conflicts."""

    writes: int
    conflicts: int


async def load_lines(tx: AsyncConnection, pairs: Sequence[UUID]) -> dict[UUID, dict[str, PlanLine]]:
    """Return the lines that are stored of these pairs, by pair and field."""
    lines: dict[UUID, dict[str, PlanLine]] = {}
    for row in await tx.execute(_LOAD_LINES, {"pairs": list(pairs)}):
        line = PlanLine(
            row.field, row.field_group, row.action, row.reason, row.target, row.shopify, row.odoo, row.after
        )
        lines.setdefault(row.pair, {})[row.field] = line
    return lines


def is_same_plan(lines: Iterable[PlanLine], others: Iterable[PlanLine]) -> bool:
    """Return whether both have the same lines, in any order."""
    return {_encode_line(line) for line in lines} == {_encode_line(line) for line in others}


def _encode_line(line: PlanLine) -> bytes:
    return orjson.dumps(astuple(line), option=orjson.OPT_SORT_KEYS)


async def replace_lines(tx: AsyncConnection, link: UUID, planned: Sequence[PlannedPair], number: int) -> None:
    """Store the lines of these pairs in the place of those they had, as decided by plan `number`."""
    pairs = [one.id for one in planned]
    await tx.execute(_DELETE_LINES, {"pairs": pairs})
    lines = [(one, line) for one in planned for line in one.lines]
    if lines:
        await tx.execute(_INSERT_LINES, {"link": link, **_build_columns(lines)})
    await tx.execute(_SET_NUMBER, {"pairs": pairs, "number": number})


def _build_columns(lines: Sequence[tuple[PlannedPair, PlanLine]]) -> dict[str, list[Any]]:
    return {
        "pairs": [pair.id for pair, _ in lines],
        "resources": [pair.resource for pair, _ in lines],
        "fields": [line.field for _, line in lines],
        "groups": [line.group for _, line in lines],
        "actions": [line.action for _, line in lines],
        "reasons": [line.reason for _, line in lines],
        "targets": [line.target for _, line in lines],
        "shopify": [orjson.dumps(line.shopify).decode() for _, line in lines],
        "odoo": [orjson.dumps(line.odoo).decode() for _, line in lines],
        "after": [None if line.after is None else orjson.dumps(line.after).decode() for _, line in lines],
    }


async def insert(tx: AsyncConnection, link: UUID, number: int, pairs: int, counts: LineCounts) -> None:
    """Store a plan that has decided anew about so many `pairs`, and the numbers of lines with it."""
    values = {"link": link, "number": number, "pairs": pairs, "writes": counts.writes, "conflicts": counts.conflicts}
    await tx.execute(_INSERT_PLAN, values)
    await tx.execute(_PRUNE, {"link": link, "number": number - KEPT_PLANS})


async def get(tx: AsyncConnection, link: UUID, number: int) -> dict[str, Any] | None:
    """Return what is remembered of the plan with this number."""
    row = (await tx.execute(_GET_PLAN, {"link": link, "number": number})).mappings().one_or_none()
    return dict(row) if row else None


async def count_lines(tx: AsyncConnection, link: UUID) -> list[dict[str, Any]]:
    """Return the numbers of lines by resource, field, action, reason and target."""
    return [dict(row) for row in (await tx.execute(_COUNT_LINES, {"link": link})).mappings()]


async def count_writes(tx: AsyncConnection, link: UUID) -> LineCounts:
    """Return the numbers of lines that would be written and of those that are conflicts; a line may be both."""
    return LineCounts(*(await tx.execute(_COUNT_WRITES, {"link": link})).one())


async def list_lines(
    tx: AsyncConnection, link: UUID, limit: int, *, action: str | None = None
) -> list[dict[str, Any]]:
    """Return the first lines of the plan (for an action, or all), each with the records of its pair."""
    rows = (await tx.execute(_LIST_LINES, {"link": link, "limit": limit, "action": action})).mappings()
    return [dict(row) for row in rows]
