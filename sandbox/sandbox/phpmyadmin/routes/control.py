"""The control API of the simulated phpMyAdmin: sets it up, switches faults on, and creates, edits and fills tables."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.phpmyadmin.definitions import ColumnDefinition, TableDefinition, parse_table
from sandbox.phpmyadmin.expected_document import build_document
from sandbox.phpmyadmin.faults import Faults, Setup
from sandbox.phpmyadmin.state import USERNAME, PhpMyAdminState
from sandbox.phpmyadmin.statistics import Statistics
from sandbox.phpmyadmin.store import Row
from sandbox.phpmyadmin.values import show_value
from sandbox.responses import build_json_response

_PATH = "/control/phpmyadmin"
_TABLE_PATH = "/tables/{server}/{database}/{table}"
Handler = Callable[[Request, Any], Awaitable[Response]]
"""Handles a request. The second argument is the parsed JSON body; {} without a body."""

ControlRoutes = list[tuple[str, str, Handler]]
"""Method, path and handler of each endpoint."""


def build_routes(state: PhpMyAdminState) -> list[Route]:
    """Build the routes of the control API, under `/control/phpmyadmin`."""
    return [
        Route(f"{_PATH}{path}", _build_endpoint(handler), methods=[method])
        for group in (_HostControl(state), _TableControl(state))
        for method, path, handler in group.list_routes()
    ]


def _build_endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            raw = await request.body()
            return await handler(request, orjson.loads(raw) if raw else {})
        except LookupError as error:
            return build_json_response({"error": f"no such record or parameter: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return build_json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return handle


class _HostControl:
    def __init__(self, state: PhpMyAdminState) -> None:
        self._state = state

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about the phpMyAdmin itself."""
        return [
            ("GET", "", self.show),
            ("POST", "/password", self.change_password),
            ("DELETE", "/sessions", self.end_sessions),
            ("GET", "/setup", self.show_setup),
            ("PUT", "/setup", self.set_setup),
            ("GET", "/faults", self.show_faults),
            ("PUT", "/faults", self.set_faults),
            ("GET", "/statistics", self.show_statistics),
            ("DELETE", "/statistics", self.reset_statistics),
            ("POST", "/reset", self.reset),
        ]

    async def show(self, _: Request, __: Any) -> Response:
        """Show the login, and the tables of each database server with the numbers of their rows."""
        servers = {}
        for server in self._state.list_servers():
            store = self._state.get_server(server).store
            tables = {name: store.count_rows(table) for name, table in store.tables.items()}
            servers[server] = {"version": store.version, "tables": tables}
        return build_json_response({"username": USERNAME, "password": self._state.password, "servers": servers})

    async def change_password(self, _: Request, body: Any) -> Response:
        """Change the password of the database's user to the one in the body, or to a new one."""
        self._state.set_password(str(body.get("password") or secrets.token_urlsafe(9)))
        return build_json_response({"password": self._state.password})

    async def end_sessions(self, _: Request, __: Any) -> Response:
        """End all sessions. Returns the number of those at which somebody was signed in."""
        return build_json_response({"ended": self._state.sessions.end_all()})

    async def show_setup(self, _: Request, __: Any) -> Response:
        """Show how the host has set up the phpMyAdmin."""
        return build_json_response(self._state.setup.model_dump())

    async def set_setup(self, _: Request, body: Any) -> Response:
        """Replace the setup. What the body leaves out has its default."""
        self._state.set_setup(Setup(**body))
        return build_json_response(self._state.setup.model_dump())

    async def show_faults(self, _: Request, __: Any) -> Response:
        """Show all faults with their current values."""
        return build_json_response(self._state.faults.model_dump())

    async def set_faults(self, _: Request, body: Any) -> Response:
        """Replace all faults. Faults that the body leaves out are switched off."""
        self._state.set_faults(Faults(**body))
        return build_json_response(self._state.faults.model_dump())

    async def show_statistics(self, _: Request, __: Any) -> Response:
        """Show all counts of requests, and the log of statements."""
        return build_json_response(self._state.statistics.build_report())

    async def reset_statistics(self, request: Request, body: Any) -> Response:
        """Reset all counts to zero, and empty the log of statements."""
        self._state.statistics = Statistics()
        return await self.show_statistics(request, body)

    async def reset(self, request: Request, body: Any) -> Response:
        """Bring setup, faults, sessions, statistics and tables back to the beginning. The password stays."""
        await asyncio.to_thread(self._state.reset)
        return await self.show(request, body)


