"""Deletes the objects of redacted connections from the bucket, twice, and reports the erasure.

The eraser locks the snapshot's row, as a build does. Therefore it waits for a running PUT of that snapshot, and two
processes never delete the same object at the same time. If the process is killed between a deletion and the commit, the
object is deleted again, and the erasure is published once. While the bucket is unavailable, the deletion is retried.
The second deletion follows after ten minutes: a process that died or lost its lock may have left a PUT, which stored
the object again after the first deletion.

The erasure is reported once the first deletion is done and no merchant's document in the bucket names the account.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from contracts.events import DataStored, Erasure
from contracts.topics import DATA_STORED
from messaging.errors import UnavailableError
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer.object_keys import build_snapshot_key
from spaces_writer.store import connections, erasures, merchants, snapshots
from spaces_writer.store.erasures import PendingErasure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from spaces_writer.client import BucketClient

log = structlog.get_logger()


class Eraser:
    """Deletes the objects of redacted connections (those whose data was requested to be deleted) from the bucket.

    An erasure is this deletion for one connection. `on_erased` is called after every commit.
    """

    def __init__(self, database: "Database", bucket: "BucketClient", *, on_erased: Callable[[], None]) -> None:
        self._database = database
        self._bucket = bucket
        self._on_erased = on_erased
        self._bucket_error: UnavailableError | None = None
        """The last error of the bucket in this call of `execute_due_erasures`."""

    async def execute_due_erasures(self) -> bool:
        """Execute a batch of due erasures. Return whether the batch was full, so that more may be due.

        An erasure is the deletion of a redacted connection's object from the bucket. Raises `UnavailableError`: if the
        bucket is unavailable, after all erasures of the batch have been tried; if the database is unavailable,
        immediately.
        """
        async with self._database.transaction() as tx:
            due = await erasures.list_due(tx)
        self._bucket_error = None
        for connection in due:
            try:
                await self.delete_object_if_due(connection)
            except UnavailableError as error:
                if error is not self._bucket_error:
                    raise
        if self._bucket_error is not None:
            raise self._bucket_error
        return len(due) == erasures.BATCH_SIZE

    async def delete_object_if_due(self, connection: str) -> None:
        """Delete the object of a redacted connection, if its first or its second deletion is due; report the erasure.

        The second deletion follows ten minutes after the first, because a late upload may have stored the object again.
        Raises `UnavailableError` if the bucket or the database is unavailable.
        """
        async with self._database.transaction() as tx:
            has_new_object = await snapshots.lock_and_check_uploaded(tx, connection)
            erasure = await erasures.load_due(tx, connection)
            if erasure is not None and erasure.erased_at is None:
                await self._delete_first_time(tx, erasure)
                await _publish_if_unnamed(tx, erasure)
            elif erasure is not None and not erasure.is_published:
                await _publish_if_unnamed(tx, erasure)
            elif erasure is not None:
                await self._delete_again_unless_reconnected(tx, erasure, has_new_object=has_new_object)
            if not has_new_object:
                await snapshots.delete(tx, connection)
        if erasure is not None:
            self._on_erased()

    async def _delete_first_time(self, tx: "AsyncConnection", erasure: PendingErasure) -> None:
        await self._delete_object_and_snapshot_row(tx, erasure)
        await erasures.record_first_deletion(tx, erasure, int(time.time() * 1000))

    async def _delete_again_unless_reconnected(
        self, tx: "AsyncConnection", erasure: PendingErasure, *, has_new_object: bool
    ) -> None:
        """Delete the object again, unless the connection has been connected again and has uploaded a new object.

        If it has, a check is requested whether the new object was overwritten by a late PUT. The merchant's document is
        uploaded or deleted once more, because a late PUT may have restored an old version of that document as well.
        """
        if has_new_object:
            await connections.request_object_check(tx, erasure.connection)
        else:
            await self._delete_object_and_snapshot_row(tx, erasure)
        await erasures.delete(tx, erasure)
        if erasure.merchant is not None:
            await merchants.invalidate(tx, erasure.merchant, erasure.connection)

    async def _delete_object_and_snapshot_row(self, tx: "AsyncConnection", erasure: PendingErasure) -> None:
        key = build_snapshot_key(erasure.connection)
        try:
            await self._bucket.delete(key)
        except UnavailableError as error:
            self._bucket_error = error
            raise
        log.info("object deleted", connection=erasure.connection, key=key)
        await snapshots.delete(tx, erasure.connection)


async def _publish_if_unnamed(tx: "AsyncConnection", erasure: PendingErasure) -> None:
    """Report that the erasure is complete, unless a merchant's document in the bucket may still name the account.

    A document that was updated since is seen at the next call.
    """
    if not await erasures.record_publication_if_unnamed(tx, erasure):
        return
    keys = (build_snapshot_key(erasure.connection),)
    event = DataStored(
        connection=erasure.connection,
        epoch=erasure.epoch,
        sequence=erasure.sequence,
        erasure=Erasure(object_keys=keys, erased_at=int(time.time() * 1000)),
    )
    await enqueue(tx, [OutboundMessage(DATA_STORED, erasure.connection, event, str(uuid4()))])
