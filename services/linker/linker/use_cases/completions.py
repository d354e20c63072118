"""Applies what came of writes: the values that both sides agree on move, or the pair is planned anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import WriteCompleted
from linker.linked_records import note_record_seen
from linker.store import links, pairs, records, writes
from linker.store.links import Link
from linker.store.records import SideRecord
from linker.store.writes import Write
from linker.use_cases.requests import give_up
from linker.write_requests import UPDATE, get_target_names
from linker.written_values import WrittenValues, apply_written, drop_seen, note_written
from linking.records import STOCK, Side
from linking.removals import RemovalAction
from linking.settings import LinkSettings

log = structlog.get_logger()
BLAMELESS = ("throttled", "access_denied")
"""The reasons of attempts that were put off, and have not failed: the rate limit, and an account that is closed."""
_REMOVALS = frozenset(action.value for action in RemovalAction)


async def apply_completion(tx: AsyncConnection, link: Link, event: WriteCompleted) -> None:
    """Apply what came of an attempt at a write of `link`. The caller has the link's lock, and that of the side.

    Changes nothing if the write has ended already, or is not known any more.
    """
    write = await writes.lock(tx, event.write_id)
    if write is None or write.state != writes.OPEN or write.link != link.id:
        return
    cost = {"calls": event.calls, "points": event.points}
    if event.outcome in ("failed", "postponed"):
        if event.attempt == write.attempt:
            await writes.postpone(
                tx,
                write,
                not_before=event.not_before or 0,
                is_counted=event.reason_code not in BLAMELESS,
                reason_code=event.reason_code,
                message=event.message,
                **cost,
            )
        return
    values = _name_values(link, write, event.values)
    if write.resource == STOCK:
        await _note_stock(tx, write, event)
    elif write.operation == UPDATE:
        await _note_values(tx, write, event, values)
    if event.outcome == "refused":
        reason = event.reason_code or f"{write.side}_api"
        await give_up(tx, write, writes.REFUSED, reason, event.message, **cost)
    else:
        await writes.end(tx, write, event.outcome, reason_code=event.reason_code, message=event.message, **cost)
        if event.outcome != "conflict":
            await _agree(tx, write, values | _name_values(link, write, event.written))
        elif write.resource == STOCK:
            # The number may be as it was by now: the same decision is then another write.
            await pairs.set_numbers(tx, [write.pair], await links.raise_plan_number(tx, write.link))
    await pairs.mark_pairs_unplanned(tx, [write.pair])


def _name_values(link: Link, write: Write, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of the side that was written by the names that the link has for the fields of the write."""
    settings = LinkSettings.model_validate(link.settings)
    names = get_target_names(write.fields, write.resource, write.side, settings)
    return {name: values[target] for name, target in names.items() if target in values}


async def _agree(tx: AsyncConnection, write: Write, values: Mapping[str, Any]) -> None:
    """Note what both sides agree on: what was written, in the target's form (`values`), and what was decided about."""
    if write.operation in _REMOVALS:
        await pairs.note_removed(tx, write.pair, write.side.other)
        return
    pair = await pairs.lock(tx, write.pair)
    if pair is None or write.operation != UPDATE:
        return
    target = {name: one["wanted"] for name, one in write.fields.items()}
    other = {name: one["other"] for name, one in write.fields.items()}
    if write.resource != STOCK:
        # Another form of the same value. Another number of units is a change by somebody else.
        target |= values
    is_shop = write.side is Side.SHOPIFY
    await pairs.save_bases(
        tx,
        pair.id,
        {**pair.shopify_base, **(target if is_shop else other)},
        {**pair.odoo_base, **(other if is_shop else target)},
    )


async def _note_stock(tx: AsyncConnection, write: Write, event: WriteCompleted) -> None:
    """Store the units as the writer has read them: the change feed has them later."""
    for known in await records.load_stock(tx, write.link, write.side, [write.record or ""]):
        present = known.record.values if known.record else {}
        values = {location: units for location, units in event.values.items() if location in present}
        if values:
            await _lay_over(tx, write, known, None, WrittenValues(values, event.version, event.read_at))


async def _note_values(tx: AsyncConnection, write: Write, event: WriteCompleted, values: Mapping[str, Any]) -> None:
    """Store the record's values as the writer has read them: the change feed has them later."""
    product = write.product or write.record
    if not values or product is None:
        return
    known = (await records.load(tx, write.link, write.side, [product])).get(product)
    if known is None or known.record is None:
        return
    variant = write.record if write.product else None
    await _lay_over(tx, write, known, variant, WrittenValues(values, event.version, event.read_at))


async def _lay_over(
    tx: AsyncConnection, write: Write, known: SideRecord, variant: str | None, new: WrittenValues
) -> None:
    """Store new values of a record that exists, or of one of its variants, until an entry has newer ones.

    Nothing is stored where the latest entry is newer: it came first.
    """
    if known.record is None or not drop_seen({"": new}, known.updated_at, known.read_at):
        return
    written = note_written(known.written, variant, new)
    record = apply_written(known.record, {variant or "": new})
    seen_at = note_record_seen(known.record, known.seen_at, record, new.read_at)
    changed = replace(known, record=record, seen_at=seen_at, written=written, has_changed=record != known.record)
    await records.upsert(tx, write.link, write.side, [changed])
