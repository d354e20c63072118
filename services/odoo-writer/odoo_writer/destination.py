"""Writes to databases of Odoo what links request (`destination.destination.Destination`)."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from contracts.events import WriteRequested
from destination.destination import WriteResult
from linking.records import PRODUCTS
from odoo_writer.creation import ProductCreator
from odoo_writer.references import ReferenceFinder
from odoo_writer.refusals import RefusedWriteError, build_refusal
from odoo_writer.sessions import WritingSession, write_record
from odoo_writer.stock import StockWriter
from odoo_writer.targets import Target, TargetReader, Targets
from odoo_writer.translation import PRODUCT_TYPE, TAGS
from odoo_writer.updates import (
    CREATE,
    Update,
    build_applied,
    build_refused,
    decide_update,
    find_references,
    find_template_id,
    get_place,
)
from odoo_writer.writable_fields import WritableFields, read_writable_fields
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError
from platform_sdk.session import SyncContext
from platforms.odoo.errors import NotOdooError
from platforms.odoo.reading import Clock

DATABASE_SECONDS = 300.0
"""After how long a database is asked again which fields it has."""
OpenSession = Callable[[SyncContext], WritingSession]


class OdooDestination:
    """Writes to the databases of all connections. `now` returns seconds since the Unix epoch."""

    def __init__(self, open_session: OpenSession, now: Clock = time.time) -> None:
        self._open_session = open_session
        self._now = now
        self._databases: dict[str, tuple[WritableFields, float]] = {}

    async def write(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Write what is requested of one database, and yield a result for each request.

        Raises RetryLaterError where the outcome of a call is not known. The record is then read at the next attempt.
        """
        async with self._begin(context) as (session, _, database):
            writer = _BatchWriter(session, database, self._now)
            for part in split_rounds([one for one in requests if one.operation != CREATE]):
                async for result in writer.update(part):
                    yield result
            for request in requests:
                if request.operation == CREATE:
                    yield await writer.create(request)

    async def write_stock(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Change the stock of one database as is requested, and yield a result for each request.

        A change is made by a move that has the write's id in its name, and is looked for first. So each is made once,
        and which one has been is always known. Raises RetryLaterError where the outcome of a call is not known.
        """
        async with self._begin(context) as (session, user, database):
            writer = StockWriter(session, user, database, self._now)
            for part in split_rounds(requests):
                async for result in writer.write(part):
                    yield result

    @asynccontextmanager
    async def _begin(self, context: SyncContext) -> AsyncIterator[tuple[WritingSession, int, WritableFields]]:
        """Open a session. Yields it, the id of its user, and what is known of the database."""
        session = self._open_session(context)
        # Other calls go on working with a key that was removed.
        user = await session.authenticate()
        try:
            yield session, user, await self._find_database(session, context.token.connection)
        except (RetryLaterError, PermanentError):
            # It may be that a field has gone.
            self._databases.pop(context.token.connection, None)
            raise

    async def _find_database(self, session: WritingSession, connection: str) -> WritableFields:
        database, read_at = self._databases.get(connection, (None, 0.0))
        if database is None or not 0 <= self._now() - read_at < DATABASE_SECONDS:
            database = await read_writable_fields(session)
            self._databases[connection] = database, self._now()
        return database


def split_rounds(requests: Sequence[WriteRequested]) -> list[list[WriteRequested]]:
    """Return the requests in rounds, in none of which a record comes twice: it is read anew in between."""
    rounds: list[list[WriteRequested]] = []
    counts: dict[tuple[str, str | None], int] = {}
    for request in requests:
        key = (request.resource, request.record)
        counts[key] = number = counts.get(key, 0) + 1
        if number > len(rounds):
            rounds.append([])
        rounds[number - 1].append(request)
    return rounds


class _BatchWriter:
    """Carries out the requests of one batch."""

    def __init__(self, session: WritingSession, database: WritableFields, now: Clock) -> None:
        self._session = session
        self._database = database
        self._targets = TargetReader(session, database, now)
        self._references = ReferenceFinder(session)
        self._creator = ProductCreator(session, database, self._targets, self._references)

    async def create(self, request: WriteRequested) -> WriteResult:
        try:
            return await self._creator.create(request)
        except RefusedWriteError as refusal:
            return build_refused(request, None, refusal)
        except (ConnectionEndedError, NotOdooError):
            raise
        except PermanentError as error:
            return build_refused(request, None, build_refusal(error))

    async def update(self, requests: Sequence[WriteRequested]) -> AsyncGenerator[WriteResult, None]:
        """Read all records, write those that differ one by one, and read these again.

        An unknown outcome ends the writing, not the answers for what was written before it.
        """
        targets = await self._read(requests)
        decided = [self._decide(request, targets) for request in requests]
        updates = [one for one in decided if isinstance(one, Update)]
        for result in decided:
            if isinstance(result, WriteResult):
                yield result
        failure: RetryLaterError | None = None
        written: list[WriteRequested] = []
        await self._load_references(updates)
        for update in updates:
            try:
                await self._carry_out(update)
            except RefusedWriteError as refusal:
                yield build_refused(update.request, update.target, refusal)
            except RetryLaterError as error:
                failure = error
                break
            else:
                written.append(update.request)
        after = await self._read(written)
        for request in written:
            yield build_applied(request, _find_target(request, after), self._database)
        if failure:
            raise failure

    async def _read(self, requests: Sequence[WriteRequested]) -> Targets:
        ids = [number for request in requests if (number := find_template_id(request)) is not None]
        return await self._targets.read(ids, with_options=any("options" in one.fields for one in requests))

    def _decide(self, request: WriteRequested, targets: Targets) -> Update | WriteResult:
        target = _find_target(request, targets)
        try:
            if reason := targets.refused.get(find_template_id(request) or 0):
                raise RefusedWriteError(reason)
            return decide_update(request, target, self._database)
        except RefusedWriteError as refusal:
            return build_refused(request, target, refusal)

    async def _load_references(self, updates: Sequence[Update]) -> None:
        products = [update.unwritten for update in updates if update.request.resource == PRODUCTS]
        await self._references.load(
            [one[PRODUCT_TYPE] for one in products if PRODUCT_TYPE in one],
            [one[TAGS] for one in products if TAGS in one],
        )

    async def _carry_out(self, update: Update) -> None:
        """Write the fields of an update. Raises RefusedWriteError for what Odoo says of this record."""
        try:
            values = await find_references(update, self._references)
            await write_record(self._session, *get_place(update), values)
        except (ConnectionEndedError, NotOdooError):
            raise
        except PermanentError as error:
            raise build_refusal(error) from None


def _find_target(request: WriteRequested, targets: Targets) -> Target | None:
    return targets.found.get(find_template_id(request) or 0)
