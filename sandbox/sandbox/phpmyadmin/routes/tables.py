"""HTML pages on which people see how to sign in, and edit, add and delete the rows of the tables."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.phpmyadmin.definitions import Kind, TableDefinition
from sandbox.phpmyadmin.functions import format_now
from sandbox.phpmyadmin.state import USERNAME, PhpMyAdminState
from sandbox.phpmyadmin.store import Row, ServerStore
from sandbox.phpmyadmin.values import show_value

_PATH = "/phpmyadmin/tables"
_ROWS_SHOWN = 25
_LONG_TYPES = frozenset({"text", "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob"})


def build_routes(state: PhpMyAdminState, templates: Environment) -> list[Route]:
    """Build the routes of the pages: a list of tables, the rows of a table, and a form for one row."""
    pages = _TablePages(state, templates)
    table, row = f"{_PATH}/{{server}}/{{database}}/{{table}}", "{rowid:int}"
    return [
        Route(f"{_PATH}/", pages.list_tables, methods=["GET"]),
        Route(f"{table}/", pages.find(pages.show_table), methods=["GET"]),
        Route(f"{table}/new/", pages.find(pages.show_form), methods=["GET"]),
        Route(f"{table}/new/save", pages.find(pages.save_row), methods=["POST"]),
        Route(f"{table}/{row}/", pages.find(pages.show_form), methods=["GET"]),
        Route(f"{table}/{row}/save", pages.find(pages.save_row), methods=["POST"]),
        Route(f"{table}/{row}/delete", pages.find(pages.delete_row), methods=["POST"]),
    ]


Show = Callable[[Request, TableDefinition], Awaitable[Response]]


class _TablePages:
    def __init__(self, state: PhpMyAdminState, templates: Environment) -> None:
        self._state = state
        self._templates = templates

    async def list_tables(self, request: Request) -> Response:
        """Show the address, the user and the password to sign in with, and all tables."""
        stores = {server: self._state.get_server(server).store for server in self._state.list_servers()}
        counts = {
            server: [(table, store.count_rows(table)) for table in store.tables.values()]
            for server, store in stores.items()
        }
        # The host by which this page was asked for: that is the gateway's name for the sandbox where it relays pages.
        address = f"{request.url.scheme}://{request.headers.get('host', '')}/phpmyadmin"
        return self._render(
            "phpmyadmin_tables.html", counts=counts, address=address, username=USERNAME, password=self._state.password
        )

    def find(self, show: Show) -> Callable[[Request], Awaitable[Response]]:
        """Build a handler that finds the table in the path; a missing table or row is a page of its own."""

        async def handle(request: Request) -> Response:
            path = request.path_params
            try:
                store = self._state.get_server(path["server"]).store
                return await show(request, store.find_table(path["database"], path["table"]))
            except KeyError:
                return self._show_problem("This is not here.", 404)
            except ValueError as error:
                return self._show_problem(str(error), 400)

        return handle

    async def show_table(self, request: Request, table: TableDefinition) -> Response:
        """Show the rows of a table, 25 at a time. The query parameter `page` says which; the first are page 1."""
        number = request.query_params.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() else 1
        store = self._state.get_server(request.path_params["server"]).store
        rows = store.list_rows(table, limit=_ROWS_SHOWN, offset=(page - 1) * _ROWS_SHOWN)
        total = store.count_rows(table)
        shown = [
            (row["rowid"], _name_row(table, row), [show_value(row[c.name]) for c in table.columns]) for row in rows
        ]
        return self._render(
            "phpmyadmin_table.html", table=table, here=_build_path(request), rows=shown, total=total, page=page,
            pages=-(-total // _ROWS_SHOWN),
        )  # fmt: skip

    async def show_form(self, request: Request, table: TableDefinition) -> Response:
        """Show the form for a row, or for a new one."""
        rowid = request.path_params.get("rowid")
        store = self._state.get_server(request.path_params["server"]).store
        row = store.find_row(table, rowid) if rowid is not None else _propose_row(table, store)
        fields = [
            (
                c,
                show_value(row.get(c.name)),
                c.data_type in _LONG_TYPES,
                c.kind is Kind.CHOICE and c.data_type == "enum",
            )
            for c in table.columns
        ]
        return self._render("phpmyadmin_row.html", table=table, here=_build_path(request), rowid=rowid, fields=fields)

    async def save_row(self, request: Request, table: TableDefinition) -> Response:
        """Save the values of the form as a new row, or in the row that is in the path."""
        form = {key: str(value).replace("\r\n", "\n") for key, value in (await request.form()).items()}
        values: dict[str, Any] = {
            column.name: None if f"null-{column.name}" in form else form[f"field-{column.name}"]
            for column in table.columns
            if f"field-{column.name}" in form
        }
        server, rowid = request.path_params["server"], request.path_params.get("rowid")
        if rowid is None:
            await asyncio.to_thread(self._state.insert_rows, server, table, [values])
        else:
            row = self._state.get_server(server).store.find_row(table, rowid)
            changed = {name: value for name, value in values.items() if value != show_value(row[name])}
            if changed:
                await asyncio.to_thread(self._state.update_row, server, table, rowid, changed)
        return self._redirect(request)

    async def delete_row(self, request: Request, table: TableDefinition) -> Response:
        """Delete the row that is in the path."""
        path = request.path_params
        await asyncio.to_thread(self._state.delete_row, path["server"], table, path["rowid"])
        return self._redirect(request)

    def _redirect(self, request: Request) -> Response:
        return RedirectResponse(f"{self._templates.globals['base']}{_build_path(request)}", 303)

    def _render(self, name: str, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(**values))

    def _show_problem(self, problem: str, status: int) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), status)


def _build_path(request: Request) -> str:
    path = request.path_params
    return f"{_PATH}/{path['server']}/{path['database']}/{path['table']}/"


def _name_row(table: TableDefinition, row: Row) -> str:
    """Return the values of the key, with which the links of a row are named in the page."""
    return "-".join(str(row[name]) for name in table.key.columns) if table.key else str(row["rowid"])


def _propose_row(table: TableDefinition, store: ServerStore) -> Row:
    """Return values for a new row: the time now, and the next number where a number is the key."""
    row: Row = {c.name: format_now(c.digits) for c in table.columns if c.kind in (Kind.DATETIME, Kind.TIMESTAMP)}
    key = table.find_column(table.key.columns[0]) if table.key and len(table.key.columns) == 1 else None
    if key is not None and key.kind is Kind.INTEGER:
        row[key.name] = store.find_largest(table, key) + 1
    return row
