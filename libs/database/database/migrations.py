"""Migrations: the numbered SQL scripts of a service's package, each applied once to the service's schema.

`schema_versions` holds the name and the SHA-256 of each applied script. An applied script must never change: a later
script corrects it. Each script is a transaction of its own, so a script that fails leaves nothing behind and those
before it stay applied.

A script whose first line is `-- outside a transaction` runs statement by statement without a transaction, as
`CREATE INDEX CONCURRENTLY` requires. Each of its statements ends with a semicolon at the end of a line. When one fails,
all are run again at the next start, so they must be repeatable (`IF EXISTS`, `IF NOT EXISTS`; a failed concurrent index
stays behind invalid and is dropped first).
"""

import asyncio
import re
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple, TypeAlias

import asyncpg
import structlog

log = structlog.get_logger()

OUTSIDE_TRANSACTION = "-- outside a transaction"
LOCK_RETRY_SECONDS = 0.1

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Script(NamedTuple):
    """A migration: the name of its file and its SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the SQL in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def is_transactional(self) -> bool:
        """Whether the script runs as one transaction."""
        return self.sql.partition("\n")[0].strip() != OUTSIDE_TRANSACTION


def load_scripts(package: str) -> list[Script]:
    """Return the scripts `migrations/*.sql` of a package in the order of their names."""
    paths = [path for path in files(package).joinpath("migrations").iterdir() if path.name.endswith(".sql")]
    return [Script(path.name, path.read_text()) for path in sorted(paths, key=lambda path: path.name)]


async def apply_migrations(connection: Connection, schema: str, scripts: Iterable[Script]) -> None:
    """Create `schema` if it is missing, and apply the scripts that it does not have yet.

    Safe when several processes do so at once: one applies them and the others wait. `connection` has `schema` as its
    search path, and its session holds the lock on the migrations until it is closed. Raises `RuntimeError`, which names
    the script, when an applied script was changed. When a script fails, raises the error of Postgres with a note that
    names the script.
    """
    await _lock_migrations(connection, schema)
    await _create_versions(connection, schema)
    applied = await _load_checksums(connection)
    for script in scripts:
        if script.name not in applied:
            await _apply(connection, schema, script)
        elif applied[script.name] != script.checksum:
            raise RuntimeError(
                f"migration {script.name} of schema {schema} was changed after it was applied: "
                "restore it, and put the change into a new script"
            )


_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_INSERT_VERSION = "INSERT INTO schema_versions (name, checksum) VALUES ($1, $2)"


async def _lock_migrations(connection: Connection, schema: str) -> None:
    """Take the advisory lock on the migrations of `schema` for the session, and wait for it if need be."""
    # Not pg_advisory_lock: a session that waits in it holds a snapshot, for whose end CREATE INDEX CONCURRENTLY in the
    # session with the lock would wait in turn. Postgres would end one of the two as deadlocked.
    while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"migrate.{schema}"):
        await asyncio.sleep(LOCK_RETRY_SECONDS)


async def _create_versions(connection: Connection, schema: str) -> None:
    # Not CREATE SCHEMA IF NOT EXISTS: it requires the right to create schemas even when the schema exists.
    if not await connection.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    await connection.execute(_CREATE_VERSIONS)


async def _load_checksums(connection: Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT name, checksum FROM schema_versions")
    return {row["name"]: row["checksum"] for row in rows}


async def _apply(connection: Connection, schema: str, script: Script) -> None:
    try:
        if script.is_transactional:
            async with connection.transaction():
                await connection.execute(script.sql)
                await connection.execute(_INSERT_VERSION, script.name, script.checksum)
        else:
            for statement in split_statements(script.sql):
                await connection.execute(statement)
            await connection.execute(_INSERT_VERSION, script.name, script.checksum)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        error.add_note(f"in migration {script.name} of schema {schema}")
        reason = str(error).partition("\n")[0]  # The lines after it may show rows.
        log.error("migration failed", schema=schema, script=script.name, reason=reason)  # noqa: TRY400 it is raised
        raise
    log.info("migration applied", schema=schema, script=script.name)


def split_statements(sql: str) -> list[str]:
    """Split a script into its statements. Each ends with a semicolon at the end of a line; comment lines are left out.

    Raises `ValueError` for dollar-quoted text, which may have such semicolons within.
    """
    if re.search(r"\$\w*\$", sql):
        raise ValueError(f"a script that begins with `{OUTSIDE_TRANSACTION}` cannot have dollar-quoted text")
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE) if part.strip()]
