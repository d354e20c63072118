"""Each role in Postgres reads its own schema, and the data API's the views that the spaces-writer publishes for it.

The rights are made in two ways: by `make up`, and by `deploy/postgres/roles.sh` in all other installations.
"""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest

from database.pool import Database
from merchant_sync.environment import OWNERS
from merchant_sync.postgres import DATABASE, SUPERUSER, find_binaries
from merchant_sync.stack import Stack

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sh"
VIEWS = {f"spaces_writer_published.{view}" for view in ("changes", "lookups", "records", "snapshots")}
LATER = "spaces_writer_published.later"
SELECTABLE = """
SELECT nspname, format('%I.%I', nspname, relname) AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""

Connection = Any  # asyncpg.Connection is generic for type checkers alone


async def drop_roles(stack: Stack) -> None:
    """Take the database back to what an installation has before the script ran: no roles, no schemas."""
    url = stack.build_admin_database_url()
    superuser = await asyncpg.connect(url.replace(f"/{DATABASE}", "/postgres"))
    await superuser.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    for role in OWNERS.values():
        await superuser.execute(f"DROP ROLE {role}")
    await superuser.execute(f"CREATE DATABASE {DATABASE}")
    await superuser.close()


def run_script(stack: Stack, folder: Path) -> str:
    """Run the script with the passwords of the stack in files; return what it prints."""
    secrets = stack.environment.secrets
    (folder / "POSTGRES_PASSWORD").write_text(secrets["postgres_password"])
    for role in OWNERS.values():
        (folder / f"{role.upper()}_DATABASE_PASSWORD").write_text(secrets[f"{role}_database_password"])
    environment = {
        "PATH": f"{find_binaries()}:{os.environ['PATH']}",
        "SETTINGS_DIR": str(folder),
        "POSTGRES_DB": DATABASE,
        "POSTGRES_USER": SUPERUSER,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(stack.environment.get_port("postgres")),
    }
    done = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


async def migrate_all(stack: Stack) -> None:
    """Make the tables and views of each service, as the service itself does at its start."""
    for service in OWNERS:
        database = Database(stack.build_settings(service)["DATABASE_URL"], schema=OWNERS[service])
        await database.migrate(OWNERS[service])
        await database.close()


@pytest.fixture(params=["make up", "roles.sh"])
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    """A Postgres whose roles were made in one of both ways, and again when there were tables."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", wanted={"postgres"}) as running,
    ):
        is_by_script = request.param == "roles.sh"
        if is_by_script:
            await drop_roles(running)
            assert run_script(running, Path(folder)) == ""
        await migrate_all(running)
        if is_by_script:
            assert run_script(running, Path(folder)) == "", "nothing is new the second time"
        else:
            running.restart("postgres")
        yield running


async def can_select(connection: Connection, name: str) -> bool:
    """Return whether a row of the table, view or sequence can be read."""
    try:
        await connection.fetch(f"SELECT * FROM {name} LIMIT 1")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def test_a_role_reads_its_own_schema_and_the_data_api_the_published_views(stack: Stack) -> None:
    superuser = await asyncpg.connect(stack.build_admin_database_url())
    rows = await superuser.fetch(SELECTABLE)
    for service, role in OWNERS.items():
        connection = await asyncpg.connect(stack.build_settings(service)["DATABASE_URL"])
        readable = {row["name"] for row in rows if await can_select(connection, row["name"])}
        await connection.close()

        own = {row["name"] for row in rows if row["nspname"] == role}
        published = VIEWS if role in ("spaces_writer", "data_api") else set()
        assert readable == own | published, service
        assert own, service
    await superuser.close()


async def test_the_data_api_reads_a_view_of_a_later_version_and_changes_nothing(stack: Stack) -> None:
    owner = await asyncpg.connect(stack.build_settings("spaces-writer")["DATABASE_URL"])
    reader = await asyncpg.connect(stack.build_settings("data-api")["DATABASE_URL"])
    await owner.execute(f"CREATE VIEW {LATER} AS SELECT id FROM spaces_writer.feed")

    assert await can_select(reader, LATER)
    for change in (f"DELETE FROM {LATER}", f"UPDATE {LATER} SET id = NULL", f"INSERT INTO {LATER} VALUES (NULL)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(change)
    for schema in ("spaces_writer_published", "spaces_writer", "gateway", "scheduler", "public"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(f"CREATE TABLE {schema}.anything (a int)")
    await owner.close()
    await reader.close()
