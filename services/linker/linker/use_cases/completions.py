"""Applies what came of writes: the values that both sides agree on move, or the pair is planned anew."""

from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import WriteCompleted
from linker.linked_records import note_record_seen
from linker.store import pairs, records, writes
from linker.store.writes import Write
from linker.use_cases.requests import give_up
from linker.write_requests import UPDATE
from linker.written_values import WrittenValues, apply_written, note_written
from linking.removals import RemovalAction

log = structlog.get_logger()
BLAMELESS = ("throttled", "access_denied")
"""The reasons of attempts that were put off, and have not failed: the rate limit, and an account that is closed."""
_REMOVALS = frozenset(action.value for action in RemovalAction)


async def apply_completion(tx: AsyncConnection, event: WriteCompleted) -> None:
    """Apply what came of an attempt at a write. The caller has the link's lock, and that of the side.

    Changes nothing if the write has ended already, or is not known any more.
    """
    write = await writes.lock(tx, event.write_id)
    if write is None or write.state != writes.OPEN or write.link != event.link_id:
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
    if write.operation == UPDATE:
        await _note_values(tx, write, event)
    if event.outcome == "refused":
        reason = event.reason_code or f"{write.side}_api"
        await give_up(tx, write, writes.REFUSED, reason, event.message, **cost)
    else:
        await writes.end(tx, write, event.outcome, reason_code=event.reason_code, message=event.message, **cost)
        if event.outcome != "conflict":
            await _agree(tx, write, event)
    await pairs.mark_pairs_unplanned(tx, [write.pair])


async def _agree(tx: AsyncConnection, write: Write, event: WriteCompleted) -> None:
    """Note that both sides agree: on what was written, as the target reports it, and on what was decided about."""
    if write.operation in _REMOVALS:
        await pairs.note_removed(tx, write.pair, write.side.other)
        return
    pair = await pairs.lock(tx, write.pair)
    if pair is None or write.operation != UPDATE:
        return
    wanted = {name: values["wanted"] for name, values in write.fields.items()}
    target = {name: event.values.get(name, value) for name, value in wanted.items()}
    is_shop = write.side == "shopify"
    await pairs.save_bases(
        tx,
        pair.id,
        {**pair.shopify_base, **(target if is_shop else wanted)},
        {**pair.odoo_base, **(wanted if is_shop else target)},
    )


async def _note_values(tx: AsyncConnection, write: Write, event: WriteCompleted) -> None:
    """Store the record's values as the writer has read them: the change feed has them later."""
    values: dict[str, Any] = {name: event.values[name] for name in write.fields if name in event.values}
    product = write.product or write.record
    if not values or product is None:
        return
    known = (await records.load(tx, write.link, write.side, [product])).get(product)
    if known is None or known.record is None:
        return
    variant = write.record if write.product else None
    new = WrittenValues(values, event.version, event.read_at)
    written = note_written(known.written, variant, new)
    record = apply_written(known.record, {variant or "": new})
    seen_at = note_record_seen(known.record, known.seen_at, record, event.read_at)
    changed = replace(known, record=record, seen_at=seen_at, written=written, has_changed=record != known.record)
    await records.upsert(tx, write.link, write.side, [changed])
