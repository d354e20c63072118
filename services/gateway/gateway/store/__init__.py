"""The gateway's schema in Postgres, by noun: connections with sealed tokens, logins, self-tests, receipts."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from database.pool import Database
from gateway.connections import Connection
from gateway.erasure.deletion_requests import Receipt
from gateway.store import connections, logins, receipts, selftests
from gateway.store.connections import Held, HeldTogether
from gateway.store.selftests import SelfTest


class Store:
    """Small functions on the schema, each its own transaction. All raise `StoreAway` when Postgres is away.

    `locks` is a pool of its own, because a lock is held while a platform answers: it must not starve the rest.
    `said` is called after a transaction that may have put something into the outbox.
    """

    def __init__(
        self, database: Database, locks: Database, *, object_key: Callable[[str], str], said: Callable[[], None]
    ) -> None:
        self._database = database
        self._locks = locks
        self._object_key = object_key
        self._said = said

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Held]:
        """Hold the connection `name` for one transaction: nobody else changes it, or makes it, meanwhile."""
        async with self.held_together([name]) as held:
            yield held.connections[name]

    @asynccontextmanager
    async def held_together(self, names: Iterable[str]) -> AsyncIterator[HeldTogether]:
        """Hold all these connections for one transaction."""
        async with self._locks.transaction() as tx:
            yield await connections.held_together(tx, names, self._object_key)
        self._said()

    async def connection(self, name: str) -> Connection | None:
        """The connection as it is now."""
        async with self._database.transaction() as tx:
            return await connections.one(tx, name)

    async def connections(self, names: Collection[str]) -> list[Connection]:
        """Those of these connections that there are, as they are now."""
        async with self._database.transaction() as tx:
            return await connections.some(tx, names)

    async def connections_of(self, merchant: UUID) -> list[Connection]:
        """All connections of a merchant, by name."""
        async with self._database.transaction() as tx:
            return await connections.all_of(tx, merchant)

    async def start_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str, seconds: int) -> None:
        """Remember a state, for the browser that got it, for one connection, for so long."""
        values: dict[str, Any] = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
        async with self._database.transaction() as tx:
            await logins.start(tx, **values, seconds=seconds)

    async def take_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str) -> bool:
        """Whether this state was given to this browser for this connection, and not used yet; now it is."""
        async with self._database.transaction() as tx:
            return await logins.take(tx, state_hash=state_hash, browser_hash=browser_hash, connection=connection)

    async def session_merchant(self, id_hash: bytes) -> UUID | None:
        """The merchant of a session that lives, if any."""
        async with self._database.transaction() as tx:
            return await logins.session_merchant(tx, id_hash)

    async def open_self_test(self, connection: str, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync; `test` None where the sync has no webhook test."""
        async with self._database.transaction() as tx:
            await selftests.begin(tx, connection, sync_id, status, test)

    async def save_webhook_status(self, sync_id: UUID, outcome: object) -> None:
        """Keep the outcome of the assertion of subscriptions."""
        async with self._database.transaction() as tx:
            await selftests.save_webhook_status(tx, sync_id, outcome)

    async def save_webhook_test(self, sync_id: UUID, outcome: object) -> None:
        """Keep the outcome of the webhook test."""
        async with self._database.transaction() as tx:
            await selftests.save_webhook_test(tx, sync_id, outcome)

    async def self_test(self, sync_id: UUID) -> SelfTest | None:
        """The gateway's part of a sync, if it has one."""
        async with self._database.transaction() as tx:
            return await selftests.one(tx, sync_id)

    async def last_webhook_test(self, connection: str) -> dict[str, Any] | None:
        """The latest webhook test of a connection: whether deliveries reach us, as far as we know."""
        async with self._database.transaction() as tx:
            return await selftests.last_webhook_test(tx, connection)

    async def keep_receipt(self, receipt: Receipt) -> Receipt:
        """Keep a receipt; the one that its request has already, if any."""
        async with self._database.transaction() as tx:
            return await receipts.keep(tx, receipt)

    async def keep_receipt_for(self, receipt: Receipt, platform: str, holder: str, *, granted_by: int) -> Receipt:
        """As `keep_receipt`, for all connections at `platform` that the person `holder` had granted by then (ms)."""
        async with self._database.transaction() as tx:
            names = await connections.names_held_by(tx, platform, holder, granted_by)
            return await receipts.keep(tx, receipt.listing(names))

    async def receipt(self, code: str) -> Receipt | None:
        """The receipt of this code."""
        async with self._database.transaction() as tx:
            return await receipts.one(tx, code)

    async def receipts_to_carry_out(self) -> list[Receipt]:
        """Some of those that are not carried out, the oldest first."""
        async with self._database.transaction() as tx:
            return await receipts.not_carried_out(tx)

    async def receipt_carried_out(self, code: str) -> None:
        """All that it asks for is done here."""
        async with self._database.transaction() as tx:
            await receipts.carried_out(tx, code)

    async def receipts_to_say_again(self, seconds: float) -> list[Receipt]:
        """Some of those that were carried out so long ago, and whose connections were not said once more since."""
        async with self._database.transaction() as tx:
            return await receipts.to_say_again(tx, seconds)

    async def receipt_said_again(self, code: str) -> None:
        """Its connections were said once more."""
        async with self._database.transaction() as tx:
            await receipts.said_again(tx, code)

    async def prune(self) -> None:
        """Remove what has expired."""
        async with self._database.transaction() as tx:
            for noun in (logins, selftests, receipts):
                await noun.prune(tx)
