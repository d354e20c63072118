"""The scheduler on a schema of its own, with a gateway that answers as it is told; and short ways to say events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, SyncResult, Upload
from database.pool import Database
from scheduler.client import Gateway
from scheduler.dispatcher import Dispatcher
from scheduler.due import Turn
from scheduler.handlers import (
    ConnectionsHandler,
    DeadLettersHandler,
    ProgressHandler,
    RequestsHandler,
    StoredHandler,
)
from scheduler.metrics import Metrics
from scheduler.store import syncs

SHOP = "shopify:acme.myshopify.com"


def turn(_: str) -> Turn:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return Turn(tomorrow, tomorrow)


class GatewayAnswer:
    """What the gateway answers to an assertion of subscriptions; counts how often it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, {"status": "success"}, 0

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(self.status, json=self.body)


class Ledger:
    """The scheduler's handlers and dispatcher on a schema of their own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.answer = GatewayAnswer()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        gateway = Gateway(http, "http://gateway", "key")
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, ("shopify", "facebook"))
        count = self.metrics.count
        self.dispatcher = Dispatcher(database, gateway, next_turn=turn, said=lambda: None, count=count)
        self.connections = ConnectionsHandler(database.transaction, next_turn=turn, changed=lambda: None, count=count)
        self.requests = RequestsHandler(database.transaction)
        self.progress = ProgressHandler(database.transaction, said=lambda: None, count=count)
        self.stored = StoredHandler(database.transaction, said=lambda: None, count=count)
        self.dead_letters = DeadLettersHandler(database.transaction, count=count)

    async def connected(
        self, *, revision: int = 1, epoch: int = 1, state: str = "connected", want: UUID | None = None
    ) -> None:
        event = ConnectionChanged(connection=SHOP, revision=revision, epoch=epoch, state=state, wanted_sync=want)
        await self.connections(SHOP, [event])

    async def dispatched(self) -> None:
        await self.dispatcher.step()
        for task in list(self.dispatcher.running):
            await task

    async def said(self) -> list[dict[str, Any]]:
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("DELETE FROM outbox RETURNING id, topic, body"))
            ordered = sorted(rows, key=lambda r: int(r.id))
            return [{"topic": row.topic, **orjson.loads(row.body)} for row in ordered]

    async def sync(self, sync_id: UUID) -> dict[str, Any]:
        async with self.database.transaction() as tx:
            row = await syncs.get(tx, sync_id)
        assert row is not None
        return row

    async def run(self, sql: str) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(text(sql))

    async def walking(self) -> UUID:
        """A walk whose first step has been asked for."""
        want = uuid4()
        await self.connected(want=want)
        await self.dispatched()
        await self.said()
        return want


def progressed(sync_id: UUID, outcome: Any, **more: Any) -> SyncProgressed:
    return SyncProgressed(connection=SHOP, epoch=1, outcome=outcome, sync_ids=(sync_id,), **more)


def verdict(sync_id: UUID, outcome: Any = "success", *, change: int = 1, **more: Any) -> DataStored:
    given = SyncResult(sync_ids=(sync_id,), status=outcome, sequence=change, **more)
    return DataStored(connection=SHOP, epoch=1, sequence=change, results=(given,))


def upload(change: int, outcome: Any = "uploaded") -> DataStored:
    return DataStored(
        connection=SHOP, epoch=1, sequence=change, upload=Upload(key="k", outcome=outcome, sequence=change)
    )


def request(sync_id: UUID, product: str = "p1", cause: str = "webhook") -> SyncRequested:
    return SyncRequested(
        sync_id=sync_id, connection=SHOP, epoch=1, cause=cause, records={"products": (product,)}, requested_at=1
    )
