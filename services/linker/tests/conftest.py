"""A linker on a schema of its own in a real PostgreSQL."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from database.pool import Database
from links_fixture import LinkWorld
from links_writers import Writers
from merchant_sync.stack import Stack


@pytest.fixture
async def world(postgres: Stack) -> AsyncIterator[LinkWorld]:
    schema = f"links_{uuid4().hex[:8]}"
    database = Database(postgres.build_admin_database_url(), schema=schema)
    await database.migrate("linker")
    yield LinkWorld(database)
    async with database.transaction() as tx:
        await tx.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    await database.close()


@pytest.fixture
def writers(world: LinkWorld) -> Writers:
    return Writers(world)
