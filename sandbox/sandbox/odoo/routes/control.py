"""The control API of the simulated Odoo server: setup, faults, statistics, and its databases."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.odoo.errors import OdooError
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.routes.database_control import DatabaseControl
from sandbox.odoo.state import LOGIN, OdooState
from sandbox.odoo.statistics import Statistics
from sandbox.responses import build_json_response

_PATH = "/control/odoo"
Handler = Callable[[Request, Any], Awaitable[Response]]
"""Handles a request. The second argument is the parsed JSON body; {} without a body."""

ControlRoutes = list[tuple[str, str, Handler]]
"""Method, path and handler of each endpoint."""


def build_routes(state: OdooState) -> list[Route]:
    """Build the routes of the control API, under `/control/odoo`."""
    return [
        Route(f"{_PATH}{path}", _build_endpoint(handler), methods=[method])
        for routes in (_ServerControl(state).list_routes(), DatabaseControl(state).list_routes())
        for method, path, handler in routes
    ]


def _build_endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            raw = await request.body()
            return await handler(request, orjson.loads(raw) if raw else {})
        except OdooError as error:
            return build_json_response({"error": f"{error.name}: {error.message}"}, 400)
        except LookupError as error:
            return build_json_response({"error": f"no such record or parameter: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return build_json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return handle


class _ServerControl:
    def __init__(self, state: OdooState) -> None:
        self._state = state

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about the server itself."""
        return [
            ("GET", "", self.show),
            ("GET", "/setup", self.show_setup),
            ("PUT", "/setup", self.set_setup),
            ("GET", "/faults", self.show_faults),
            ("PUT", "/faults", self.set_faults),
            ("GET", "/statistics", self.show_statistics),
            ("DELETE", "/statistics", self.reset_statistics),
            ("POST", "/restart", self.restart),
            ("POST", "/reset", self.reset),
        ]

    async def show(self, _: Request, __: Any) -> Response:
        """Show the version, the login with its key, and the databases with the numbers of their records."""
        databases = {name: self._state.count_records(name) for name in sorted(self._state.databases)}
        return build_json_response(
            {"version": self._state.setup.version, "login": LOGIN, "key": self._state.key, "databases": databases}
        )

    async def show_setup(self, _: Request, __: Any) -> Response:
        """Show how the server is set up."""
        return build_json_response(self._state.setup.model_dump())

    async def set_setup(self, _: Request, body: Any) -> Response:
        """Replace the setup. What the body leaves out has its default. Another version is an upgrade."""
        await asyncio.to_thread(self._state.set_setup, ServerSetup(**body))
        return build_json_response(self._state.setup.model_dump())

    async def show_faults(self, _: Request, __: Any) -> Response:
        """Show all faults with their current values."""
        return build_json_response(self._state.faults.model_dump())

    async def set_faults(self, _: Request, body: Any) -> Response:
        """Replace all faults. Faults that the body leaves out are switched off."""
        self._state.set_faults(Faults(**body))
        return build_json_response(self._state.faults.model_dump())

    async def show_statistics(self, _: Request, __: Any) -> Response:
        """Show all counts."""
        return build_json_response(self._state.statistics.build_report())

    async def reset_statistics(self, request: Request, body: Any) -> Response:
        """Reset all counts to zero."""
        self._state.statistics = Statistics()
        return await self.show_statistics(request, body)

    async def restart(self, request: Request, body: Any) -> Response:
        """Let the server forget which keys it has accepted and refused, as it does when it starts."""
        self._state.forget_logins()
        return await self.show(request, body)

    async def reset(self, request: Request, body: Any) -> Response:
        """Bring everything but the key back to the beginning: setup, faults, statistics, databases."""
        await asyncio.to_thread(self._state.reset)
        return await self.show(request, body)
