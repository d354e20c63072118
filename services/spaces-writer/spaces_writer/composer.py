"""The composer: dirty snapshots are composed and put, merchants' documents after them.

One process at a time composes a connection: it holds the snapshot's row, which ingestion never touches. Killed
after the PUT and before its row is written, the next compose finds the change number behind and puts the same bytes
again. A bucket that is away costs a retry: records are safe, the snapshot stays dirty, nothing else waits.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

import structlog

from contracts.events import DataStored, Upload, parse_platform
from contracts.topics import DATA_STORED
from messaging import tracing
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer import merchants as documents
from spaces_writer.client import BucketAway, spooled
from spaces_writer.layouts.registry import layout_for
from spaces_writer.pacing import Pace
from spaces_writer.store import causes, merchants, snapshots
from spaces_writer.store import verdicts as ledger
from spaces_writer.store.merchants import Dirty
from spaces_writer.store.snapshots import Snapshot

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database

log = structlog.get_logger()
PRUNE_SECONDS = 3600.0
REST_SECONDS = 1.0


@dataclass(frozen=True)
class Composed:
    """A composed document in a temporary file."""

    body: IO[bytes]
    sha256: str
    bytes: int
    records: int
    change: int


class Objects(Protocol):
    """What the composer needs of the bucket; every method raises `BucketAway`."""

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        """Store the object."""
        ...

    async def metadata(self, key: str) -> Mapping[str, str] | None:
        """The object's own metadata, or None when there is no such object."""
        ...

    async def delete(self, key: str) -> None:
        """Take the object out; one that is not there is out already."""
        ...


class Composer:
    """Composes and puts whatever is due, `at_once` documents side by side. `database` is a pool of its own: a compose
    holds one connection and reads through a second; `count` hears what became of each snapshot."""

    def __init__(
        self,
        database: "Database",
        bucket: Objects,
        *,
        at_once: int,
        put: Callable[[], None],
        count: Callable[[str, Upload], None],
    ) -> None:
        self._database = database
        self._bucket = bucket
        self._put_down = put
        self._count = count
        self._slots = asyncio.Semaphore(at_once)
        self._busy: dict[str, asyncio.Task[bool]] = {}
        self._resting: dict[str, float] = {}
        self._pruned = time.monotonic()

    async def step(self) -> bool:
        """Begin whatever is due and is not under way. Raises `Away`."""
        async with self._database.transaction() as tx:
            due = await snapshots.due(tx, time.time())
            named = await merchants.due(tx)
            if time.monotonic() - self._pruned > PRUNE_SECONDS:
                self._pruned = time.monotonic()
                await ledger.prune(tx)
        for connection in due:
            self._begin(connection, partial(self._compose, connection))
        for merchant in named:
            self._begin(str(merchant), partial(self.put_merchant, merchant))
        return False

    async def stop(self) -> None:
        """Break off what is under way; it is done again after the next start."""
        for task in list(self._busy.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _begin(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        if name in self._busy or self._resting.get(name, 0.0) > time.monotonic():
            return
        task = asyncio.create_task(self._in_turn(work))
        self._busy[name] = task
        task.add_done_callback(partial(self._ended, name))

    async def _in_turn(self, work: Callable[[], Awaitable[bool]]) -> bool:
        async with self._slots:
            return await work()

    def _ended(self, name: str, task: "asyncio.Task[bool]") -> None:
        """What went well may be due again at once; whatever did not rests a while, so that nothing spins."""
        self._busy.pop(name, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            document = name if ":" in name else documents.LOGGED_KEY
            log.warning("document held", document=document, reason=f"{type(error).__name__}: {error}"[:300])
        if error is None and task.result():
            self._resting.pop(name, None)
            self._put_down()
        else:
            self._resting[name] = time.monotonic() + REST_SECONDS

    async def _compose(self, connection: str) -> bool:
        upload = await self.compose(connection)
        return upload is not None and upload.outcome != "failed"

    # -- one snapshot

    async def compose(self, connection: str) -> Upload | None:
        """Compose and put one connection's document if it is due; what became of it, or None when it was not."""
        started = time.time()
        async with self._database.transaction() as tx:
            snapshot = await snapshots.lock(tx, connection)
            if snapshot is None:
                return None
            with composing(connection, await causes.of(tx, connection, snapshot.change)) as span:
                upload = await self._upload(snapshot)
                span.set_attribute("merchant_sync.outcome", upload.outcome)
                span.set_attribute("merchant_sync.records", upload.records)
                await _note(tx, snapshot, upload, snapshot.pace.spent(time.time(), time.time() - started))
                event = DataStored(connection=connection, epoch=snapshot.epoch, sequence=upload.sequence, upload=upload)
                await enqueue(tx, [OutboundMessage(DATA_STORED, connection, event, str(uuid4()))])
                _tell(connection, upload)
        self._count(connection, upload)
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
            return Upload(
                key=snapshot.object_key, outcome="failed", sequence=snapshot.composed_change, reason=str(away)
            )

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
            sequence=composed.change,
            sha256=composed.sha256,
            bytes=composed.bytes,
            records=composed.records,
            stored_at=int(now.timestamp() * 1000),
        )

    # -- merchants

    async def put_merchant(self, merchant: UUID) -> bool:
        """Put the merchant's document if its bytes differ, or delete that of one who has no connection left; whether
        that went well.

        One process at a time does it, under a lock of its own that nobody else waits for. What becomes dirty meanwhile
        raises the number, and the document is put once more.
        """
        async with self._database.transaction() as tx:
            held = await merchants.lock(tx, merchant)
            if held is None:
                return False
            listed = await merchants.connections(tx, merchant)
            try:
                if listed:
                    await self._put_document(tx, merchant, held, documents.compose(merchant, listed))
                else:
                    await self._bucket.delete(documents.object_key(merchant))
                    await merchants.drop(tx, merchant, held.dirty)
                    log.info("object erased", cause="merchant", key=documents.LOGGED_KEY)
            except BucketAway as away:
                log.warning("object failed", cause="merchant", key=documents.LOGGED_KEY, reason=str(away))
                return False
        return True

    async def _put_document(self, tx: "AsyncConnection", merchant: UUID, held: Dirty, body: bytes) -> None:
        sha256, said = hashlib.sha256(body).hexdigest(), "object unchanged"
        if held.sha256 != sha256:
            metadata, said = {"merchant": str(merchant), "sha256": sha256}, "object uploaded"
            await self._bucket.put(documents.object_key(merchant), body, metadata)
        await merchants.clean(tx, merchant, held.dirty, sha256)
        log.info(said, cause="merchant", key=documents.LOGGED_KEY, bytes=len(body))


def composing(connection: str, caused_by: Sequence[str]) -> AbstractContextManager[tracing.Span]:
    """The span of a compose and its PUT, in the trace of the first change that it is due for."""
    about = {"merchant_sync.connection": connection, "merchant_sync.platform": parse_platform(connection)}
    return tracing.start_span("compose snapshot", "internal", about, caused_by=caused_by)


async def _note(tx: "AsyncConnection", snapshot: Snapshot, upload: Upload, pace: Pace) -> None:
    """Write back what was composed."""
    if upload.outcome == "failed":
        await snapshots.fail(tx, snapshot, pace)
        return
    await snapshots.store(
        tx,
        snapshot,
        change=upload.sequence,
        sha256=upload.sha256,
        size=upload.bytes,
        records=upload.records,
        pace=pace,
    )
    await causes.drop(tx, snapshot.connection, upload.sequence)


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
        sequence=snapshot.composed_change,
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
