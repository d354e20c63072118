"""A database at an Odoo that is reached over HTTP, and a writer for it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from starlette.applications import Starlette

from contracts.events import WriteRequested
from destination.destination import WriteResult
from linking.records import STOCK, ExtractOptions, LinkedRecord
from odoo_writer.destination import OdooDestination
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.public_addresses import Resolver, parse_allowed_host
from platform_sdk.session import INCREMENTAL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.odoo.calls import Context, OdooCall
from platforms.odoo.client import KnownTransports, OdooClient
from platforms.odoo.database_fields import read_database_fields
from platforms.odoo.http import OdooHttp, create_http_client
from platforms.odoo.linking import extract_record
from platforms.odoo.logins import OdooLogin
from platforms.odoo.products import ProductMapper, ProductParts
from platforms.odoo.rate_limit import RateLimits
from platforms.odoo.reading import list_rows
from platforms.odoo.session import OdooSession
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.routes import named_calls, remote_calls, web
from sandbox.odoo.sample_catalog import DatabaseRecipe
from sandbox.odoo.state import LOGIN, OdooState

CONNECTION, DATABASE, LINK = "odoo:odoo.example.com/shop", "shop", UUID(int=7)
REAL_URL = os.environ.get("ODOO_TEST_URL", "")
TEMPLATE, VARIANT = "product.template", "product.product"


class NotedSession(OdooSession):
    """A session that notes each call that writes before it makes it, and says when it is made."""

    def __init__(
        self,
        http: OdooHttp,
        context: SyncContext,
        limits: RateLimits,
        known: KnownTransports,
        note: Callable[[OdooCall], Awaitable[None]],
        follow: Callable[[OdooCall], Awaitable[None]],
    ) -> None:
        super().__init__(http, context, limits, known)
        self._note = note
        self._follow = follow

    async def call_once(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: Context | None = None,
        **parameters: object,
    ) -> Any:
        """Note the call, make it, and say that it is made."""
        call = OdooCall(model, method, ids, context, parameters)
        await self._note(call)
        answer = await super().call_once(model, method, ids, context=context, **parameters)
        await self._follow(call)
        return answer


class WriterWorld:
    """A writer at a database, and a client with which people edit there."""

    def __init__(self, http: OdooHttp, login: OdooLogin) -> None:
        self._http = http
        self.login = login
        self.limits, self.known = RateLimits(1_000), KnownTransports()
        self.client = OdooClient(http, login, KnownTransports())
        self.destination = OdooDestination(self.open_session)
        self.written: list[OdooCall] = []
        self.before_call: Callable[[str], Awaitable[None]] | None = None
        """What happens before a call that writes, e.g. `product.product.write`."""
        self.after_call: Callable[[str], Awaitable[None]] | None = None
        """What happens right after such a call."""
        self.rejected: list[AccessToken] = []
        self.calls = 0

    def open_session(self, context: SyncContext) -> NotedSession:
        """Open the session of a batch."""
        return NotedSession(self._http, context, self.limits, self.known, self._note, self._follow)

    def build_context(self) -> SyncContext:
        """Return the context of a batch."""
        token = AccessToken(CONNECTION, 1, self.login.encode())
        return SyncContext(token, uuid4(), INCREMENTAL, self._replace, self._refresh)

    async def write(self, *requests: WriteRequested) -> list[WriteResult]:
        """Have requests written, and return the results in the order of the requests."""
        results: dict[UUID, WriteResult] = {}
        await self.write_into(results, requests)
        return [results[request.write_id] for request in requests]

    async def write_into(self, results: dict[UUID, WriteResult], requests: Sequence[WriteRequested]) -> None:
        """Have requests written, and add each result as soon as it is there."""
        context = self.build_context()
        write = self.destination.write_stock if requests[0].resource == STOCK else self.destination.write
        async for result in write(context, requests):
            assert result.write_id not in results
            results[result.write_id] = result
        self.calls = context.calls

    async def _note(self, call: OdooCall) -> None:
        self.written.append(call)
        if self.before_call:
            await self.before_call(f"{call.model}.{call.method}")

    async def _follow(self, call: OdooCall) -> None:
        if self.after_call:
            await self.after_call(f"{call.model}.{call.method}")

    async def _replace(self, token: AccessToken) -> AccessToken:
        self.rejected.append(token)
        raise ConnectionEndedError("reauthorise")

    async def _refresh(self) -> AccessToken:
        raise AssertionError("nothing asks for another token")

    async def create_product(self, **values: Any) -> tuple[str, str]:
        """Make a product with one variant, and return the ids of both."""
        (number,) = await self.client.call(
            TEMPLATE, "create", vals_list=[{"name": "Shirt", "list_price": 10.0, **values}]
        )
        rows = await self.client.search_read(VARIANT, [("product_tmpl_id", "=", number)], ["id"])
        return str(number), str(rows[0]["id"])

    async def edit(self, model: str, number: str | int, **values: Any) -> None:
        """Change a record as a person does."""
        await self.client.call(model, "write", [int(number)], vals=values)

    async def read(self, model: str, number: str | int, *fields: str) -> dict[str, Any]:
        """Return fields of a record."""
        context = {"active_test": False}
        (row,) = await self.client.search_read(model, [("id", "=", int(number))], fields, context=context)
        return row

    async def read_linked(self, template: str | int) -> LinkedRecord:
        """Return a product as a link sees it: read with all its fields, and mapped as the fetcher does."""
        client, ids = self.client, [int(template)]
        fields = await read_database_fields(client)
        templates = await list_rows(client, TEMPLATE, "id", ids, fields.template_fields)
        variants = await list_rows(client, VARIANT, "product_tmpl_id", ids, fields.variant_fields)
        line_fields = ("product_tmpl_id", "attribute_id", "value_ids", "sequence")
        lines = await list_rows(
            client, "product.template.attribute.line", "product_tmpl_id", ids, line_fields, context=None
        )
        names = {}
        for model in ("product.tag", "product.attribute", "product.attribute.value"):
            names[model] = {row["id"]: row["name"] for row in await client.search_read(model, [], ["name"])}
        record = ProductMapper(ProductParts(variants, lines, names=names)).map_template(templates[0], 1)
        linked = extract_record("products", record.id, record.body or {}, ExtractOptions())
        assert linked is not None
        return linked


class SimulatedWorld(WriterWorld):
    """A database at the simulated server."""

    def __init__(self, state: OdooState, url: str, http: OdooHttp) -> None:
        self.state = state
        super().__init__(http, OdooLogin(url, DATABASE, LOGIN, state.key))

    def count_calls(self, call: str) -> int:
        """Return how often a method was called since the last time, e.g. `product.template.write`."""
        return self.state.statistics.calls.pop(call, 0)

    def set_faults(self, **faults: Any) -> None:
        """Let calls fail."""
        self.state.set_faults(Faults(**faults))


def request(resource: str, record: str | None = None, **values: Any) -> WriteRequested:
    """Return a request to write, an update unless `operation` says otherwise."""
    defaults = {
        "write_id": uuid4(),
        "link_id": LINK,
        "connection": CONNECTION,
        "epoch": 1,
        "resource": resource,
        "operation": "update",
        "record": record,
        "requested_at": 1,
    }
    return WriteRequested(**{**defaults, **values})


@asynccontextmanager
async def open_simulated(folder: Path, setup: ServerSetup) -> AsyncIterator[SimulatedWorld]:
    """Serve a simulated server with an empty database over HTTP, in this process."""
    state = OdooState(folder)
    state.set_setup(setup)
    state.create_database(DatabaseRecipe(name=DATABASE, products=0))
    state.set_setup(setup)
    routes = [route for module in (remote_calls, named_calls, web) for route in module.build_routes(state)]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient() as http:
        yield SimulatedWorld(state, f"http://127.0.0.1:{port}", OdooHttp(http))
    server.should_exit = True
    await serving
    state.close()


@asynccontextmanager
async def open_real() -> AsyncIterator[WriterWorld]:
    """Open the real server that the environment names."""
    resolver = Resolver()
    http = create_http_client([parse_allowed_host(REAL_URL)], resolver.resolve)
    names = ("DATABASE", "LOGIN", "KEY")
    login = OdooLogin(REAL_URL, *(os.environ[f"ODOO_TEST_{name}"] for name in names))
    async with http:
        yield WriterWorld(OdooHttp(http), login)
    resolver.close()
