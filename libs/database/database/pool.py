"""The pool of database connections of a service.

Errors that mean that Postgres is unavailable are raised as `UnavailableError`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from database.migrations import load_scripts, lock_and_apply_migrations
from database.url import create_system_tls_context
from messaging.errors import UnavailableError

_CONNECTION_ERRORS = (asyncpg.InterfaceError, OSError)
_UNAVAILABLE_STATES = ("08", "25006", "28", "40", "53", "57", "58")
"""The SQLSTATEs and SQLSTATE classes of temporary errors. In this order: connection lost; read-only; login refused (a
password is being changed); rolled back because of another transaction; out of disk, memory or connections; shutting
down or cancelled by an operator; I/O error of the server."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Return a context manager that raises `UnavailableError` in place of errors of an unavailable Postgres.

    Other errors pass unchanged. In both cases Postgres rolls back the transaction in which the error was raised.
    """
    try:
        yield
    except DBAPIError as error:
        cause = getattr(error.orig, "__cause__", None) or error.orig
        if error.connection_invalidated or _is_unavailable(cause):
            raise UnavailableError(f"Postgres: {error.orig}") from error
        raise
    except TimeoutError as error:  # SQLAlchemy's: all connections of the pool are in use
        raise UnavailableError(f"Postgres: {error!r}") from error
    except (asyncpg.PostgresError, *_CONNECTION_ERRORS) as error:
        if _is_unavailable(error):
            raise UnavailableError(f"Postgres: {error!r}") from error
        raise


def _is_unavailable(error: BaseException | None) -> bool:
    state = str(getattr(error, "sqlstate", "") or "")
    return isinstance(error, _CONNECTION_ERRORS) or state.startswith(_UNAVAILABLE_STATES)


class Database:
    """A pool of database connections whose search path is `schema`.

    `url` must be valid according to `database.url.validate_url`. The pool opens at most `pool_size` connections.
    """

    def __init__(self, url: str, *, schema: str, pool_size: int = 10) -> None:
        self.schema = schema
        self._url, self._tls = url, create_system_tls_context(url)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=10,
            # The text of an error is logged and kept with dead letters, so it must not show the data of a statement.
            hide_parameters=True,
        )

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        # asyncpg reads the URL itself: SQLAlchemy would pass libpq's parameters on as arguments that asyncpg lacks.
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._url,
            ssl=self._tls,
            timeout=5,
            server_settings={"search_path": self.schema, "application_name": self.schema},
        )
        return connection

    async def close(self) -> None:
        """Close all connections of the pool."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self, isolation: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a transaction. It is committed at the end of the context, or rolled back after an error.

        `isolation` is an isolation level such as `REPEATABLE READ`; None is the default of Postgres. Raises
        `UnavailableError` when Postgres does not answer or closes the database connection.
        """
        with translate_errors():
            async with self._engine.connect() as connection:
                if isolation:
                    await connection.execution_options(isolation_level=isolation)
                async with connection.begin():
                    yield connection

    async def check_health(self) -> str | None:
        """Return None when Postgres answers a query, otherwise a text that says what is wrong."""
        try:
            async with self.transaction() as tx:
                await tx.execute(text("SELECT 1"))
        except UnavailableError as error:
            return str(error)
        return None

    async def migrate(self, package: str) -> None:
        """Apply the migrations of `package` that were not applied to the schema yet; see `database.migrations`.

        Raises `UnavailableError` when Postgres is unavailable, and the errors of `lock_and_apply_migrations`.
        """
        # Not a connection of the pool, because closing the connection releases the lock on the migrations.
        with translate_errors():
            connection = await self._connect()
            try:
                await lock_and_apply_migrations(connection, self.schema, load_scripts(package))
            finally:
                await connection.close(timeout=5)