class _TableControl:
    def __init__(self, state: PhpMyAdminState) -> None:
        self._state = state

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about tables and rows."""
        return [
            ("PUT", _TABLE_PATH, self.create_table),
            ("GET", _TABLE_PATH, self.show_table),
            ("DELETE", _TABLE_PATH, self.drop_table),
            ("POST", f"{_TABLE_PATH}/columns", self.add_column),
            ("POST", f"{_TABLE_PATH}/rows", self.insert_rows),
            ("PATCH", f"{_TABLE_PATH}/rows", self.update_row),
            ("DELETE", f"{_TABLE_PATH}/rows", self.delete_row),
            ("POST", f"{_TABLE_PATH}/fill", self.fill_table),
            ("GET", f"{_TABLE_PATH}/document", self.show_document),
        ]

    async def create_table(self, request: Request, body: Any) -> Response:
        """Create a table, in place of one of this name.

        The body has `columns` (`{name, type, nullable, holds_json, changes_by_itself, collation}`, all but the first
        two optional), and optionally `indexes` (`{name, columns, is_unique}`), `engine`, `options` and `rows`.
        """
        path = request.path_params
        rows = body.pop("rows", [])
        table = parse_table({"indexes": [], **body, "database": path["database"], "name": path["table"]})
        await asyncio.to_thread(self._state.create_table, path["server"], table, rows)
        return build_json_response({"table": table.dump(), "total": len(rows)}, 201)

    async def show_table(self, request: Request, _: Any) -> Response:
        """Show a table's definition and its rows; the query parameters `limit` (100) and `offset` say which ones."""
        table, query = self._find_table(request), request.query_params
        store = self._state.get_server(request.path_params["server"]).store
        rows = store.list_rows(table, limit=int(query.get("limit", "100")), offset=int(query.get("offset", "0")))
        described = [_describe_row(table, row) for row in rows]
        return build_json_response({"table": table.dump(), "total": store.count_rows(table), "rows": described})

    async def drop_table(self, request: Request, _: Any) -> Response:
        """Drop a table."""
        self._state.get_server(request.path_params["server"]).store.drop_table(self._find_table(request))
        return build_json_response({})

    async def add_column(self, request: Request, body: Any) -> Response:
        """Add a column, which is defined as in `create_table` and may be NULL."""
        store = self._state.get_server(request.path_params["server"]).store
        altered = store.add_column(self._find_table(request), ColumnDefinition(**{"nullable": True, **body}))
        return build_json_response({"table": altered.dump()})

    async def insert_rows(self, request: Request, body: Any) -> Response:
        """Insert the `rows` of the body."""
        table, server = self._find_table(request), request.path_params["server"]
        await asyncio.to_thread(self._state.insert_rows, server, table, body["rows"])
        return await self.show_table(request, body)

    async def update_row(self, request: Request, body: Any) -> Response:
        """Change the first row that has the values `where` to the values `set`."""
        table, server, rowid = self._find_row(request, body)
        await asyncio.to_thread(self._state.update_row, server, table, rowid, body["set"])
        return build_json_response({})

    async def delete_row(self, request: Request, body: Any) -> Response:
        """Delete the first row that has the values `where`."""
        table, server, rowid = self._find_row(request, body)
        await asyncio.to_thread(self._state.delete_row, server, table, rowid)
        return build_json_response({})

    async def fill_table(self, request: Request, body: Any) -> Response:
        """Replace all rows by as many generated ones as `rows` says."""
        table, server = self._find_table(request), request.path_params["server"]
        await asyncio.to_thread(self._state.fill_table, server, table, int(body["rows"]))
        return build_json_response({"total": int(body["rows"])})

    async def show_document(self, request: Request, _: Any) -> Response:
        """Return the document that merchant-sync must store, without the columns `exclude` (separated by commas)."""
        table, exclude = self._find_table(request), request.query_params.get("exclude", "").split(",")
        store = self._state.get_server(request.path_params["server"]).store
        document = await asyncio.to_thread(lambda: build_document(table, store.iterate_rows(table), exclude))
        return Response(document, media_type="application/json")

    def _find_table(self, request: Request) -> TableDefinition:
        path = request.path_params
        return self._state.get_server(path["server"]).store.find_table(path["database"], path["table"])

    def _find_row(self, request: Request, body: Any) -> tuple[TableDefinition, str, int]:
        table, server = self._find_table(request), request.path_params["server"]
        return table, server, self._state.get_server(server).store.find_rowid(table, body["where"])


def _describe_row(table: TableDefinition, row: Row) -> dict[str, Any]:
    return {column.name: show_value(row[column.name]) for column in table.columns}
