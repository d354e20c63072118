"""A scheduler on a schema of its own in a real PostgreSQL."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from database.pool import Database
from ledger_fixture import Ledger
from merchant_sync.stack import Stack


@pytest.fixture
async def ledger(postgres: Stack) -> AsyncIterator[Ledger]:
    schema = f"ledger_{uuid4().hex[:8]}"
    database = Database(postgres.build_admin_database_url(), schema=schema)
    await database.migrate("scheduler")
    yield Ledger(database)
    async with database.transaction() as tx:
        await tx.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    await database.close()
