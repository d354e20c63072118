"""The paths of the web client that programs ask for: the version and the list of databases."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.odoo.errors import AccessDenied
from sandbox.odoo.routes.answers import serve, show_page
from sandbox.odoo.routes.remote_calls import build_error, build_version
from sandbox.odoo.state import OdooState
from sandbox.responses import build_json_response


def build_routes(state: OdooState) -> list[Route]:
    """Build the routes under `/web`."""
    pages = WebPages(state)
    return [
        Route("/web/version", serve(state, "web", pages.show_version), methods=["GET"]),
        Route("/web/webclient/version_info", serve(state, "web", pages.show_version_info), methods=["POST"]),
        Route("/web/database/list", serve(state, "web", pages.list_databases), methods=["POST"]),
        Route("/web/login", serve(state, "web", pages.show_login), methods=["GET"]),
    ]


class WebPages:
    """Answers the paths of the web client."""

    def __init__(self, state: OdooState) -> None:
        self._state = state

    async def show_version(self, _: Request) -> Response:
        """Tell the version, from 19 on; before, there is no such path."""
        version = self._state.setup.version
        if version < 19:
            return show_page("Not Found", 404)
        return build_json_response({"version_info": [version, 0, 0, "final", 0, ""], "version": f"{version}.0"})

    async def show_version_info(self, request: Request) -> Response:
        """Tell the version, in the form of JSON-RPC."""
        return await self._answer(request, build_version(self._state.setup.version))

    async def list_databases(self, request: Request) -> Response:
        """List the databases, in the form of JSON-RPC."""
        names = sorted(self._state.databases) if self._state.setup.lists_databases else None
        return await self._answer(request, names)

    async def show_login(self, _: Request) -> Response:
        """Show a page in the place of the form for signing in."""
        return show_page("Log in", 200)

    async def _answer(self, request: Request, result: Any) -> Response:
        try:
            body = orjson.loads(await request.body())
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body.get("id")}
        except (orjson.JSONDecodeError, AttributeError):
            return show_page("Bad Request", 400)
        if result is None:
            error = build_error(AccessDenied("Access Denied"), self._state.setup.version)
            return build_json_response({**answer, "error": error})
        return build_json_response({**answer, "result": result})
