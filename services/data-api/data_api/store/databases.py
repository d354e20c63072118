"""The databases from which readers are answered: the primary and, where there is one, a replica of it.

Each answer comes from one statement, which sees one moment of one database: the head of the change feed and the records
in an answer belong together. A REPEATABLE READ transaction would give the same for three more round trips.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from contracts.feed_cursors import FeedCursor
from database.pool import translate_errors
from database.url import create_system_tls_context
from messaging.errors import UnavailableError

PUBLISHED_SCHEMA = "spaces_writer_published"
POOL_SIZE = 10
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""How long a statement may take. All of them read few rows by an index."""
WAIT_SECONDS = 1.0
"""How long a replica may take to reach the position that an answer needs, before the primary answers."""
LOOK_SECONDS = 0.02
AVOID_SECONDS = 5.0
"""How long a replica that did not reach a position in time is not asked for positions."""

# All statements read few rows, in the order of an index. Postgres must not choose another way because it has no
# statistics yet, as directly after a first full sync: sorting or joining all records for each page.
_SESSION = {
    "default_transaction_read_only": "on",
    "jit": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

Row: TypeAlias = asyncpg.Record
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


class _HeldConnections:
    """The connections of a pool, kept outside of it between two statements.

    To take a connection from asyncpg's pool and give it back costs more time than a statement on it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._idle: list[PoolConnectionProxy[Row]] = []
        # Whoever is let in finds an idle connection, or the pool has one to give.
        self._free = asyncio.Semaphore(pool.get_max_size())

    async def fetch(self, statement: str, parameters: Sequence[object]) -> Sequence[Row]:
        """Return the rows of a statement. Raises `UnavailableError` when the database does not answer."""
        with translate_errors():
            async with self._free:
                connection, rows = await self._take(), None
                try:
                    rows = await connection.fetch(statement, *parameters, timeout=ANSWER_SECONDS)
                except asyncpg.InternalClientError as error:
                    # The server has said that it closes the connection, and the end has not come yet.
                    raise UnavailableError(f"Postgres: {error}") from error
                finally:
                    if rows is not None:
                        self._idle.append(connection)
                    else:
                        # The pool waits for the end of a statement that was broken off.
                        await self._pool.release(connection)
                return rows

    async def _take(self) -> "PoolConnectionProxy[Row]":
        """Return a connection that is not closed. One that is goes back to the pool, which opens another one."""
        while self._idle:
            connection = self._idle.pop()
            with suppress(asyncpg.InterfaceError):  # raised for one that the pool has taken back by itself
                if not connection.is_closed():
                    return connection
                await self._pool.release(connection)
        return await self._pool.acquire()

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            await self._pool.release(connection)
        self._idle.clear()
        await self._pool.close()


class ReadDatabases:
    """Runs statements on the replica as far as it is recent enough, and otherwise on the primary.

    Each statement names the connection with its first parameter, and returns rows that begin with the columns `feed`,
    `epoch` and `head` of this connection, or no row where the spaces-writer does not know the connection.
    """

    def __init__(self, primary: Pool, replica: "Pool | None" = None) -> None:
        self._primary = _HeldConnections(primary)
        self._replica = _HeldConnections(replica) if replica is not None else None
        self._avoided_until = 0.0

    @property
    def has_replica(self) -> bool:
        """Whether an answer may come from a database that lags behind the primary."""
        return self._replica is not None

    async def fetch_latest(self, statement: str, *parameters: object) -> Sequence[Row]:
        """Return the rows of a statement from the primary. Raises `UnavailableError` when it does not answer."""
        return await self._primary.fetch(statement, parameters)

    async def fetch(self, statement: str, *parameters: object, reached: FeedCursor | None = None) -> Sequence[Row]:
        """Return the rows of a statement from a database that has reached the position `reached`.

        The replica may take `WAIT_SECONDS` to reach it, then the primary answers, whatever it has reached. The primary
        answers also while there is no replica or it is away. Raises `UnavailableError` when neither answers.
        """
        rows = await self._fetch_from_replica(statement, parameters, reached) if self._replica else None
        return await self.fetch_latest(statement, *parameters) if rows is None else rows

    async def _fetch_from_replica(
        self, statement: str, parameters: Sequence[object], reached: FeedCursor | None
    ) -> Sequence[Row] | None:
        """Return rows from the replica; None when it does not answer or does not reach the position in time."""
        assert self._replica is not None
        now = asyncio.get_running_loop().time
        deadline = now() + WAIT_SECONDS
        if now() < self._avoided_until:
            return None
        while True:
            try:
                rows = await self._replica.fetch(statement, parameters)
            except UnavailableError:
                break
            if reached is None or (rows and has_reached(rows[0], reached)):
                return rows
            if now() >= deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        self._avoided_until = now() + AVOID_SECONDS
        return None

    async def close(self) -> None:
        """Close all connections to the databases."""
        for connections in (self._primary, self._replica):
            if connections is not None:
                await connections.close()

    async def check_health(self) -> str | None:
        """Return None when the primary answers, otherwise a text that says what is wrong."""
        try:
            await self._primary.fetch("SELECT 1", ())
        except UnavailableError as error:
            return str(error)
        return None


def has_reached(row: Row, position: FeedCursor) -> bool:
    """Return whether the database of `row` shows all changes up to `position`, in the same feed and epoch."""
    return row["feed"] == position.feed and row["epoch"] == position.epoch and bool(row["head"] >= position.sequence)


async def create_pool(url: str, application: str, schema: str = PUBLISHED_SCHEMA) -> Pool:
    """Return a pool of connections to the database with this URL. They are opened when they are needed.

    `schema` has the views that the spaces-writer publishes; Postgres shows `application` as the connections' name.
    """
    return await asyncpg.create_pool(
        url,
        ssl=create_system_tls_context(url),
        timeout=CONNECT_SECONDS,
        min_size=0,
        max_size=POOL_SIZE,
        # No statement leaves anything behind in its session, so asyncpg's round trip between two of them is left out.
        reset=_keep_session,
        server_settings={**_SESSION, "search_path": schema, "application_name": application},
    )


async def _keep_session(_connection: object) -> None:
    return None
