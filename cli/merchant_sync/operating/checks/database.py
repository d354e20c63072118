"""Postgres, as each owner's own role sees it."""

from collections.abc import AsyncIterator, Collection
from importlib.resources import files

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database, DatabaseUnavailableError
from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, bad, good, warning
from merchant_sync.postgres import OWNERS

_OTHERS = text("""
SELECT nspname FROM pg_namespace WHERE nspname = ANY(CAST(:others AS text[]))
AND has_schema_privilege(current_user, oid, 'USAGE') ORDER BY 1
""")
_VERSIONS = text("SELECT name FROM schema_versions")
_THERE = text("SELECT to_regclass('schema_versions') IS NOT NULL")


async def look(access: Access) -> AsyncIterator[Finding]:
    """For each owner whose connection string is known: it answers, its schema is of this version, and its alone."""
    shared = len({access.database_url(owner) for owner in OWNERS}) == 1
    for owner in OWNERS:
        if url := access.database_url(owner):
            for finding in await _owner(owner, url, shared=shared):
                yield finding


async def _owner(owner: str, url: str, *, shared: bool) -> list[Finding]:
    what, setting = f"Postgres of {owner}", f"{owner.upper()}_DATABASE_URL"
    do = f"bring it back, or correct {setting}"
    try:
        database = Database(url, schema=owner, pool=1)
    except (ArgumentError, ValueError) as error:
        return [bad(what, f"{type(error).__name__}", f"{setting} is postgresql://user:password@host:port/database")]
    try:
        async with database.transaction() as tx:
            applied = await _applied(tx)
            readable = list((await tx.execute(_OTHERS, {"others": [one for one in OWNERS if one != owner]})).scalars())
    except DatabaseUnavailableError as away:
        return [bad(what, str(away), do)]
    except DBAPIError as error:
        return [bad(what, str(error.orig), do)]
    except asyncpg.PostgresError as error:  # a refused sign-in comes as the driver says it
        return [bad(what, str(error), do)]
    finally:
        await database.close()
    return [versions(owner, applied), *_alone(owner, readable, shared=shared)]


async def _applied(tx: AsyncConnection) -> set[str]:
    if not (await tx.execute(_THERE)).scalar():
        return set()
    return set((await tx.execute(_VERSIONS)).scalars())


def migrations(package: str) -> set[str]:
    """The migrations that this version of a service has."""
    return {one.name for one in files(package).joinpath("migrations").iterdir() if one.name.endswith(".sql")}


def versions(owner: str, applied: Collection[str]) -> Finding:
    """Whether the schema is that of this version of the owner."""
    known = migrations(owner)
    what = f"Postgres of {owner}"
    if behind := sorted(known - set(applied)):
        do = f"start {owner.replace('_', '-')} of this version, which migrates its own schema"
        return bad(what, f"the schema lacks {', '.join(behind)}", do)
    if ahead := sorted(set(applied) - known):
        return warning(what, f"the schema has {', '.join(ahead)} besides", "the service is newer than this command")
    return good(what, f"answers, schema at {max(known)}")


def _alone(owner: str, readable: list[str], *, shared: bool) -> list[Finding]:
    if not readable:
        return []
    what, seen = f"role of {owner}", f"may read {', '.join(readable)} as well"
    if shared:
        return [warning(what, seen, "give each owner a role of its own: one DATABASE_URL serves all")]
    return [bad(what, seen, f"revoke usage on those schemas from the role in {owner.upper()}_DATABASE_URL")]
