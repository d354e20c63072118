"""The connection pool of one service on its own schema, with what its store's absence means."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from database.url import create_tls_context
from messaging.errors import UnavailableError

log = structlog.get_logger()


class DatabaseUnavailableError(UnavailableError):
    """This service's Postgres does not answer, or broke off; nothing was committed that was not said to be."""


_BROKEN = (asyncpg.InterfaceError, ConnectionError, OSError)
_AWAY_CLASSES = ("08", "25006", "28", "40", "53", "57", "58")
"""SQLSTATE classes in which Postgres says that it cannot now: connection lost, read-only, its login refused (while a
password is changed), rolled back for another, out of disk or memory or connections, shutting down or told to stop, its
own input and output."""


def _is_away(error: DBAPIError) -> bool:
    cause = getattr(error.orig, "__cause__", None) or error.orig
    state = str(getattr(cause, "sqlstate", "") or "")
    return error.connection_invalidated or isinstance(cause, _BROKEN) or state.startswith(_AWAY_CLASSES)


class Database:
    """A pool on `schema`. `url` is `postgresql://user:password@host:port/name`, as `database.url` has it."""

    def __init__(self, url: str, *, schema: str, pool: int = 10) -> None:
        self.schema = schema
        self._url, self._tls = url, create_tls_context(url)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=10,
            hide_parameters=True,  # an error's text is logged, and kept beside dead letters: never with what was stored
        )

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """asyncpg reads the URL itself: SQLAlchemy would pass libpq's words on as arguments that there are not."""
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._url,
            ssl=self._tls,
            timeout=5,
            server_settings={"search_path": self.schema, "application_name": self.schema},
        )
        return connection

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self, isolation: str | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end. Raises `StoreAway` when Postgres is not there or broke off."""
        try:
            async with self._engine.connect() as connection:
                if isolation:
                    await connection.execution_options(isolation_level=isolation)
                async with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError, DBAPIError) as error:
            if _is_away(error):
                raise DatabaseUnavailableError(str(error.orig)) from error
            raise
        except (TimeoutError, ConnectionError, OSError, asyncpg.PostgresConnectionError) as error:
            raise DatabaseUnavailableError(repr(error)) from error
        except (
            asyncpg.CannotConnectNowError,
            asyncpg.InterfaceError,
            asyncpg.AdminShutdownError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ) as error:
            raise DatabaseUnavailableError(repr(error)) from error

    async def check_health(self) -> str | None:
        """What is wrong with Postgres in words, or None when it answers."""
        try:
            async with self.transaction() as tx:
                await tx.execute(text("SELECT 1"))
        except DatabaseUnavailableError as away:
            return str(away)
        return None

    async def migrate(self, package: str) -> None:
        """Bring the schema up to date from the numbered `migrations/*.sql` of `package`; safe for many at once."""
        scripts = sorted(
            (p for p in files(package).joinpath("migrations").iterdir() if p.name.endswith(".sql")), key=str
        )
        # What others have done is to be seen after the wait, whatever isolation the server has by default.
        async with self.transaction("READ COMMITTED") as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate.{self.schema}"})
            await self._ensure_schema(tx)
            done = set((await tx.execute(text("SELECT name FROM schema_versions"))).scalars())
            for script in scripts:
                if script.name not in done:
                    await self._apply(tx, script.name, script.read_text())

    async def _ensure_schema(self, tx: AsyncConnection) -> None:
        there = await tx.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": self.schema})
        if there.scalar() is None:
            await tx.execute(text(f'CREATE SCHEMA "{self.schema}"'))
        await tx.execute(
            text("CREATE TABLE IF NOT EXISTS schema_versions (name text PRIMARY KEY, at timestamptz DEFAULT now())")
        )

    async def _apply(self, tx: AsyncConnection, name: str, script: str) -> None:
        raw = await tx.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await driver.execute(script)
        await tx.execute(text("INSERT INTO schema_versions (name) VALUES (:name)"), {"name": name})
        log.info("schema migrated", schema=self.schema, script=name)
