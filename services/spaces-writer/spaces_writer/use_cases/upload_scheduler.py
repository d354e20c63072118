"""Starts the due builds of snapshots and the due updates of merchants' documents."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from spaces_writer.merchant_document import LOGGED_KEY
from spaces_writer.store import merchants, reads, snapshots
from spaces_writer.use_cases.merchant_documents import MerchantDocuments
from spaces_writer.use_cases.snapshot_builder import SnapshotBuilder

if TYPE_CHECKING:
    from database.pool import Database

log = structlog.get_logger()
CLEAN_UP_SECONDS = 3600.0
PAUSE_SECONDS = 1.0


class UploadScheduler:
    """Runs the due builds of snapshots and updates of merchants' documents, at most `concurrency` at the same time.

    `on_success` is called after each success.
    """

    def __init__(
        self,
        database: "Database",
        builder: SnapshotBuilder,
        documents: MerchantDocuments,
        *,
        concurrency: int,
        on_success: Callable[[], None],
    ) -> None:
        self._database = database
        self._builder = builder
        self._documents = documents
        self._on_success = on_success
        self._slots = asyncio.Semaphore(concurrency)
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._paused_until: dict[str, float] = {}
        self._cleaned_up_at = time.monotonic()

    async def start_due_uploads(self) -> bool:
        """Start all builds of snapshots and updates of merchants' documents that are due and not running.

        Always returns False, which tells PeriodicTask to wait for its interval before it calls this method again.
        Raises `UnavailableError` if the database is unavailable.
        """
        async with self._database.transaction() as tx:
            due_snapshots = await snapshots.list_due(tx, time.time())
            due_merchants = await merchants.list_due(tx, time.time())
            if time.monotonic() - self._cleaned_up_at > CLEAN_UP_SECONDS:
                self._cleaned_up_at = time.monotonic()
                await reads.delete_expired(tx)
        for connection in due_snapshots:
            self._start(connection, partial(self._build_and_upload, connection))
        for merchant in due_merchants:
            self._start(str(merchant), partial(self._documents.put_or_delete_document, merchant))
        return False

    async def stop(self) -> None:
        """Cancel the running builds of snapshots and updates of merchants' documents.

        They stay due, and are started again when the service runs again.
        """
        for task in list(self._running.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _start(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        if name in self._running or self._paused_until.get(name, 0.0) > time.monotonic():
            return
        task = asyncio.create_task(self._run_in_slot(work))
        self._running[name] = task
        task.add_done_callback(partial(self._finish, name))

    async def _run_in_slot(self, work: Callable[[], Awaitable[bool]]) -> bool:
        async with self._slots:
            return await work()

    def _finish(self, name: str, task: "asyncio.Task[bool]") -> None:
        """Handle the end of a snapshot's build or of a merchant document's update, which `name` names.

        After a failure it is not started again before `PAUSE_SECONDS` are over.
        """
        self._running.pop(name, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            document = name if ":" in name else LOGGED_KEY
            log.warning("document update failed", document=document, reason=f"{type(error).__name__}: {error}"[:300])
        if error is None and task.result():
            self._paused_until.pop(name, None)
            self._on_success()
        else:
            self._paused_until[name] = time.monotonic() + PAUSE_SECONDS

    async def _build_and_upload(self, connection: str) -> bool:
        upload = await self._builder.build_and_upload_if_changed(connection)
        return upload is not None and upload.outcome != "failed"
