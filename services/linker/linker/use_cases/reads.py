"""Requests reads of the whole state of connections, where a link begins to follow a feed or has a gap."""

import time
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ReadRequested
from contracts.topics import READ_REQUESTED
from linker.feed_positions import begin_read
from linker.store import connections, sides
from linker.store.sides import LinkSide
from messaging.outbox import Transaction, enqueue
from messaging.publisher import OutboundMessage

STALLED_SECONDS = 600.0
"""How long the next page of a read may take. A read of which nothing comes any more is requested again."""


async def request_read(tx: AsyncConnection, side: LinkSide) -> None:
    """Request the whole state of a side's connection. Pages of an earlier request are ignored from now on."""
    read_id = uuid4()
    await sides.save_position(tx, side, begin_read(side.position, read_id))
    event = ReadRequested(read_id=read_id, connection=side.connection, requested_at=int(time.time() * 1000))
    await enqueue(tx, [OutboundMessage(READ_REQUESTED, side.connection, event, str(read_id))])


async def request_read_when_complete(tx: AsyncConnection, side: LinkSide) -> str | None:
    """Request a read of the side, unless a part of its account was never read; then return what is waited for.

    What is not read yet would be taken for missing, and what seems to be the only record of its key might be one of
    several.
    """
    known = await connections.get(tx, side.connection)
    if known is None or not known.is_fully_read:
        return f"waits for the first full sync of {side.connection}"
    await request_read(tx, side)
    return None


class StalledReads:
    """Requests reads again of which no page comes any more, for example because a message was dead-lettered."""

    def __init__(self, transaction: Transaction, *, seconds: float = STALLED_SECONDS) -> None:
        self._transaction = transaction
        self._seconds = seconds

    async def run_once(self) -> bool:
        """Request one stalled read again. Return whether there was one, because there may be more then."""
        async with self._transaction() as tx:
            side = await sides.lock_stalled(tx, self._seconds)
            if side is not None:
                await request_read(tx, side)
        return side is not None
