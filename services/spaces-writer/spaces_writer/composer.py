"""The composer: dirty snapshots are composed and put, merchants' documents after them.

One process at a time composes a connection: it holds the snapshot's row, which ingestion never touches. Killed
after the PUT and before its row is written, the next compose finds the change number behind and puts the same bytes
again. A bucket that is away costs a retry: records are safe, the snapshot stays dirty, nothing else waits.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO
from uuid import UUID, uuid4

import structlog

from contracts.events import DataStored, Upload
from contracts.topics import DATA_STORED
from messaging.errors import Away
from messaging.outbox import Outbox, say
from messaging.publisher import Outgoing
from spaces_writer import merchants as documents
from spaces_writer.client import Bucket, BucketAway, spooled
from spaces_writer.layouts.registry import layout_for
from spaces_writer.store import merchants, snapshots
from spaces_writer.store import verdicts as ledger
from spaces_writer.store.snapshots import Snapshot
from storing.database import Database

log = structlog.get_logger()
IDLE_SECONDS = 1.0
PRUNE_SECONDS = 3600.0


@dataclass(frozen=True)
class Composed:
    """A composed document in a temporary file."""

    body: IO[bytes]
    sha256: str
    bytes: int
    records: int
    change: int


class Composer:
    """Composes and puts whatever is due, `at_once` connections side by side."""

    def __init__(self, database: Database, bucket: Bucket, outbox: Outbox, *, at_once: int) -> None:
        self._database = database
        self._bucket = bucket
        self._outbox = outbox
        self._slots = asyncio.Semaphore(at_once)
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._pruned = time.monotonic()

    def nudge(self) -> None:
        """Something was stored in this process: look now."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Compose while the context lasts."""
        loop = asyncio.create_task(self._run())
        try:
            yield
        finally:
            for task in (loop, *self._busy.values()):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Away as away:
                log.warning("composer held", reason=str(away))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS if not self._busy else 0.1)
            self._wake.clear()

    async def _look(self) -> None:
        async with self._database.transaction() as tx:
            due = await snapshots.due(tx, time.time())
            named = await merchants.due(tx)
            if time.monotonic() - self._pruned > PRUNE_SECONDS:
                self._pruned = time.monotonic()
                await ledger.prune(tx)
        for connection in due:
            if connection not in self._busy:
                self._busy[connection] = asyncio.create_task(self._guarded(connection))
        for merchant in named:
            await self.put_merchant(merchant)

    async def _guarded(self, connection: str) -> None:
        try:
            async with self._slots:
                await self.compose(connection)
        except Away as away:
            log.warning("compose held", connection=connection, reason=str(away))
        finally:
            self._busy.pop(connection, None)
            self.nudge()

    # -- one snapshot

    async def compose(self, connection: str) -> Upload | None:
        """Compose and put one connection's document if it is due; what became of it, or None when it was not."""
        started = time.time()
        async with self._database.transaction() as tx:
            snapshot = await snapshots.lock(tx, connection)
            if snapshot is None:
                return None
            upload = await self._upload(snapshot)
            pace = snapshot.pace.spent(time.time(), time.time() - started)
            if upload.outcome == "failed":
                await snapshots.fail(tx, snapshot, pace)
            else:
                await snapshots.store(
                    tx,
                    snapshot,
                    change=upload.change,
                    sha256=upload.sha256,
                    size=upload.bytes,
                    records=upload.records,
                    pace=pace,
                )
            event = DataStored(connection=connection, epoch=snapshot.epoch, change=upload.change, upload=upload)
            await say(tx, [Outgoing(DATA_STORED, connection, event, str(uuid4()))])
        self._outbox.nudge()
        _tell(connection, upload)
        return upload

    async def _upload(self, snapshot: Snapshot) -> Upload:
        try:
            lost = await self._lost(snapshot)
            if snapshot.change == snapshot.composed_change and not lost:
                return _unchanged(snapshot)
            with spooled() as file:
                composed = await self._composed(snapshot.connection, file)
                return await self._put(snapshot, composed, lost=lost)
        except BucketAway as away:
            return Upload(key=snapshot.object_key, outcome="failed", change=snapshot.composed_change, reason=str(away))

    async def _lost(self, snapshot: Snapshot) -> bool:
        """Whether the object that was uploaded is gone or overwritten; looked at when a walk has asked for it."""
        if not snapshot.check_object or snapshot.sha256 is None:
            return False
        there = await self._bucket.metadata(snapshot.object_key)
        return there is None or there.get("sha256") != snapshot.sha256

    async def _composed(self, connection: str, file: IO[bytes]) -> Composed:
        digest, size = hashlib.sha256(), 0
        async with snapshots.view(self._database, connection) as view:
            async for piece in layout_for(connection)(view):
                await asyncio.to_thread(file.write, piece)
                digest.update(piece)
                size += len(piece)
            records = await view.count()
        file.seek(0)
        return Composed(file, digest.hexdigest(), size, records, view.change)

    async def _put(self, snapshot: Snapshot, composed: Composed, *, lost: bool) -> Upload:
        now = datetime.now(UTC)
        same = composed.sha256 == snapshot.sha256 and not lost
        if not same:
            await self._bucket.put(snapshot.object_key, composed.body, _metadata(snapshot, composed, now))
        return Upload(
            key=snapshot.object_key,
            outcome="unchanged" if same else "restored" if lost else "uploaded",
            change=composed.change,
            sha256=composed.sha256,
            bytes=composed.bytes,
            records=composed.records,
            stored_at=int(now.timestamp() * 1000),
        )

    # -- merchants

    async def put_merchant(self, merchant: UUID) -> None:
        """Put the merchant's document if its bytes differ; read and put under the merchant's lock row."""
        async with self._database.transaction() as tx:
            held = await merchants.lock(tx, merchant)
            if held is None:
                return
            body = documents.compose(merchant, await merchants.connections(tx, merchant))
            sha256 = hashlib.sha256(body).hexdigest()
            key = documents.object_key(merchant)
            try:
                if held[0] != sha256:
                    await self._bucket.put(key, body, {"merchant": str(merchant), "sha256": sha256})
            except BucketAway as away:
                log.warning("object failed", cause="merchant", key=key, bytes=len(body), reason=str(away))
                return
            await merchants.clean(tx, merchant, sha256)
        log.info("object uploaded", cause="merchant", key=key, bytes=len(body))


def _metadata(snapshot: Snapshot, composed: Composed, now: datetime) -> dict[str, str]:
    return {
        "merchant": str(snapshot.merchant),
        "connection": snapshot.connection,
        "sync-id": str(snapshot.source),
        "stored-at": now.isoformat(timespec="milliseconds"),
        "sha256": composed.sha256,
        "records": str(composed.records),
    }


def _unchanged(snapshot: Snapshot) -> Upload:
    return Upload(
        key=snapshot.object_key,
        outcome="unchanged",
        change=snapshot.composed_change,
        sha256=snapshot.sha256 or "",
        bytes=snapshot.bytes,
        records=snapshot.records,
        stored_at=int(time.time() * 1000),
    )


def _tell(connection: str, upload: Upload) -> None:
    words = {"connection": connection, "cause": "snapshot", "key": upload.key, "bytes": upload.bytes}
    match upload.outcome:
        case "failed":
            log.warning("object failed", **words, reason=upload.reason)
        case "unchanged":
            log.info("object unchanged", **words)
        case "restored":
            log.warning("object uploaded", **words, reason="the stored object was lost or overwritten")
        case _:
            log.info("object uploaded", **words)
