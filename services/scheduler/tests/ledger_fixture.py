"""The scheduler on a schema of its own with a simulated gateway, and short builders of events."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, SyncResult, Upload
from database.pool import Database
from platforms.registry import PLATFORMS
from scheduler.client import GatewayClient
from scheduler.handlers import (
    ConnectionStateHandler,
    DataStoredHandler,
    DeadLettersHandler,
    ProgressHandler,
    RequestsHandler,
)
from scheduler.metrics import SchedulerMetrics
from scheduler.schedule import ScheduledRun
from scheduler.store import syncs
from scheduler.use_cases.dispatcher import SyncDispatcher

SHOP = "shopify:acme.myshopify.com"


def schedule_tomorrow(_: str) -> ScheduledRun:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return ScheduledRun(tomorrow, tomorrow)


class SimulatedGateway:
    """Answers requests to ensure webhooks with `status` and `body`, and counts them.

    `on_call` is what happens during the next request.
    """

    def __init__(self) -> None:
        self.status, self.body, self.calls = 200, {"status": "success"}, 0
        self.on_call: Callable[[], Awaitable[None]] | None = None
        self.paths: list[bytes] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.paths.append(request.url.raw_path)
        on_call, self.on_call = self.on_call, None
        if on_call is not None:
            await on_call()
        return httpx.Response(self.status, json=self.body)


class Ledger:
    """The scheduler's handlers and dispatcher on a schema of their own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.changes_seconds = 0
        """After how many seconds what has changed is read; 0 for a platform that has only its daily polls."""
        self.gateway = SimulatedGateway()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.gateway))
        client = GatewayClient(http, "http://gateway", "key")
        self.registry = CollectorRegistry()
        self.metrics = SchedulerMetrics(self.registry, PLATFORMS)
        transaction, record_counts = database.transaction, self.metrics.record_transaction
        self.dispatcher = SyncDispatcher(
            database,
            client,
            compute_next_poll=self.compute_next_poll,
            wake_outbox=lambda: None,
            record_counts=record_counts,
        )
        self.connections = ConnectionStateHandler(
            transaction,
            compute_next_poll=self.compute_next_poll,
            wake_dispatcher=lambda: None,
            record_counts=record_counts,
        )
        self.requests = RequestsHandler(transaction)
        self.progress = ProgressHandler(transaction, wake_outbox=lambda: None, record_counts=record_counts)
        self.data_stored = DataStoredHandler(transaction, wake_outbox=lambda: None, record_counts=record_counts)
        self.dead_letters = DeadLettersHandler(transaction, record_counts=record_counts)

    def compute_next_poll(self, connection: str) -> ScheduledRun:
        run = schedule_tomorrow(connection)
        changes_at = datetime.now(UTC) + timedelta(seconds=self.changes_seconds)
        return replace(run, changes_at=changes_at) if self.changes_seconds else run

    async def change_connection(
        self,
        *,
        revision: int = 1,
        epoch: int = 1,
        state: str = "connected",
        wanted_sync: UUID | None = None,
        wanted_cause: str = "connect",
    ) -> None:
        event = ConnectionChanged(
            connection=SHOP,
            revision=revision,
            epoch=epoch,
            state=state,
            wanted_sync=wanted_sync,
            wanted_cause=wanted_cause,
        )
        await self.connections(SHOP, [event])

    async def dispatch(self) -> None:
        """Run the dispatcher once, and wait for the steps that it starts."""
        await self.dispatcher.run_once()
        for task in list(self.dispatcher.starting):
            await task

    async def pop_messages(self) -> list[dict[str, Any]]:
        """Delete and return the messages in the outbox, in their order."""
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("DELETE FROM outbox RETURNING id, topic, body"))
            ordered = sorted(rows, key=lambda r: int(r.id))
            return [{"topic": row.topic, **orjson.loads(row.body)} for row in ordered]

    async def get_sync(self, sync_id: UUID) -> dict[str, Any]:
        async with self.database.transaction() as tx:
            row = await syncs.get(tx, sync_id)
        assert row is not None
        return row

    async def get_state(self, sync_id: UUID) -> str:
        return str((await self.get_sync(sync_id))["state"])

    async def execute(self, sql: str) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(text(sql))

    async def list_full_syncs(self, state: str) -> list[dict[str, Any]]:
        """Return the full syncs in this state that were not coalesced."""
        sql = "SELECT * FROM syncs WHERE mode = 'full' AND coalesced_into IS NULL AND state = :state"
        async with self.database.transaction() as tx:
            return [dict(row) for row in (await tx.execute(text(sql), {"state": state})).mappings()]

    async def get_owed(self) -> dict[str, Any]:
        """Return the only full sync that has not begun."""
        (owed,) = await self.list_full_syncs("queued")
        return owed

    async def make_owed_due(self) -> None:
        await self.execute("UPDATE syncs SET due_at = now() WHERE state = 'queued' AND due_at IS NOT NULL")

    async def request_webhook(self, product: str = "p1") -> UUID:
        """Enter the request of a webhook; returns its sync id."""
        sync_id = uuid4()
        await self.requests(SHOP, [build_request(sync_id, product)])
        return sync_id

    async def complete_full_sync(self, sync_id: UUID) -> None:
        """Let the running step of a full sync complete the read, and the full sync succeed."""
        step = (await self.get_sync(sync_id))["step"]
        await self.progress(SHOP, [build_progress(sync_id, "completed", step=step)])
        await self.data_stored(SHOP, [build_result(sync_id), build_upload(1)])

    async def start_full_sync(self, *, cause: str = "connect") -> UUID:
        """Start a full sync and pop the request for its first step; returns its id."""
        sync_id = uuid4()
        await self.change_connection(wanted_sync=sync_id, wanted_cause=cause)
        await self.dispatch()
        await self.pop_messages()
        return sync_id


def build_progress(sync_id: UUID, outcome: Any, **fields: Any) -> SyncProgressed:
    return SyncProgressed(connection=SHOP, epoch=1, outcome=outcome, sync_ids=(sync_id,), **fields)


def build_result(
    sync_id: UUID, status: Any = "success", *, epoch: int = 1, sequence: int = 1, **fields: Any
) -> DataStored:
    result = SyncResult(sync_ids=(sync_id,), status=status, sequence=sequence, **fields)
    return DataStored(connection=SHOP, epoch=epoch, sequence=sequence, results=(result,))


def build_upload(sequence: int, outcome: Any = "uploaded", *, epoch: int = 1, **fields: Any) -> DataStored:
    upload = Upload(key="k", outcome=outcome, sequence=sequence, **fields)
    return DataStored(connection=SHOP, epoch=epoch, sequence=sequence, upload=upload)


def build_request(sync_id: UUID, product: str = "p1", cause: str = "webhook") -> SyncRequested:
    return SyncRequested(
        sync_id=sync_id, connection=SHOP, epoch=1, cause=cause, records={"products": (product,)}, requested_at=1
    )
