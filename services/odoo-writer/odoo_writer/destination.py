"""Implements `destination.destination.Destination` for Odoo: reads a batch's products, and writes what is left.

Each write is a call of its own, so that a record that Odoo refuses stops no other.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from contracts.events import WriteRequested
from destination.destination import APPLIED, WriteResult
from destination.handler import ACCESS_DENIED
from odoo_writer.creations import create_product
from odoo_writer.named_records import NamedRecords
from odoo_writer.removals import plan_removal
from odoo_writer.results import build_read, build_refused
from odoo_writer.targets import TargetProduct, find_product_id, find_target, read_products
from odoo_writer.updates import plan_update, send_update
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, PermanentError, RetryLaterError
from platform_sdk.session import SyncContext
from platforms.odoo.database_fields import TEMPLATE, DatabaseFields, read_database_fields
from platforms.odoo.product_reader import ProductReader
from platforms.odoo.session import OdooSession

CREATE, UPDATE = "create", "update"
MAX_UNKNOWN = 3
"""After so many writes of which the outcome is not known, the rest of a batch waits: the server is at fault."""
FIELDS_SECONDS = 300.0
"""How long the fields of a database are believed to be the same ones."""
OpenSession = Callable[[SyncContext], OdooSession]


class OdooDestination:
    """Writes to databases in the sessions that `open_session` opens. `now` returns seconds since the Unix epoch."""

    def __init__(self, open_session: OpenSession, *, now: Callable[[], float] = time.time) -> None:
        self._open_session = open_session
        self._now = now
        self._fields: dict[str, tuple[DatabaseFields, float]] = {}

    async def write(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Write what is requested of one database, as `destination.destination.Destination.write` describes.

        Where the outcome of a write is not known, the others are still made, and then RetryLaterError is raised.
        """
        session = self._open_session(context)
        # Other calls go on working with a key that was removed.
        await session.authenticate()
        fields = await self._get_fields(session, context.token.connection)
        try:
            async for result in _Batch(session, fields, self._now).write(requests):
                yield result
        except (RetryLaterError, PermanentError):
            # It may be that a field has gone.
            self._fields.pop(context.token.connection, None)
            raise

    async def _get_fields(self, session: OdooSession, connection: str) -> DatabaseFields:
        fields, read_at = self._fields.get(connection, (None, 0.0))
        if fields is None or not 0 <= self._now() - read_at < FIELDS_SECONDS:
            fields = await read_database_fields(session)
            self._fields[connection] = fields, self._now()
        return fields


class _Batch:
    """The writes of one batch to one database."""

    def __init__(self, session: OdooSession, fields: DatabaseFields, now: Callable[[], float]) -> None:
        self._session = session
        self._fields = fields
        self._reader = ProductReader(session, fields, now, with_images=False)
        self._references = NamedRecords(session)
        self._unknown: list[RetryLaterError] = []

    async def write(self, requests: Sequence[WriteRequested]) -> AsyncGenerator[WriteResult, None]:
        existing = [request for request in requests if request.operation != CREATE]
        ids = {request.write_id: find_product_id(request) for request in existing}
        products, unreadable = await read_products(self._reader, [one for one in ids.values() if one is not None])
        written: list[WriteRequested] = []
        for request in existing:
            number = ids[request.write_id] or 0
            if number in unreadable:
                yield build_refused(request, unreadable[number])
                continue
            is_known, result = await self._settle(request, self._change(request, products.get(number)))
            if result is not None:
                yield result
            elif is_known:
                written.append(request)
        async for result in self._read_back(written):
            yield result
        for request in requests:
            if request.operation == CREATE:
                made = create_product(self._session, self._references, self._reader, self._fields, request)
                _, result = await self._settle(request, made)
                if result is not None:
                    yield result
        if self._unknown:
            raise self._unknown[0]

    async def _change(self, request: WriteRequested, product: TargetProduct | None) -> WriteResult | None:
        """Write what a request still needs. Return what came of it; None where it was sent and is to be read back."""
        target = find_target(request, product) if product else None
        if target is None:
            return build_refused(request, f"the database does not have {request.resource} {request.record} any more")
        if request.operation == UPDATE:
            unwritten = plan_update(request, target)
            if isinstance(unwritten, WriteResult):
                return unwritten
            await send_update(self._session, self._references, request, target, unwritten)
            return None
        values = plan_removal(request, target)
        if isinstance(values, WriteResult):
            return values
        await self._session.write(TEMPLATE, "write", [int(target.product.record.id)], vals=values)
        return None

    async def _settle(
        self, request: WriteRequested, work: Awaitable[WriteResult | None]
    ) -> tuple[bool, WriteResult | None]:
        """Return whether the outcome of `work` is known, and its result. What Odoo refuses ends this request alone."""
        try:
            return True, await work
        except ConnectionEndedError:
            raise
        except AccessDeniedError as error:
            return True, build_refused(request, error.reason, ACCESS_DENIED)
        except PermanentError as error:
            return True, build_refused(request, error.reason)
        except RetryLaterError as error:
            self._unknown.append(error)
            if error.throttled or len(self._unknown) == MAX_UNKNOWN:
                raise
            return False, None

    async def _read_back(self, written: Sequence[WriteRequested]) -> AsyncGenerator[WriteResult, None]:
        ids = {request.write_id: find_product_id(request) or 0 for request in written}
        products, _ = await read_products(self._reader, ids.values())
        for request in written:
            product = products.get(ids[request.write_id])
            target = find_target(request, product) if product else None
            if target is None:
                yield build_refused(request, f"the database does not have {request.resource} {request.record} any more")
            else:
                yield build_read(request, APPLIED, target)
