"""Check Postgres with the database role of each service that owns data."""

from collections.abc import AsyncIterator, Collection
from importlib.resources import files

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database
from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from merchant_sync.postgres import OWNERS
from messaging.errors import UnavailableError

_OTHERS = text("""
SELECT nspname FROM pg_namespace WHERE nspname = ANY(CAST(:others AS text[]))
AND has_schema_privilege(current_user, oid, 'USAGE') ORDER BY 1
""")
_VERSIONS = text("SELECT name FROM schema_versions")
_EXISTS = text("SELECT to_regclass('schema_versions') IS NOT NULL")


async def check(access: Access) -> AsyncIterator[Finding]:
    """Check each owner (a service that owns data) whose database URL is known.

    The checks: the database answers, all migrations are applied, and the role may read no other owner's schema.
    """
    shared = len({access.get_database_url(owner) for owner in OWNERS}) == 1
    for owner in OWNERS:
        if url := access.get_database_url(owner):
            for finding in await _check_owner(owner, url, shared=shared):
                yield finding


async def _check_owner(owner: str, url: str, *, shared: bool) -> list[Finding]:
    subject, setting = f"Postgres of {owner}", f"{owner.upper()}_DATABASE_URL"
    action = f"bring it back, or correct {setting}"
    try:
        database = Database(url, schema=owner, pool_size=1)
    except (ArgumentError, ValueError) as error:
        correct = f"{setting} is postgresql://user:password@host:port/database"
        return [report_bad(subject, f"{type(error).__name__}", correct)]
    try:
        async with database.transaction() as tx:
            applied = await _load_applied(tx)
            others = {"others": [name for name in OWNERS if name != owner]}
            readable = list((await tx.execute(_OTHERS, others)).scalars())
    except UnavailableError as error:
        return [report_bad(subject, str(error).removeprefix("Postgres: "), action)]
    except DBAPIError as error:
        return [report_bad(subject, str(error.orig), action)]
    except asyncpg.PostgresError as error:  # the driver raises this one, unwrapped, for a refused sign-in
        return [report_bad(subject, str(error), action)]
    finally:
        await database.close()
    return [compare_schema(owner, applied), *_check_rights(owner, readable, shared=shared)]


async def _load_applied(tx: AsyncConnection) -> set[str]:
    if not (await tx.execute(_EXISTS)).scalar():
        return set()
    return set((await tx.execute(_VERSIONS)).scalars())


def list_migrations(package: str) -> set[str]:
    """Return the file names of the migrations in the installed package of a service."""
    folder = files(package).joinpath("migrations")
    return {entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")}


def compare_schema(owner: str, applied: Collection[str]) -> Finding:
    """Compare the migrations that are `applied` to a service's schema with those in its installed package `owner`."""
    expected = list_migrations(owner)
    subject = f"Postgres of {owner}"
    if missing := sorted(expected - set(applied)):
        action = f"start {owner.replace('_', '-')} of this version, which migrates its own schema"
        return report_bad(subject, f"the schema lacks {', '.join(missing)}", action)
    if unexpected := sorted(set(applied) - expected):
        details = f"the schema has {', '.join(unexpected)} besides"
        return report_warning(subject, details, "the service is newer than this command")
    return report_good(subject, f"answers, schema at {max(expected)}")


def _check_rights(owner: str, readable: list[str], *, shared: bool) -> list[Finding]:
    if not readable:
        return []
    subject, details = f"role of {owner}", f"may read {', '.join(readable)} as well"
    if shared:
        return [report_warning(subject, details, "give each owner a role of its own: one DATABASE_URL serves all")]
    action = f"revoke usage on those schemas from the role in {owner.upper()}_DATABASE_URL"
    return [report_bad(subject, details, action)]
