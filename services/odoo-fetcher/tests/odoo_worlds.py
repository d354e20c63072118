"""The same database at two servers, the simulated one and a real Odoo, which tests edit by Odoo's own API."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette

from fake_odoo import Bench
from platform_sdk.public_addresses import Resolver, parse_allowed_host
from platform_sdk.session import SyncContext
from platforms.odoo.client import KnownTransports, OdooClient
from platforms.odoo.http import OdooHttp, create_http_client
from platforms.odoo.logins import OdooLogin
from platforms.odoo.rate_limit import RateLimits
from platforms.odoo.reading import RecordsSession
from platforms.odoo.session import OdooSession
from sandbox.odoo.expected_document import build_document
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.models.stock_moves import clean_quants
from sandbox.odoo.routes import control, named_calls, remote_calls, web
from sandbox.odoo.sample_catalog import DatabaseRecipe
from sandbox.odoo.state import LOGIN, OdooState

REAL_URL = os.environ.get("ODOO_TEST_URL", "")
DATABASE = "shop"


class OdooWorld(Bench):
    """A source on a database at a server, and a client with which people's edits are made there."""

    def __init__(self, http: OdooHttp, login: OdooLogin) -> None:
        self._http = http
        self.login = login
        self._limits, self._known = RateLimits(1_000), KnownTransports()
        self._offset = 0.0
        super().__init__()
        self.client = OdooClient(http, login, KnownTransports())

    def open_session(self, context: SyncContext) -> RecordsSession:
        """Open a session of one step."""
        return OdooSession(self._http, context, self._limits, self._known)

    def read_clock(self) -> float:
        """Return the time of the fetcher's clock."""
        return time.time() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Wait: the server's clock goes on."""
        await asyncio.sleep(seconds)

    def build_token(self) -> str:
        """Return the token of the connection."""
        return self.login.encode()

    def pass_time(self, seconds: float) -> None:
        """Let the fetcher's clock go on."""
        self._offset += seconds

    def forget_waits(self) -> None:
        """Forget that the server has asked to wait."""
        self._limits = RateLimits(1_000)

    async def call(self, model: str, method: str, ids: list[int] | None = None, **parameters: Any) -> Any:
        """Make an edit."""
        return await self.client.call(model, method, ids, **parameters)

    async def create(self, model: str, **values: Any) -> int:
        """Make a record and return its id."""
        (number,) = await self.client.call(model, "create", vals_list=[values])
        return int(number)

    async def write(self, model: str, number: int, **values: Any) -> None:
        """Change a record."""
        await self.client.call(model, "write", [number], vals=values)

    async def find(self, model: str, *domain: Any, order: str = "id") -> list[int]:
        """Return the ids of records."""
        rows = await self.client.search_read(model, list(domain), ["id"], order=order)
        return [row["id"] for row in rows]

    async def count_stock(self, product: int, location: int, quantity: float) -> None:
        """Set what is there of a product at a location, as somebody who counts does."""
        context = {"inventory_mode": True}
        values = {"product_id": product, "location_id": location, "inventory_quantity": quantity}
        (quant,) = await self.client.call("stock.quant", "create", context=context, vals_list=[values])
        await self.client.call("stock.quant", "action_apply_inventory", [quant])

    async def clean_quants(self) -> None:
        """Let the server delete the quants of nothing."""
        await self.client.call("stock.quant", "action_view_quants")


class SimulatedWorld(OdooWorld):
    """A database at the simulated server."""

    def __init__(self, state: OdooState, http: OdooHttp) -> None:
        self.state = state
        super().__init__(http, OdooLogin("http://odoo.test", DATABASE, LOGIN, state.key))

    async def clean_quants(self) -> None:
        """Let the server delete the quants of nothing."""

        self.state.run(DATABASE, 1, clean_quants)

    async def load_truth(self) -> dict[tuple[str, str], Any]:
        """Return the bodies that the server's own rows must become."""
        data = orjson.loads(self.state.run(DATABASE, 1, build_document))["data"]
        return {
            (
                resource,
                f"{body['product_id']}-{body['location']['id']}" if resource == "stock" else str(body["id"]),
            ): body
            for resource, bodies in data.items()
            for body in bodies
        }


@asynccontextmanager
async def open_simulated(folder: Path, setup: ServerSetup, recipe: DatabaseRecipe) -> AsyncIterator[SimulatedWorld]:
    """Open a simulated server with one database, in this process."""
    state = OdooState(folder)
    state.set_setup(setup.model_copy(update={"version": min(setup.version, 18)}))
    state.create_database(recipe)
    state.set_setup(setup)
    routes = [module.build_routes(state) for module in (remote_calls, named_calls, web, control)]
    app = Starlette(routes=[route for several in routes for route in several])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        yield SimulatedWorld(state, OdooHttp(http))
    state.set_faults(Faults())
    state.close()


@asynccontextmanager
async def open_real() -> AsyncIterator[OdooWorld]:
    """Open the real server that the environment names."""
    resolver = Resolver()
    http = create_http_client([parse_allowed_host(REAL_URL)], resolver.resolve)
    login = OdooLogin(
        REAL_URL, os.environ["ODOO_TEST_DATABASE"], os.environ["ODOO_TEST_LOGIN"], os.environ["ODOO_TEST_KEY"]
    )
    async with http:
        yield OdooWorld(OdooHttp(http), login)
    resolver.close()
