"""Errors of a service's Postgres."""

import traceback
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from database.pool import Database
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError

pytestmark = pytest.mark.integration


async def test_an_error_shows_nothing_of_the_data_of_its_statement(postgres: Stack) -> None:
    private = str(uuid4())
    database = Database(postgres.build_admin_database_url(), schema="nobodys")
    with pytest.raises(DBAPIError) as error:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT CAST(:body AS text)"), {"body": private + "\x00"})
    await database.close()
    assert "invalid byte sequence" in str(error.value)
    assert private not in "".join(traceback.format_exception(error.value))


async def test_a_connection_that_is_ended_meanwhile_means_that_postgres_is_unavailable(postgres: Stack) -> None:
    database = Database(postgres.build_admin_database_url(), schema="nobodys", pool_size=2)
    with pytest.raises(UnavailableError, match="Postgres"):
        await end_own_connection(database)
    await database.close()


async def end_own_connection(database: Database) -> None:
    """End the connection of a transaction from another one."""
    async with database.transaction() as tx:
        pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar()
        async with database.transaction() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await tx.execute(text("SELECT 1"))


async def test_without_a_server_migrating_raises_that_postgres_is_unavailable() -> None:
    database = Database("postgresql://me:mine@127.0.0.1:1/merchants", schema="nobodys")
    with pytest.raises(UnavailableError, match="Postgres"):
        await database.migrate("gateway")
    assert await database.check_health() is not None
    await database.close()


async def test_a_database_that_does_not_exist_is_a_fault_and_not_waited_for(postgres: Stack) -> None:
    database = Database(postgres.build_admin_database_url().rpartition("/")[0] + "/nowhere", schema="nobodys")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await database.migrate("gateway")
    await database.close()
