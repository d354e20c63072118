"""Makes, pauses, resumes and ends links."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import parse_platform
from linker.feed_positions import FeedPosition
from linker.store import connections, links, pairs, records, sides, writes
from linker.store.connections import KnownConnection
from linker.store.links import ENDED, LIVE, PAUSED, READING, Link
from linker.store.sides import LinkSide
from linker.use_cases.link_events import publish_link
from linker.use_cases.reads import request_read_when_complete
from linking.records import Side
from linking.settings import LinkSettings
from platform_sdk.errors import NotFoundError, RequestRejectedError

log = structlog.get_logger()
CONNECTED = "connected"
NOT_FOUND, CONFLICT, UNPROCESSABLE = 404, 409, 422
BY_OPERATOR, BY_MERCHANT = "paused by an operator", "paused by a merchant"


async def create_link(
    tx: AsyncConnection, shop: str, database: str, settings: LinkSettings, *, merchant: UUID | None = None
) -> UUID:
    """Make a link of two connections of one merchant, begin to read both, and return its id.

    Raises `RequestRejectedError` if one of them is not connected or of the wrong platform, if they have different
    merchants, or not this `merchant` where one is given, or if the shop has a link already.
    """
    ends = {Side.SHOPIFY: shop, Side.ODOO: database}
    for side, connection in ends.items():
        if parse_platform(connection) != side:
            raise RequestRejectedError(UNPROCESSABLE, f"{connection} is not a connection of {side}")
    locked = [await connections.lock(tx, connection) for connection in ends.values()]
    if merchant is not None and any(known is None or known.merchant != merchant for known in locked):
        words = "the merchant has no such connections, or they were listed together a moment ago: try again"
        raise RequestRejectedError(NOT_FOUND, words)
    found = [_check_connected(connection, known) for connection, known in zip(ends.values(), locked, strict=True)]
    if found[0].merchant is None or found[0].merchant != found[1].merchant:
        raise RequestRejectedError(
            CONFLICT,
            "the connections belong to different merchants: list the database beside the shop, on its page of who has"
            " access, and try again a moment later",
        )
    link_id = uuid4()
    await links.lock(tx, link_id)
    await links.insert(tx, link_id, found[0].merchant, settings.model_dump(mode="json"))
    for side, known in zip(ends, found, strict=True):
        if not await sides.insert(tx, link_id, side, known.connection, known.epoch):
            raise RequestRejectedError(CONFLICT, f"{shop} has a link already")
    await _begin_reading(tx, link_id)
    log.info("link made", link=str(link_id), shop=shop, database=database)
    return link_id


def _check_connected(connection: str, known: KnownConnection | None) -> KnownConnection:
    if known is None or known.state != CONNECTED:
        state = "there is no such connection" if known is None else f"it is {known.state}"
        raise RequestRejectedError(CONFLICT, f"{connection} is not connected: {state}")
    return known


async def lock_link(tx: AsyncConnection, shop: str, merchant: UUID | None = None) -> Link:
    """Return the open link of a shop, locked until the transaction ends.

    Raises `NotFoundError` if there is none, or none of this `merchant` where one is given.
    """
    link_id = await sides.find_link(tx, shop)
    link = await links.lock(tx, link_id) if link_id else None
    if link is None or link.state == ENDED or merchant not in (None, link.merchant):
        raise NotFoundError
    return link


async def pause_link(tx: AsyncConnection, link: Link, reason: str, *, is_final: bool = False) -> None:
    """Stop following both sides of a link, and writing to them. What is known of them is kept.

    A link that is paused keeps its reason, unless the new one `is_final`.
    """
    if link.state in LIVE or (is_final and link.state == PAUSED):
        await _cancel_writes(tx, link)
        await links.set_state(tx, link.id, PAUSED, reason)
        await publish_link(tx, link.id)
        log.info("link paused", link=str(link.id), reason=reason)


async def _cancel_writes(tx: AsyncConnection, link: Link) -> None:
    """End the open writes, but for stock: these go on. What the others were to write is requested under other ids, once
    the link goes on."""
    cancelled = await writes.cancel_open(tx, link.id)
    if cancelled:
        await pairs.set_numbers(tx, cancelled, await links.raise_plan_number(tx, link.id))


async def resume_link(tx: AsyncConnection, link: Link) -> None:
    """Follow both sides of a paused link again, from a new read of both.

    Raises `RequestRejectedError` if the link is not paused, or if a side is not connected or of another merchant.
    """
    if link.state != PAUSED:
        raise RequestRejectedError(CONFLICT, f"the link is {link.state}")
    for side in await sides.list_by_link(tx, link.id):
        # Not locked: whoever changes the connection in the meantime waits for this link's lock, and then pauses it.
        known = _check_connected(side.connection, await connections.get(tx, side.connection))
        if known.merchant != link.merchant:
            raise RequestRejectedError(CONFLICT, f"{side.connection} belongs to another merchant than the link")
        await sides.set_epoch(tx, side, known.epoch)
    await _begin_reading(tx, link.id)


async def _begin_reading(tx: AsyncConnection, link_id: UUID) -> None:
    """Request reads of both sides, and put the link into state `reading` until they are there and are matched."""
    await links.set_matched(tx, link_id, is_matched=False)
    waits = [await _begin_side(tx, side) for side in await sides.lock_by_link(tx, link_id)]
    await _set_reading(tx, link_id, waits)


async def _begin_side(tx: AsyncConnection, side: LinkSide) -> str | None:
    await sides.save_position(tx, side, FeedPosition(feed=side.position.feed))
    return await request_read_when_complete(tx, side)


async def _set_reading(tx: AsyncConnection, link_id: UUID, waits: Sequence[str | None]) -> None:
    await links.set_state(tx, link_id, READING, "; ".join(wait for wait in waits if wait) or None)
    await publish_link(tx, link_id)


async def continue_reading(tx: AsyncConnection, link: Link) -> None:
    """Request the reads of the sides that waited for a full sync, where it has succeeded now."""
    if link.state != READING:
        return
    waiting = [side for side in await sides.lock_by_link(tx, link.id) if side.is_waiting]
    await _set_reading(tx, link.id, [await request_read_when_complete(tx, side) for side in waiting])


async def end_link(tx: AsyncConnection, link: Link) -> None:
    """End a link for good, and delete what is known of both sides. Neither side is changed."""
    await delete_values(tx, link)
    await links.set_state(tx, link.id, ENDED)
    await publish_link(tx, link.id)
    await sides.end(tx, link.id)
    log.info("link ended", link=str(link.id))


async def delete_values(tx: AsyncConnection, link: Link) -> None:
    """Delete the records of both sides, their pairs and plans: each of these has values of both."""
    for side in await sides.lock_by_link(tx, link.id):
        await records.delete_all(tx, link.id, side.side)
        await sides.save_position(tx, side, FeedPosition())
    await pairs.delete_all(tx, link.id)
