"""Requests writes: what was decided and approved, and again what nothing was heard of."""

import re
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import WriteRequested
from contracts.topics import get_stock_write_topic, get_write_topic
from linker.pair_plans import CREATE
from linker.store import links, pairs, records, sides, writes
from linker.store.links import ACTIVE, DRAFT, Link
from linker.store.sides import LinkSide
from linker.store.writes import Write
from linker.write_requests import NewWrite, build_writes, get_target_names
from linking.fields import Group, ValueKind, list_fields
from linking.guard import DraftReason, PlannedWrite, check_guard
from linking.records import STOCK, VARIANTS, LinkedRecord, Side
from linking.settings import LinkSettings
from linking.stock import get_counting_side
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage

log = structlog.get_logger()
MAX_OPEN = 100
"""The most open writes of a link to one side, of stock and of everything else each.

They end within `SILENT_SECONDS`, also at the slowest platform.
"""
SILENT_SECONDS = 60.0
"""A write of which nothing is heard for so long is requested again: its writer may have been killed."""
WRITE_ATTEMPTS = 10
"""A write whose attempts have failed so often is given up. Throttled attempts do not count."""
RUN_FAILED = "run_failed"
_WORDS = {
    DraftReason.MANY_PAIRS: "it would write {what}{count} of {total} products within an hour",
    DraftReason.MANY_ARCHIVED: "it would take {removed} products off sale or archive them within an hour",
}


async def request_writes(tx: AsyncConnection, link_id: UUID, attempts: int = WRITE_ATTEMPTS) -> bool:
    """Request what the link has decided, as far as the guard lets it, and what is to be requested again.

    A write of which `attempts` have failed is given up. Return whether the link's state has changed. The caller has the
    link's lock.
    """
    link = await links.get(tx, link_id)
    if link is None or link.state != ACTIVE:
        return False
    new = [*await _list_new(tx, link, of_stock=True), *await _list_new(tx, link, of_stock=False)]
    reason = await _find_draft_reason(tx, link) if new else None
    if reason is not None:
        await links.set_state(tx, link.id, DRAFT, f"{reason}: approve the plan, or correct the data")
        log.warning("link held", link=str(link.id), reason=reason)
        return True
    await writes.insert(tx, link.id, new)
    due = await _end_made(tx, await writes.lock_due(tx, link.id, 2 * MAX_OPEN))
    hopeless = [write for write in due if write.failures >= attempts]
    for write in hopeless:
        await give_up(tx, write, writes.FAILED, RUN_FAILED, "nothing came of it after many attempts")
    await _send(tx, link, [write for write in due if write.failures < attempts])
    return bool(hopeless)


async def _end_made(tx: AsyncConnection, due: Sequence[Write]) -> list[Write]:
    """End the writes of products that are there by now, whoever has made them; return the others.

    Requested again, one that a person has made would be made a second time.
    """
    made = [write for write in due if write.operation == CREATE and write.record is not None]
    for write in made:
        await writes.end(tx, write, writes.UNCHANGED, reason_code=None, message=None, calls=0, points=0)
    await pairs.mark_pairs_unplanned(tx, [write.pair for write in made])
    return [write for write in due if write not in made]


async def _list_new(tx: AsyncConnection, link: Link, *, of_stock: bool) -> list[NewWrite]:
    """Return the writes that are decided, and for which there is room beside the open ones."""
    open_writes = await writes.count_open(tx, link.id, of_stock=of_stock)
    lines = [
        line
        for side in Side
        for line in await writes.list_due_lines(tx, link.id, side, MAX_OPEN - open_writes[side], of_stock=of_stock)
    ]
    return list(build_writes(lines))


async def give_up(
    tx: AsyncConnection,
    write: Write,
    state: str,
    reason_code: str,
    message: str | None,
    *,
    calls: int = 0,
    points: int = 0,
) -> None:
    """End a write that the platform refuses, or of which nothing came, and note the error on its pair."""
    await writes.end(tx, write, state, reason_code=reason_code, message=message, calls=calls, points=points)
    await pairs.note_failed(tx, write.pair, write.id, reason_code)
    log.warning("write failed", link=str(write.link), write=str(write.id), side=write.side, reason=reason_code)


