"""Ten processes of one owner that start at once bring its schema up to date together, each script once."""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from database.pool import Database
from merchant_sync.postgres import OWNERS
from merchant_sync.stack import Stack

pytestmark = pytest.mark.integration


def scripts(package: str) -> dict[str, str]:
    """The owner's migrations, oldest first."""
    found = [script for script in files(package).joinpath("migrations").iterdir() if script.name.endswith(".sql")]
    return {script.name: script.read_text() for script in sorted(found, key=str)}


class Ten:
    """Ten pools of their own on one schema that is not there yet."""

    def __init__(self, url: str) -> None:
        schema = f"migrated_{uuid4().hex[:8]}"
        self.databases = [Database(url, schema=schema, pool=1) for _ in range(10)]
        self.one = self.databases[0]

    async def migrate(self, package: str) -> list[str]:
        """Migrate all at once; the scripts that were applied, by whomever."""
        structlog.reset_defaults()
        await asyncio.gather(*(database.check_health() for database in self.databases))  # all are connected
        with capture_logs() as lines:
            await asyncio.gather(*(database.migrate(package) for database in self.databases))
        return [line["script"] for line in lines if line["event"] == "schema migrated"]

    async def versions(self) -> list[str]:
        """The scripts that the schema says it has."""
        async with self.one.transaction() as tx:
            return list((await tx.execute(text("SELECT name FROM schema_versions ORDER BY name"))).scalars())

    async def begin_with(self, name: str, script: str) -> None:
        """The schema as a release left it that had this script alone."""
        async with self.one.transaction() as tx:
            await tx.execute(text(f'CREATE SCHEMA "{self.one.schema}"'))
            await tx.execute(text("CREATE TABLE schema_versions (name text PRIMARY KEY, at timestamptz DEFAULT now())"))
            driver = (await tx.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute(script)
            await tx.execute(text("INSERT INTO schema_versions (name) VALUES (:name)"), {"name": name})

    async def close(self) -> None:
        """Leave nothing."""
        async with self.one.transaction() as tx:
            await tx.execute(text(f'DROP SCHEMA IF EXISTS "{self.one.schema}" CASCADE'))
        for database in self.databases:
            await database.close()


@pytest.fixture
async def ten(postgres: Stack) -> AsyncIterator[Ten]:
    made = Ten(postgres.build_admin_database_url())
    yield made
    await made.close()


@pytest.mark.parametrize("owner", OWNERS)
async def test_on_an_empty_database(ten: Ten, owner: str) -> None:
    assert await ten.migrate(owner) == list(scripts(owner))
    assert await ten.versions() == list(scripts(owner))


@pytest.mark.parametrize("owner", OWNERS)
async def test_on_the_schema_of_an_older_release(ten: Ten, owner: str) -> None:
    first, *later = scripts(owner).items()
    await ten.begin_with(*first)
    assert await ten.migrate(owner) == [name for name, _ in later]
    assert await ten.versions() == list(scripts(owner))


async def test_also_where_the_server_isolates_by_default_more_than_it_has_to(ten: Ten, postgres: Stack) -> None:
    name = f"repeatable_{uuid4().hex[:8]}"
    await _by_itself(ten.one, f"CREATE DATABASE {name}")
    await _by_itself(ten.one, f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    others = Ten(postgres.build_admin_database_url().rpartition("/")[0] + f"/{name}")
    assert await others.migrate("gateway") == list(scripts("gateway"))
    await others.close()
    await _by_itself(ten.one, f"DROP DATABASE {name}")


async def _by_itself(database: Database, statement: str) -> None:
    """Run what may stand in no transaction."""
    async with database.transaction("AUTOCOMMIT") as tx:
        await tx.execute(text(statement))
