"""What the three transports share: answering requests with the faults that are switched on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.odoo.database import OdooDatabase
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import OdooError, build_concurrency_error
from sandbox.odoo.state import OdooState

PAGE = (
    '<!DOCTYPE html>\n<html>\n<head><title>Odoo</title></head>\n<body class="o_login"><main><h1>{title}</h1></main>'
    "</body>\n</html>\n"
)
Handler = Callable[[Request], Awaitable[Response]]


def show_page(title: str, status: int) -> Response:
    """Build a page of HTML, such as the one for signing in."""
    return HTMLResponse(PAGE.format(title=title), status)


def serve(state: OdooState, transport: str, handler: Handler) -> Handler:
    """Wrap a handler so that its requests are counted and have the faults of all requests."""

    async def handle(request: Request) -> Response:
        state.statistics.begin_request(transport)
        try:
            if state.faults.seconds_per_answer:
                await asyncio.sleep(state.faults.seconds_per_answer)
            if state.faults.use_up("fail_requests"):
                after = state.faults.retry_after
                headers = {"Retry-After": str(after)} if after is not None else None
                return Response(b"", state.faults.fail_status, headers)
            if state.faults.use_up("html_requests"):
                return show_page("Maintenance", state.faults.html_status)
            return await handler(request)
        finally:
            state.statistics.end_request()

    return handle


async def call_method(
    state: OdooState, database: str, user: int, model: str, method: str, call: Callable[[OdooEnvironment], Any]
) -> tuple[Any, frozenset[str]]:
    """Run a client's call in a thread; return its result, and the faults that its answer has. Raises OdooError."""
    faults = state.faults.use_up_call(model, method)
    state.statistics.calls[f"{model}.{method}"] += 1
    if "slow_calls" in faults:
        await asyncio.sleep(state.faults.slow_seconds)
    try:
        if "concurrency_errors" in faults:
            error = build_concurrency_error(state.faults.concurrency_error)
            if method != "load":
                raise error
            message = {"type": "error", "message": error.message, "rows": {"from": 0, "to": 0}, "record": 0}
            return {"ids": False, "messages": [message], "nextrow": 0}, faults
        return await asyncio.to_thread(state.run, database, user, call), faults
    except OdooError as error:
        state.statistics.errors[error.name] += 1
        raise


async def distort(state: OdooState, response: Response, faults: frozenset[str]) -> Response:
    """Return the response, or what arrives instead of it with these faults."""
    if "hidden_calls" in faults:
        await asyncio.sleep(state.faults.hidden_seconds)
        return CutResponse(response, 0)
    return CutResponse(response, len(response.body) // 2) if "cut_calls" in faults else response


class CutResponse(Response):
    """A response whose connection closes behind the first `length` bytes of the body."""

    def __init__(self, response: Response, length: int) -> None:
        super().__init__(response.body, response.status_code, dict(response.headers))
        self._length = length

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[: self._length]), "more_body": True})
        # The server closes the connection of an answer that does not end.
        raise ConnectionAbortedError


def find_address(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else ""


def choose_database(state: OdooState, request: Request) -> OdooDatabase | None:
    """Return the database that a request is about: the one that it names, or the only one."""
    name = request.headers.get("x-odoo-database") or request.query_params.get("db")
    if name:
        return state.databases.get(name)
    return next(iter(state.databases.values())) if len(state.databases) == 1 else None


def build_debug(error: OdooError) -> str:
    """Return the text that stands for the server's traceback."""
    return f"Traceback (most recent call last):\n  (the simulated server)\n{error.name}: {error.message}\n"