async def _find_draft_reason(tx: AsyncConnection, link: Link) -> str | None:
    """Return why what was decided since the last approval waits for another one; None if it may be requested."""
    total = await writes.count_products(tx, link.id)
    for of_stock in (False, True):
        found = await writes.list_unapproved(tx, link.id, link.approved_number or 0, of_stock=of_stock)
        planned = [PlannedWrite(str(product), 0, is_archiving=is_removal) for product, is_removal in found.items()]
        reason = check_guard(total, planned)
        if reason:
            what = "the stock of " if of_stock else ""
            return _WORDS[reason].format(what=what, count=len(found), total=total, removed=sum(found.values()))
    return None


async def _send(tx: AsyncConnection, link: Link, due: Sequence[Write]) -> None:
    if not due:
        return
    shop, database = await sides.list_by_link(tx, link.id)
    known = {Side.SHOPIFY: shop, Side.ODOO: database}
    settings = LinkSettings.model_validate(link.settings)
    currency = shop.currency if shop.currency == database.currency else None
    for write in due:
        event = await _build_event(tx, link, known[write.side], settings, currency, write)
        event_id = f"{event.write_id}:{event.attempt}"
        topic = (get_stock_write_topic if write.resource == STOCK else get_write_topic)(write.side)
        await enqueue(tx, [OutboundMessage(topic, event.connection, event, event_id)])
    await writes.note_requested(tx, [write.id for write in due], SILENT_SECONDS)


async def _build_event(
    tx: AsyncConnection, link: Link, side: LinkSide, settings: LinkSettings, currency: str | None, write: Write
) -> WriteRequested:
    names = get_target_names(write.fields, write.resource, write.side, settings)
    content: dict[str, Any] = {
        "expected": {names[name]: values["expected"] for name, values in write.fields.items()},
        "fields": {names[name]: values["wanted"] for name, values in write.fields.items()},
    }
    if write.operation == CREATE:
        content = await _build_creation(tx, link, settings, currency, write)
    return WriteRequested(
        write_id=write.id,
        link_id=link.id,
        connection=side.connection,
        epoch=side.epoch,
        resource=write.resource,
        operation=write.operation,
        record=write.record,
        product=write.product,
        currency=currency,
        sku_format=settings.sku_format,
        attempt=write.attempt + 1,
        requested_at=round(time.time() * 1000),
        **content,
    )


async def _build_creation(
    tx: AsyncConnection, link: Link, settings: LinkSettings, currency: str | None, write: Write
) -> dict[str, Any]:
    """Return what a record is made of: the values of the other side's record, as they are now.

    Amounts are left out where the sides' currencies differ, or are not known.
    """
    source = write.other_record or ""
    found = await records.load(tx, link.id, write.side.other, [source])
    record = found[source].record if source in found else None
    content: dict[str, Any] = {"external_id": f"{link.id.hex}_{write.resource}_{re.sub('[^0-9A-Za-z]', '', source)}"}
    if record is not None:
        content["fields"] = _list_values(record, settings, currency)
        stock = await _load_new_stock(tx, link, write.side, record, settings)
        content["variants"] = [
            {
                **_list_values(child, settings, currency),
                "option_values": dict(child.option_values),
                **({"stock": stock[child.id]} if child.id in stock else {}),
            }
            for child in record.children
            if not child.is_archived
        ]
    return content


async def _load_new_stock(
    tx: AsyncConnection, link: Link, side: Side, record: LinkedRecord, settings: LinkSettings
) -> dict[str, dict[str, int]]:
    """Return the stock with which the variants of a new product are made in the shop, by variant and location.

    Only the shop's: what is sold there is counted in Odoo first, if that is where stock is counted.
    """
    if side is not Side.SHOPIFY or get_counting_side(settings.get_rule(Group.STOCK)) is not Side.ODOO:
        return {}
    stocked = [child.id for child in record.children if child.is_stocked] if settings.locations else []
    found = await records.load_units(tx, link.id, side.other, stocked)
    units = {variant: found.get(variant, {}) for variant in stocked}
    return {
        variant: {location: own.get(str(at_odoo), 0) for location, at_odoo in settings.locations.items()}
        for variant, own in units.items()
    }


def _list_values(record: LinkedRecord, settings: LinkSettings, currency: str | None) -> dict[str, Any]:
    fields = list_fields(record.resource, settings.fields)
    names = {field.name for field in fields if currency or field.kind is not ValueKind.MONEY}
    # The options and the key are needed to make a product, whatever is kept in step afterwards.
    names |= {"sku"} if record.resource == VARIANTS else {"title", "options"}
    return {name: value for name, value in record.values.items() if name in names}
