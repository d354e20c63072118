"""A connected shop in a schema of its own in a real PostgreSQL, and the databases that readers are answered from."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from data_api.describe_api import describe
from data_api.store.databases import ReadDatabases, create_pool
from database.pool import Database
from merchant_sync.stack import Stack
from published_feed import PublishedFeed
from v1_server import V1, serve_v1


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return dict(orjson.loads(describe()))


@pytest.fixture
async def feed(postgres: Stack) -> AsyncIterator[PublishedFeed]:
    """The change feed of one shop, without records."""
    url, schema = postgres.build_admin_database_url(), f"writer_{uuid4().hex[:8]}"
    database = Database(url, schema=schema)
    await database.migrate("spaces_writer")
    await database.close()
    db = await asyncpg.connect(url, server_settings={"search_path": schema})
    feed = PublishedFeed(db, schema)
    await feed.connect()
    yield feed
    await db.execute(f'DROP SCHEMA "{feed.published_schema}" CASCADE; DROP SCHEMA "{schema}" CASCADE')
    await db.close()


@pytest.fixture
async def databases(postgres: Stack, feed: PublishedFeed) -> AsyncIterator[ReadDatabases]:
    """The databases that readers are answered from: a primary only."""
    url = postgres.build_admin_database_url()
    databases = ReadDatabases(await create_pool(url, "data_api", feed.published_schema))
    yield databases
    await databases.close()


@pytest.fixture
async def v1(feed: PublishedFeed, databases: ReadDatabases, tmp_path: Path) -> AsyncIterator[V1]:
    """The operations of `/v1` on a real port."""
    async with serve_v1(feed, databases, tmp_path) as v1:
        yield v1
