"""The writer on a schema of its own, with a bucket in memory that can be away, or slow, or late."""

import asyncio
from collections.abc import Mapping
from typing import IO, Any

import orjson
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, Upload
from database.pool import Database
from spaces_writer.client import BucketAway
from spaces_writer.composer import Composer
from spaces_writer.eraser import Eraser
from spaces_writer.handlers import ConnectionsHandler, PagesHandler
from spaces_writer.metrics import Metrics


class MemoryBucket:
    """Objects by key with their metadata. `away`: nothing is taken or given. `slow`: a PUT waits for it to be set."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self.puts = 0
        self.away = False
        self.slow: asyncio.Event | None = None
        self.putting = asyncio.Event()

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        self._answer()
        self.putting.set()
        if self.slow is not None:
            await self.slow.wait()
        self.puts += 1
        self.objects[key] = (body if isinstance(body, bytes) else body.read(), metadata)

    async def metadata(self, key: str) -> Mapping[str, str] | None:
        self._answer()
        return self.objects[key][1] if key in self.objects else None

    async def delete(self, key: str) -> None:
        self._answer()
        self.objects.pop(key, None)

    def _answer(self) -> None:
        if self.away:
            raise BucketAway("SlowDown: try again later")


class Writer:
    """The writer's handlers, composer and eraser."""

    def __init__(self, database: Database, bucket: MemoryBucket | None = None) -> None:
        self.database = database
        self.bucket = bucket or MemoryBucket()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        heard: Any = {"stored": lambda: None, "count": metrics.ingested}
        self.pages = PagesHandler(database.transaction, walking=False, **heard)
        self.walked = PagesHandler(database.transaction, walking=True, **heard)
        self.connections = ConnectionsHandler(database.transaction, changed=lambda: None)
        self.composer = Composer(database, self.bucket, at_once=2, put=lambda: None, count=metrics.composed)
        self.eraser = Eraser(database, self.bucket, said=lambda: None)

    async def hear(self, *events: ConnectionChanged) -> None:
        """What the gateway says."""
        await self.connections(events[0].connection, events)

    async def take(self, *events: Any) -> list[DataStored]:
        """What a records fetch says; gives what the writer says to it."""
        await self.pages(events[0].connection, events)
        return await self.said()

    async def walk(self, *events: Any) -> list[DataStored]:
        """What a walk says; gives what the writer says to it."""
        await self.walked(events[0].connection, events)
        return await self.said()

    async def said(self) -> list[DataStored]:
        """What is in the outbox, taken out of it."""
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("DELETE FROM outbox RETURNING id, body"))
            return [DataStored.model_validate_json(row.body) for row in sorted(rows, key=lambda r: int(r.id))]

    async def compose(self, connection: str) -> Upload | None:
        """Compose the connection's document if it is due."""
        upload = await self.composer.compose(connection)
        await self.said()
        return upload

    async def titles(self) -> dict[str, str]:
        """The titles of the stored products."""
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("SELECT id, body FROM bodies WHERE resource = 'products'"))
            return {row.id: orjson.loads(row.body)["title"] for row in rows}

    async def scalar(self, sql: str) -> Any:
        """The one value that `sql` gives."""
        async with self.database.transaction() as tx:
            return (await tx.execute(text(sql))).scalar()

    async def run(self, sql: str) -> None:
        """Run `sql`."""
        async with self.database.transaction() as tx:
            await tx.execute(text(sql))
