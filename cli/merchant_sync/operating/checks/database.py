"""Check Postgres with the database role of each service that owns data."""

from collections.abc import AsyncIterator, Collection, Mapping
from importlib.resources import files

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database
from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from merchant_sync.postgres import OWNERS, PUBLISHED_SCHEMAS
from messaging.errors import UnavailableError

_OTHERS = text("""
SELECT nspname FROM pg_namespace WHERE nspname = ANY(CAST(:others AS text[]))
AND has_schema_privilege(current_user, oid, 'USAGE') ORDER BY 1
""")
_READABLE = text("""
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = :schema AND relkind = 'v' AND has_schema_privilege(current_user, n.oid, 'USAGE')
AND has_table_privilege(current_user, c.oid, 'SELECT') ORDER BY 1
""")
_VIEWS = {"changes", "lookups", "records", "snapshots"}
"""The views that a reader needs."""
_VERSIONS = text("SELECT name FROM schema_versions")
_EXISTS = text("SELECT to_regclass('schema_versions') IS NOT NULL")


async def check(access: Access) -> AsyncIterator[Finding]:
    """Check each owner (a service that owns data) whose database URL is known.

    The checks: the database answers, all migrations are applied, and the role may read no other owner's schema, but the
    views that another owner publishes for it.
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
            readable = list((await tx.execute(_OTHERS, {"others": _list_foreign_schemas(owner)})).scalars())
            unreadable = {
                published.name: _VIEWS - set((await tx.execute(_READABLE, {"schema": published.name})).scalars())
                for published in PUBLISHED_SCHEMAS
                if published.reader == owner
            }
    except UnavailableError as error:
        return [report_bad(subject, str(error).removeprefix("Postgres: "), action)]
    except DBAPIError as error:
        return [report_bad(subject, str(error.orig), action)]
    except asyncpg.PostgresError as error:  # the driver raises this one, unwrapped, for a refused sign-in
        return [report_bad(subject, str(error), action)]
    finally:
        await database.close()
    return [
        compare_schema(owner, applied),
        *_check_rights(owner, readable, shared=shared),
        *_check_views(owner, unreadable),
    ]


def _list_foreign_schemas(owner: str) -> list[str]:
    """Return the schemas of which the role of `owner` may read nothing."""
    published = (schema.name for schema in PUBLISHED_SCHEMAS if owner not in (schema.owner, schema.reader))
    return [*(name for name in OWNERS if name != owner), *published]


async def _load_applied(tx: AsyncConnection) -> set[str]:
    if not (await tx.execute(_EXISTS)).scalar():
        return set()
    return set((await tx.execute(_VERSIONS)).scalars())


def list_migrations(package: str) -> set[str]:
    """Return the file names of the migrations in the installed package of a service; none where it has no tables."""
    folder = files(package).joinpath("migrations")
    if not folder.is_dir():
        return set()
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
    return report_good(subject, f"answers, schema at {max(expected)}" if expected else "answers")


def _check_rights(owner: str, readable: list[str], *, shared: bool) -> list[Finding]:
    if not readable:
        return []
    subject, details = f"role of {owner}", f"may read {', '.join(readable)} as well"
    if shared:
        return [report_warning(subject, details, "give each owner a role of its own: one DATABASE_URL serves all")]
    action = f"revoke usage on those schemas from the role in {owner.upper()}_DATABASE_URL"
    return [report_bad(subject, details, action)]


def _check_views(owner: str, unreadable: Mapping[str, Collection[str]]) -> list[Finding]:
    """Report the views that the role of `owner` needs and cannot read, by the schema in which they are published."""
    subject = f"role of {owner}"
    return [
        report_bad(
            subject,
            f"cannot read {', '.join(sorted(views))} in {schema}",
            "run deploy/postgres/roles.sh, and start the spaces-writer of this version, which makes these views",
        )
        if views
        else report_good(subject, f"reads the views of {schema}")
        for schema, views in unreadable.items()
    ]
