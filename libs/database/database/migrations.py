"""Applies migrations: the numbered SQL scripts of a service's package. Each is applied once to the service's schema.

The table `schema_versions` holds the name and the SHA-256 of each applied script. An applied script must never change;
a correction is a new script. Each script runs in its own transaction, so a script that fails changes nothing, and the
scripts before it stay applied.

A script whose first line is `-- outside a transaction` runs statement by statement without a transaction, as
`CREATE INDEX CONCURRENTLY` requires. Each of its statements ends with a semicolon at the end of a line. When a
statement fails, the whole script runs again at the next start, so its statements must be repeatable (`IF EXISTS`,
`IF NOT EXISTS`). An index whose concurrent creation failed remains as an invalid index, so the script drops it first.
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


async def lock_and_apply_migrations(db: Connection, schema: str, scripts: Iterable[Script]) -> None:
    """Create `schema` if it is missing, and apply the scripts that were not applied to it yet.

    Several processes may call this at the same time: one applies the scripts and the others wait. The search path of
    the database connection `db` must be `schema`. The session of `db` holds the lock on the migrations until `db` is
    closed. Raises `RuntimeError`, which names the script, when an applied script was changed. When a script fails,
    raises the error of asyncpg with a note that names the script.
    """
    await _lock_migrations(db, schema)
    await _create_schema_and_versions(db, schema)
    applied = await _load_checksums(db)
    for script in scripts:
        if script.name not in applied:
            await _apply_script(db, schema, script)
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


async def _lock_migrations(db: Connection, schema: str) -> None:
    """Wait for the advisory lock on the migrations of `schema`, and take it for the session of `db`."""
    # Not pg_advisory_lock: a session that waits in it holds a snapshot, for whose end CREATE INDEX CONCURRENTLY in the
    # session with the lock would wait in turn. Postgres would end one of the two as deadlocked.
    while not await db.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"migrate.{schema}"):
        await asyncio.sleep(LOCK_RETRY_SECONDS)


async def _create_schema_and_versions(db: Connection, schema: str) -> None:
    # Not CREATE SCHEMA IF NOT EXISTS: it requires the right to create schemas even when the schema exists.
    if not await db.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", schema):
        await db.execute(f'CREATE SCHEMA "{schema}"')
    await db.execute(_CREATE_VERSIONS)


async def _load_checksums(db: Connection) -> dict[str, str]:
    rows = await db.fetch("SELECT name, checksum FROM schema_versions")
    return {row["name"]: row["checksum"] for row in rows}


async def _apply_script(db: Connection, schema: str, script: Script) -> None:
    try:
        if script.is_transactional:
            async with db.transaction():
                await db.execute(script.sql)
                await db.execute(_INSERT_VERSION, script.name, script.checksum)
        else:
            for statement in split_statements(script.sql):
                await db.execute(statement)
            await db.execute(_INSERT_VERSION, script.name, script.checksum)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        error.add_note(f"in migration {script.name} of schema {schema}")
        reason = str(error).partition("\n")[0]  # The lines after it may show rows.
        log.error("migration failed", schema=schema, script=script.name, reason=reason)  # noqa: TRY400 it is raised
        raise
    log.info("migration applied", schema=schema, script=script.name)


def split_statements(sql: str) -> list[str]:
    """Return the statements of a script. Each ends with a semicolon at the end of a line; comment lines are left out.

    Raises `ValueError` for a script with dollar-quoted text, which may contain semicolons at the ends of its lines.
    """
    if re.search(r"\$\w*\$", sql):
        raise ValueError(f"a script that begins with `{OUTSIDE_TRANSACTION}` cannot have dollar-quoted text")
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE) if part.strip()]
