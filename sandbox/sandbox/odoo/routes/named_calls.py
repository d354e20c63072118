"""JSON-2, from version 19 on: one path for each method of a model, with named parameters and a bearer key."""

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import OdooError, ServerFault
from sandbox.odoo.methods import find_method, run_method
from sandbox.odoo.routes.answers import build_debug, call_method, choose_database, distort, serve, show_page
from sandbox.odoo.state import OdooState
from sandbox.responses import build_json_response

_FIRST_VERSION = 19


def build_routes(state: OdooState) -> list[Route]:
    """Build the route of JSON-2."""
    calls = NamedCalls(state)
    return [Route("/json/2/{model}/{method}", serve(state, "json2", calls.answer), methods=["GET", "POST"])]


class NamedCalls:
    """Answers JSON-2."""

    def __init__(self, state: OdooState) -> None:
        self._state = state

    async def answer(self, request: Request) -> Response:
        """Answer a call. Versions before 19 answer with a page of HTML."""
        state = self._state
        if state.setup.version < _FIRST_VERSION:
            return show_page("Odoo", 200 if state.setup.version == 18 else 404)
        database = choose_database(state, request)
        if database is None:
            return show_page("Not Found", 404)
        if request.method != "POST":
            return _refuse(404, "NotFound", "Did you mean POST /json/2/<model>/<method>?")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        user = None
        if scheme.lower() == "bearer":
            user = await asyncio.to_thread(state.get_authenticator(database.name).find_user, key.strip())
        state.statistics.logins["accepted" if user is not None else "refused"] += 1
        if user is None:
            response = _refuse(401, "Unauthorized", "Invalid apikey")
            response.headers["WWW-Authenticate"] = "bearer"
            return response
        try:
            body = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError as error:
            return _refuse(400, "BadRequest", f"could not parse the body as json: {error}")
        if not isinstance(body, dict):
            return _refuse(400, "BadRequest", "the body is not a json object")
        model, method = request.path_params["model"], request.path_params["method"]
        faults: frozenset[str] = frozenset()
        try:
            result, faults = await call_method(
                state, database.name, user, model, method, lambda env: call_named(env, model, method, body)
            )
            response = build_json_response(result)
        except OdooError as error:
            response = build_json_response(_describe_error(error), error.status)
        return await distort(state, response, faults)


def call_named(env: OdooEnvironment, model: str, method: str, body: dict[str, Any]) -> Any:
    """Call a method as JSON-2 does: the ids and the context beside the named parameters."""
    parameters = dict(body)
    ids, context = parameters.pop("ids", None), parameters.pop("context", None)
    if model not in env.models:
        raise ServerFault("werkzeug.exceptions.NotFound", f"the model {model!r} does not exist", 404)
    try:
        definition = find_method(env, model, method)
    except ServerFault:
        message = f"the method '{model}.{method}' does not exist"
        raise ServerFault("werkzeug.exceptions.NotFound", message, 404) from None
    if ids and not definition.needs_ids:
        message = f"cannot call {model}.{method} with ids"
        raise ServerFault("werkzeug.exceptions.UnprocessableEntity", message, 422)
    try:
        bound = definition.bind([], parameters)
    except TypeError as error:
        raise ServerFault("werkzeug.exceptions.UnprocessableEntity", str(error), 422) from None
    chosen = list(ids or []) if definition.needs_ids else None
    return run_method(env.extend_context(**(context or {})), model, definition, chosen, bound)


def _describe_error(error: OdooError) -> dict[str, Any]:
    return {
        "name": error.name, "message": error.message, "arguments": error.arguments, "context": {},
        "debug": build_debug(error),
    }  # fmt: skip


def _refuse(status: int, name: str, message: str) -> Response:
    body = {
        "name": f"werkzeug.exceptions.{name}", "message": message, "arguments": [message, HTTPStatus(status).value],
        "context": {}, "debug": "",
    }  # fmt: skip
    return build_json_response(body, status)
