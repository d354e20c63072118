"""Migrations on a real Postgres: each script is applied once, whole, unchanged, and by one process at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from uuid import uuid4

import asyncpg
import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from database.migrations import Connection, Script, load_scripts, lock_and_apply_migrations, split_statements
from database.pool import Database
from merchant_sync.postgres import OWNERS
from merchant_sync.stack import Stack

PROCESSES = 10
WITH_MIGRATIONS = [owner for owner in OWNERS if files(owner).joinpath("migrations").is_dir()]
"""The owners of tables. A service that only reads another one's views has none."""
CREATE = Script("0001_table.sql", "CREATE TABLE things (id int);\nINSERT INTO things VALUES (1);")
INDEX = Script(
    "0002_index.sql",
    "-- outside a transaction\n"
    "DROP INDEX CONCURRENTLY IF EXISTS things_id;\n"
    "-- Readers and writers go on meanwhile;\n"
    "CREATE INDEX CONCURRENTLY things_id\n    ON things (id);\n",
)
BROKEN = Script("0003_broken.sql", "INSERT INTO things VALUES (2);\nINSERT INTO nowhere VALUES (1);")


def list_names(scripts: Iterable[Script]) -> list[str]:
    return [script.name for script in scripts]


class Deployment:
    """Ten processes of one service, each with a pool of its own, and a schema that does not exist yet."""

    def __init__(self, url: str) -> None:
        self.url, self.schema = url, f"migrated_{uuid4().hex[:8]}"
        self.databases = [Database(url, schema=self.schema, pool_size=1) for _ in range(PROCESSES)]
        self.first = self.databases[0]

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        connection = await asyncpg.connect(self.url, server_settings={"search_path": self.schema})
        try:
            yield connection
        finally:
            await connection.close()

    async def apply(self, *scripts: Script) -> None:
        """Apply scripts in one process."""
        async with self.connect() as connection:
            await lock_and_apply_migrations(connection, self.schema, scripts)

    async def migrate_all(self, package: str) -> list[str]:
        """Migrate in all processes at once and return the scripts that were applied."""
        structlog.reset_defaults()
        with capture_logs() as lines:
            await asyncio.gather(*(database.migrate(package) for database in self.databases))
        return [line["script"] for line in lines if line["event"] == "migration applied"]

    async def list_versions(self) -> list[str]:
        return [str(name) for name in await self.fetch("SELECT name FROM schema_versions ORDER BY name")]

    async def fetch(self, query: str) -> list[object]:
        """Return the first column of a query."""
        async with self.connect() as connection:
            return [row[0] for row in await connection.fetch(query)]

    async def close(self) -> None:
        await execute_in_autocommit(self.first, f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        for database in self.databases:
            await database.close()


async def execute_in_autocommit(database: Database, statement: str) -> None:
    async with database.transaction("AUTOCOMMIT") as tx:
        await tx.execute(text(statement))


@pytest.fixture
async def deployment(postgres: Stack) -> AsyncIterator[Deployment]:
    deployment = Deployment(postgres.build_admin_database_url())
    yield deployment
    await deployment.close()


@pytest.mark.integration
@pytest.mark.parametrize("owner", WITH_MIGRATIONS)
async def test_ten_processes_migrate_an_empty_database_together(deployment: Deployment, owner: str) -> None:
    names = list_names(load_scripts(owner))
    assert await deployment.migrate_all(owner) == names
    assert await deployment.list_versions() == names


@pytest.mark.integration
@pytest.mark.parametrize("owner", WITH_MIGRATIONS)
async def test_ten_processes_migrate_the_schema_of_an_older_release(deployment: Deployment, owner: str) -> None:
    first, *later = load_scripts(owner)
    await deployment.apply(first)
    assert await deployment.migrate_all(owner) == list_names(later)
    assert await deployment.list_versions() == list_names([first, *later])


@pytest.mark.integration
async def test_a_server_that_isolates_more_by_default_changes_nothing(deployment: Deployment, postgres: Stack) -> None:
    name = f"repeatable_{uuid4().hex[:8]}"
    await execute_in_autocommit(deployment.first, f"CREATE DATABASE {name}")
    await execute_in_autocommit(
        deployment.first, f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    )
    other = Deployment(postgres.build_admin_database_url().rpartition("/")[0] + f"/{name}")
    assert await other.migrate_all("gateway") == list_names(load_scripts("gateway"))
    await other.close()
    await execute_in_autocommit(deployment.first, f"DROP DATABASE {name}")


@pytest.mark.integration
async def test_an_index_is_created_concurrently_while_other_processes_wait(deployment: Deployment) -> None:
    await asyncio.gather(*(deployment.apply(CREATE, INDEX) for _ in range(PROCESSES)))
    assert await deployment.list_versions() == list_names([CREATE, INDEX])
    assert await deployment.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_id'::regclass") == [True]


@pytest.mark.integration
async def test_a_changed_script_is_named_and_nothing_after_it_is_applied(deployment: Deployment) -> None:
    await deployment.apply(CREATE)
    changed = CREATE._replace(sql=CREATE.sql + "\n-- a harmless remark")
    with pytest.raises(RuntimeError, match=r"0001_table\.sql of schema migrated_\w+ was changed after it was applied"):
        await deployment.apply(changed, INDEX)
    assert await deployment.list_versions() == list_names([CREATE])


@pytest.mark.integration
async def test_a_script_that_fails_is_named_and_leaves_nothing_while_those_before_it_stay(
    deployment: Deployment,
) -> None:
    structlog.reset_defaults()
    with capture_logs() as lines, pytest.raises(asyncpg.UndefinedTableError) as failure:
        await deployment.apply(CREATE, BROKEN)
    assert failure.value.__notes__ == [f"in migration 0003_broken.sql of schema {deployment.schema}"]
    assert [line["script"] for line in lines if line["event"] == "migration failed"] == [BROKEN.name]
    assert await deployment.list_versions() == list_names([CREATE])
    assert await deployment.fetch("SELECT id FROM things") == [1]


@pytest.mark.integration
async def test_a_script_outside_a_transaction_that_failed_is_run_again(deployment: Deployment) -> None:
    await deployment.apply(CREATE)
    failing = INDEX._replace(sql=INDEX.sql + "CREATE UNIQUE INDEX CONCURRENTLY ON nowhere (id);\n")
    with pytest.raises(asyncpg.UndefinedTableError):
        await deployment.apply(CREATE, failing)
    assert await deployment.list_versions() == list_names([CREATE])
    await deployment.apply(CREATE, INDEX)
    assert await deployment.list_versions() == list_names([CREATE, INDEX])


def test_a_script_outside_a_transaction_is_split_at_semicolons_that_end_a_line() -> None:
    assert split_statements(INDEX.sql) == [
        "DROP INDEX CONCURRENTLY IF EXISTS things_id",
        "CREATE INDEX CONCURRENTLY things_id\n    ON things (id)",
    ]
    assert split_statements("UPDATE a SET b = 'x; y'; \nSELECT 1") == ["UPDATE a SET b = 'x; y'", "SELECT 1"]


@pytest.mark.parametrize("quote", ["$$", "$body$"])
def test_dollar_quoted_text_outside_a_transaction_is_refused(quote: str) -> None:
    with pytest.raises(ValueError, match="dollar-quoted"):
        split_statements(f"DO {quote} BEGIN PERFORM 1;\nEND {quote};")
