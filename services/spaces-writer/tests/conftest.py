"""A writer on a schema of its own in a real PostgreSQL, with one connected shop."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from database.pool import Database
from merchant_sync.stack import Stack
from writer_builders import make_connection
from writer_harness import Writer


@pytest.fixture
async def writer(postgres: Stack) -> AsyncIterator[Writer]:
    schema = f"writer_{uuid4().hex[:8]}"
    database = Database(postgres.build_admin_database_url(), schema=schema)
    await database.migrate("spaces_writer")
    writer = Writer(database)
    await writer.update_connection(make_connection())
    yield writer
    async with database.transaction() as tx:
        await tx.execute(text(f'DROP SCHEMA "{schema}", "{schema}_published" CASCADE'))
    await database.close()
