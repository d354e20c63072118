"""The data API as a process, with a real Kafka, PostgreSQL and object store: what it knows, and what it survives."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from sqlalchemy import text

from api_builders import MERCHANT, make_connection, make_key, make_keys, make_sync, make_syncs
from bucket_fixture import CountedBucket, make_upload, open_counted_bucket
from contracts.events import ApiKey, ConnectionChanged, Event
from contracts.topics import CONNECTION_CHANGED, DATA_STORED, KEY_CHANGED, SYNC_CHANGED, list_topics
from database.pool import Database
from merchant_sync.stack import Stack
from messaging.brokers import Brokers
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage
from platforms.registry import DESTINATIONS, PLATFORMS
from stream_server import open_stream

pytestmark = pytest.mark.integration
CACHED_JARS = Path(__file__).parents[3] / "data" / "cache"
OPERATOR_KEY = "5f1d0c7a9b3e4f8a8c6b2d1e0f9a7b6c"
FIRST, SECOND = b'{"data":{"shop":{"name":"First"}}}', b'{"data":{"shop":{"name":"Second"}}}'


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run Kafka, Postgres with the spaces-writer's views, the object store, and one data API."""
    given = {"DATA_API_PORT": "0", "DATA_API_KEYS": f"console:{OPERATOR_KEY}"}
    with TemporaryDirectory(prefix="merchant-sync-") as folder:
        given["SNAPSHOT_CACHE_DIR"] = f"{folder}/snapshots"
        wanted = {"kafka", "postgres", "spaces"}
        with Stack(
            Path(folder) / "data", given=given, wanted=wanted, cache_dir=CACHED_JARS, auto_restart=False
        ) as stack:
            asyncio.run(_prepare(stack))
            stack.scale("data-api", 1)
            yield stack


async def _prepare(stack: Stack) -> None:
    servers = stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    await create_missing_topics(Brokers(servers), list_topics(PLATFORMS, DESTINATIONS))
    database = Database(stack.environment.build_database_url("spaces_writer"), schema="spaces_writer")
    await database.migrate("spaces_writer")
    await database.close()


class Shop:
    """A connected shop with a key, as gateway, scheduler and spaces-writer would publish it."""

    def __init__(self, stack: Stack, publisher: EventPublisher, bucket: CountedBucket, database: Database) -> None:
        self.stack, self.publisher, self.bucket, self.database = stack, publisher, bucket, database
        self.name = f"shop-platform:{uuid4().hex}.example"
        self.key = f"msk_{uuid4().hex}"
        self.url = stack.environment.data_api_url
        self.http = httpx.AsyncClient(timeout=30, headers={"X-API-Key": self.key})

    async def publish(self, topic: str, event: Event) -> None:
        await self.publisher.send(OutboundMessage(topic, self.name, event, str(uuid4())))

    async def connect(self, **fields: Any) -> ConnectionChanged:
        connection = make_connection(self.name, **fields)
        await self.publish(CONNECTION_CHANGED, connection)
        return connection

    async def publish_keys(self, *keys: ApiKey, revision: int = 1) -> None:
        await self.publish(KEY_CHANGED, make_keys(*keys, connection=self.name, revision=revision))

    async def store(self, document: bytes, sequence: int = 1) -> None:
        """Store which document is in the bucket, as the spaces-writer does, and publish it."""
        key = make_connection(self.name).object_key or ""
        digest = await self.bucket.put(key, document)
        async with self.database.transaction() as tx:
            await tx.execute(
                text(
                    "INSERT INTO connections (connection, epoch, revision, state, merchant, full_read_epoch, sequence)"
                    " VALUES (:c, 1, 1, 'connected', :m, 1, :s) ON CONFLICT (connection) DO UPDATE SET sequence = :s"
                ),
                {"c": self.name, "m": MERCHANT, "s": sequence},
            )
            await tx.execute(
                text(
                    "INSERT INTO snapshots (connection, uploaded_sequence, sha256, bytes, records, uploaded_at)"
                    " VALUES (:c, :s, :h, :b, 2, now()) ON CONFLICT (connection) DO UPDATE"
                    " SET uploaded_sequence = :s, sha256 = :h, bytes = :b, uploaded_at = now()"
                ),
                {"c": self.name, "s": sequence, "h": digest, "b": len(document)},
            )
        await self.publish(DATA_STORED, make_upload(self.name, key, document, sequence))

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.http.get(self.url + path, params=query)

    async def wait_for(self, is_wanted: Callable[[httpx.Response], bool], path: str = "/fetch-data") -> httpx.Response:
        """Repeat a request until its answer is the wanted one."""
        deadline = time.monotonic() + 30
        while True:
            try:
                response = await self.get(path)
                if is_wanted(response):
                    return response
                seen = f"{response.status_code} {response.text[:300]}"
            except httpx.TransportError as error:
                seen = repr(error)
            assert time.monotonic() < deadline, seen
            await asyncio.sleep(0.05)


