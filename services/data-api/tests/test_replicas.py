"""A replica that lags behind the primary. A second schema stands in for it: a test says when it has what."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.feed_cursors import FeedCursor
from data_api.store import databases as databases_module
from data_api.store.changes import read_changes
from data_api.store.databases import ReadDatabases, create_pool
from data_api.store.heads import load_head
from data_api.store.records import load_record
from database.pool import Database
from merchant_sync.stack import Stack
from published_feed import SHOP, PublishedFeed
from v1_server import serve_v1


class ReplicatedFeed:
    """A feed with a replica of it. What is written is in the replica after `replicate`."""

    def __init__(self, primary: PublishedFeed, replica: PublishedFeed, databases: ReadDatabases) -> None:
        self.primary = primary
        self.replica = replica
        self.databases = databases
        self._missing: list[tuple[str, Any]] = []

    async def write(self, record_id: str, body: Any) -> FeedCursor:
        await self.primary.write(record_id, body)
        self._missing.append((record_id, body))
        head = await load_head(self.databases, SHOP)
        assert head is not None
        return head.cursor

    async def replicate(self) -> None:
        for record_id, body in self._missing:
            await self.replica.write(record_id, body)
        self._missing.clear()

    async def read(self, record_id: str, reached: FeedCursor | None = None) -> bytes | None:
        found = await load_record(self.databases, SHOP, "products", record_id, reached=reached)
        assert found is not None
        return found[1]["body"] if found[1] else None


@pytest.fixture
async def replicated(postgres: Stack, feed: PublishedFeed) -> AsyncIterator[ReplicatedFeed]:
    url, schema = postgres.build_admin_database_url(), f"replica_{uuid4().hex[:8]}"
    database = Database(url, schema=schema)
    await database.migrate("spaces_writer")
    await database.close()
    db = await asyncpg.connect(url, server_settings={"search_path": schema})
    replica = PublishedFeed(db, schema)
    await replica.connect()
    await db.execute("UPDATE feed SET id = $1", await feed.db.fetchval("SELECT id FROM feed"))
    pools = [await create_pool(url, "data_api", one.published_schema) for one in (feed, replica)]
    databases = ReadDatabases(*pools)
    yield ReplicatedFeed(feed, replica, databases)
    await databases.close()
    await db.execute(f'DROP SCHEMA "{replica.published_schema}" CASCADE; DROP SCHEMA "{schema}" CASCADE')
    await db.close()


async def test_a_replica_answers_what_needs_no_position(replicated: ReplicatedFeed) -> None:
    await replicated.write("1", {"n": 1})
    assert await replicated.read("1") is None
    await replicated.replicate()
    assert await replicated.read("1") == b'{"n":1}'


async def test_an_answer_after_a_position_waits_for_the_replica(
    replicated: ReplicatedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases_module, "WAIT_SECONDS", 30.0)
    await replicated.write("1", {"n": 1})
    await replicated.replicate()
    reached = await replicated.write("1", {"n": 2})
    await replicated.primary.write("1", {"n": "the primary was asked"})
    reading = asyncio.create_task(replicated.read("1", reached))
    await replicated.replicate()
    assert await reading == b'{"n":2}'


async def test_the_primary_answers_for_a_replica_that_is_late(
    replicated: ReplicatedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases_module, "WAIT_SECONDS", 0.05)
    await replicated.write("1", {"n": 1})
    await replicated.replicate()
    reached = await replicated.write("1", {"n": 2})
    assert await replicated.read("1", reached) == b'{"n":2}'
    page = await read_changes(replicated.databases, SHOP, reached, limit=9, max_bytes=100)
    assert page is not None and page.head.cursor == reached


async def test_the_primary_answers_while_the_replica_is_away(postgres: Stack, feed: PublishedFeed) -> None:
    url = postgres.build_admin_database_url()
    nowhere = await create_pool("postgresql://nobody:wrong@127.0.0.1:1/nothing", "data_api")
    databases = ReadDatabases(await create_pool(url, "data_api", feed.published_schema), nowhere)
    await feed.write("1", {"n": 1})
    found = await load_record(databases, SHOP, "products", "1")
    assert found is not None and found[1] is not None
    await databases.close()


async def test_a_list_has_what_the_head_before_it_had(
    replicated: ReplicatedFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases_module, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(databases_module, "AVOID_SECONDS", 0.0)
    for number in range(3):
        await replicated.write(str(number), {"n": 1})
    async with serve_v1(replicated.primary, replicated.databases, tmp_path) as v1:
        cursor = (await v1.get("/changes/head")).json()["cursor"]
        first = (await v1.get("/records/products", limit=2)).json()
        rest = (await v1.get("/records/products", limit=2, cursor=first["next_cursor"])).json()
        assert [record["id"] for record in (*first["records"], *rest["records"])] == ["0", "1", "2"]
        assert (await v1.get("/changes", cursor=cursor)).json()["changes"] == []
