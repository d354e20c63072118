"""The eraser: objects of redacted connections are taken out of the bucket, and looked at once more later.

It holds the snapshot's row, as a compose does: so it waits for a PUT that is running, and two writers follow each
other. Killed between the deletion and its word, it deletes again and says it once. A bucket that is away costs a retry.
The second look takes out what a PUT whose process died, or lost its lock, has brought back meanwhile.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import structlog

from contracts.events import DataStored, Erasure
from contracts.topics import DATA_STORED
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer.client import BucketAway
from spaces_writer.store import connections, erasures, merchants, snapshots
from spaces_writer.store.erasures import PendingErasure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database

log = structlog.get_logger()


class Objects(Protocol):
    """What the eraser needs of the bucket."""

    async def delete(self, key: str) -> None:
        """Take the object out; one that is not there is out already. Raises `BucketAway`."""
        ...


class Eraser:
    """Carries out the erasures that redactions have noted."""

    def __init__(self, database: "Database", bucket: Objects, *, said: Callable[[], None]) -> None:
        self._database = database
        self._bucket = bucket
        self._said = said

    async def step(self) -> bool:
        """Carry out what is due; whether there may be more. Raises `BucketAway` once all have been tried, or `Away`."""
        async with self._database.transaction() as tx:
            due = await erasures.due(tx)
        away: BucketAway | None = None
        for connection in due:
            try:
                await self.carry_out(connection)
            except BucketAway as error:
                away = error
        if away is not None:
            raise away
        return len(due) == erasures.AT_ONCE

    async def carry_out(self, connection: str) -> None:
        """Carry out one connection's erasure, or look at it the second time, if that is due. Raises `BucketAway`."""
        async with self._database.transaction() as tx:
            composed = await snapshots.hold(tx, connection)
            erasure = await erasures.get(tx, connection)
            if erasure is None:
                if not composed:
                    await snapshots.drop(tx, connection)
                return
            if erasure.erased_at is None:
                await self._erase(tx, erasure)
            else:
                await self._look_again(tx, erasure, composed=composed)
        self._said()

    async def _erase(self, tx: "AsyncConnection", erasure: PendingErasure) -> None:
        await self._take_out(tx, erasure)
        erased_at = int(time.time() * 1000)
        if not await erasures.carried_out(tx, erasure, erased_at):
            return
        keys = (erasure.object_key,) if erasure.object_key else ()
        erased = Erasure(object_keys=keys, erased_at=erased_at)
        event = DataStored(connection=erasure.connection, epoch=erasure.epoch, sequence=erasure.change, erasure=erased)
        await enqueue(tx, [OutboundMessage(DATA_STORED, erasure.connection, event, str(uuid4()))])

    async def _look_again(self, tx: "AsyncConnection", erasure: PendingErasure, *, composed: bool) -> None:
        """A connection that was made anew and composed since has its own object there: that is compared, not deleted.

        The merchant's document is put, or deleted, once more: a late PUT may have brought it back, too.
        """
        if composed:
            await connections.ask_check(tx, erasure.connection)
        else:
            await self._take_out(tx, erasure)
        await erasures.drop(tx, erasure)
        if erasure.merchant is not None:
            await merchants.distrust(tx, erasure.merchant)

    async def _take_out(self, tx: "AsyncConnection", erasure: PendingErasure) -> None:
        if erasure.object_key is not None:
            await self._bucket.delete(erasure.object_key)
            log.info("object erased", connection=erasure.connection, key=erasure.object_key)
        await snapshots.drop(tx, erasure.connection)
