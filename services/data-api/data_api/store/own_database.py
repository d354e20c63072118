"""This service's own schema in the primary database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from database.pool import Database
from messaging.errors import UnavailableError

SCHEMA = "data_api"
POOL_SIZE = 10
ANSWER_SECONDS = 15.0


class OwnDatabase:
    """Opens transactions in the schema, whose tables are made before the first one.

    Not at the start of the process: it must serve what is on its disk also while Postgres is away.
    """

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        self._database = Database(url, schema=schema, pool_size=POOL_SIZE)
        self._is_migrated = False
        self._migrating = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction, as `Database.transaction` does.

        Raises `UnavailableError` when Postgres is away, or does not end the transaction in `ANSWER_SECONDS`.
        """
        if not self._is_migrated:
            async with self._migrating:
                if not self._is_migrated:
                    await self._database.migrate("data_api")
                    self._is_migrated = True
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction() as tx:
                yield tx
        except TimeoutError as error:
            raise UnavailableError(f"Postgres: no answer within {ANSWER_SECONDS:.0f} s") from error

    async def close(self) -> None:
        """Close all database connections."""
        await self._database.close()