@asynccontextmanager
async def open_shop(stack: Stack) -> AsyncIterator[Shop]:
    servers = stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    database = Database(stack.environment.build_database_url("spaces_writer"), schema="spaces_writer")
    async with EventPublisher(Brokers(servers), source="test") as publisher, open_counted_bucket(stack) as bucket:
        shop = Shop(stack, publisher, bucket, database)
        async with shop.http:
            yield shop
    await database.close()


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A shop whose first full sync has succeeded."""
    async with open_shop(stack) as shop:
        await shop.connect()
        await shop.publish_keys(make_key(shop.key))
        await shop.publish(SYNC_CHANGED, make_syncs(connection=shop.name))
        await shop.store(FIRST)
        await shop.wait_for(lambda response: response.status_code == 200)
        yield shop


def shows(document: bytes) -> Callable[[httpx.Response], bool]:
    return lambda response: response.status_code == 200 and response.json()["data"] == orjson.loads(document)


def is_on_disk(stack: Stack, connection: str) -> bool:
    """Whether the process has a document of the connection on its disk."""
    folder = Path(stack.given["SNAPSHOT_CACHE_DIR"])
    return any(connection in path.read_text() for path in folder.rglob("current.json"))


async def test_before_the_first_sync_the_answer_says_that_it_runs_and_then_there_is_data(stack: Stack) -> None:
    async with open_shop(stack) as shop:
        await shop.connect()
        await shop.publish_keys(make_key(shop.key))
        sync = make_sync()
        event = make_syncs(sync, connection=shop.name, fully_read=False, last_success_at=None)
        await shop.publish(SYNC_CHANGED, event)
        response = await shop.wait_for(lambda response: "running" in response.text)
        assert response.status_code == 503 and response.json()["sync_id"] == str(sync.sync_id)
        await shop.publish(SYNC_CHANGED, make_syncs(connection=shop.name, revision=2))
        await shop.store(FIRST)
        await shop.wait_for(shows(FIRST))


async def test_a_process_that_was_killed_answers_as_before_also_with_the_bucket_down(stack: Stack, shop: Shop) -> None:
    stack.kill("data-api")
    await asyncio.to_thread(stack.stop_part, "spaces")
    try:
        # Its internal port says that the bucket does not answer: it is not waited for.
        await asyncio.to_thread(stack.start_part, "data-api", wait=False)
        await shop.wait_for(shows(FIRST))
    finally:
        await asyncio.to_thread(stack.start_part, "spaces")
    await shop.store(SECOND, 2)
    await shop.wait_for(shows(SECOND))


async def test_what_is_known_is_served_while_postgres_is_down(stack: Stack, shop: Shop) -> None:
    await asyncio.to_thread(stack.stop_part, "postgres")
    try:
        assert shows(FIRST)(await shop.get("/fetch-data"))
        assert (await shop.get("/ready")).status_code == 200
        assert (await shop.get("/status")).json()["cache_exists"]
    finally:
        await asyncio.to_thread(stack.start_part, "postgres")


async def test_news_are_heard_again_after_kafka_was_down(stack: Stack, shop: Shop) -> None:
    await asyncio.to_thread(stack.stop_part, "kafka")
    try:
        assert shows(FIRST)(await shop.get("/fetch-data"))
    finally:
        await asyncio.to_thread(stack.start_part, "kafka")
    await shop.store(SECOND, 2)
    await shop.wait_for(shows(SECOND))


async def test_a_stream_ends_soon_after_its_key_is_revoked(stack: Stack, shop: Shop) -> None:
    port = int(shop.url.rpartition(":")[2])
    stream_path = f"/v1/connections/{shop.name}/changes/stream"
    async with open_stream(port, stream_path, {"X-API-Key": shop.key}) as stream:
        assert stream.status == 200
        await shop.publish_keys(revision=2)
        events = await stream.read_until(lambda event: event.event == "end")
        assert len(events) == 1
    assert (await shop.wait_for(lambda response: response.status_code == 401)).status_code == 401


async def test_erased_data_is_found_nowhere(stack: Stack, shop: Shop) -> None:
    assert is_on_disk(stack, shop.name)
    await shop.connect(revision=2, epoch=2, state="redacted", redacted_epoch=2, merchant=None, object_key=None)
    await shop.wait_for(lambda response: response.status_code == 404)
    operator = {"X-API-Key": OPERATOR_KEY}
    found = await shop.http.get(f"{shop.url}/fetch-data", params={"connection": shop.name}, headers=operator)
    assert found.status_code == 404
    assert not is_on_disk(stack, shop.name)


async def test_keys_are_in_no_log(stack: Stack, shop: Shop) -> None:
    await shop.get("/status")
    await shop.get("/fetch-data", key=shop.key)
    await shop.http.get(f"{shop.url}/nowhere/{shop.key}")
    log = ""
    async with asyncio.timeout(30):
        # Lines of the access log are written a second later; the last of these requests has no path in it.
        while '"path":null' not in log:
            log = stack.get_log_path("data-api").read_text()
            await asyncio.sleep(0.05)
    assert shop.key[:8] in log
    assert shop.key not in log and OPERATOR_KEY not in log and shop.name not in log
