"""JSON-RPC and XML-RPC: the services `common`, `object` and `db`, with positional arguments."""

import asyncio
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, dumps, loads

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.odoo.errors import AccessDenied, OdooError, ServerFault
from sandbox.odoo.methods import call_positional
from sandbox.odoo.routes.answers import (
    build_debug,
    call_method,
    distort,
    find_address,
    serve,
    show_page,
)
from sandbox.odoo.state import OdooState
from sandbox.responses import build_json_response

Answer = tuple[Any, frozenset[str]]
_NO_FAULTS: frozenset[str] = frozenset()


def build_version(version: int) -> dict[str, Any]:
    """Build what the server tells about its version."""
    return {
        "server_version": f"{version}.0", "server_version_info": [version, 0, 0, "final", 0, ""],
        "server_serie": f"{version}.0", "protocol_version": 1,
    }  # fmt: skip


def build_routes(state: OdooState) -> list[Route]:
    """Build the routes of JSON-RPC and XML-RPC."""
    calls = RemoteCalls(state)
    return [
        Route("/jsonrpc", serve(state, "jsonrpc", calls.answer_json), methods=["POST"]),
        Route("/xmlrpc/2/{service}", serve(state, "xmlrpc", calls.answer_xml), methods=["POST"]),
    ]


class RemoteCalls:
    """Answers JSON-RPC and XML-RPC."""

    def __init__(self, state: OdooState) -> None:
        self._state = state

    async def answer_json(self, request: Request) -> Response:
        """Answer a call in JSON-RPC. The status is 200 for errors too; a result of None is left out."""
        try:
            body = orjson.loads(await request.body())
            parameters = body.get("params") or {}
            service, method = parameters["service"], parameters["method"]
            arguments = list(parameters.get("args") or [])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return show_page("Bad Request", 400)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body.get("id")}
        faults = _NO_FAULTS
        try:
            result, faults = await self._dispatch(service, method, arguments, find_address(request))
            if result is not None:
                answer["result"] = result
        except OdooError as error:
            answer["error"] = build_error(error, self._state.setup.version)
        return await distort(self._state, build_json_response(answer), faults)

    async def answer_xml(self, request: Request) -> Response:
        """Answer a call in XML-RPC. A result of None becomes a fault, after what was written is kept."""
        try:
            arguments, method = loads(await request.body(), use_builtin_types=True)
        except (ExpatError, UnicodeDecodeError, ValueError):
            return show_page("Bad Request", 400)
        faults = _NO_FAULTS
        try:
            service = request.path_params["service"]
            result, faults = await self._dispatch(service, str(method), list(arguments), find_address(request))
            text = dumps((result,), methodresponse=True, allow_none=False)
        except OdooError as error:
            message = error.message if error.fault != 1 else build_debug(error)
            text = dumps(Fault(error.fault, message), methodresponse=True)
        except (TypeError, OverflowError) as error:
            text = dumps(Fault(1, f"Traceback (most recent call last):\nTypeError: {error}\n"), methodresponse=True)
        response = Response(_strip_control_characters(text), media_type="text/xml")
        return await distort(self._state, response, faults)

    async def _dispatch(self, service: str, method: str, arguments: list[Any], address: str) -> Answer:
        state = self._state
        match service, method:
            case "common", "version":
                return build_version(state.setup.version), _NO_FAULTS
            case "common", "authenticate" | "login":
                return await asyncio.to_thread(self._authenticate, arguments, address), _NO_FAULTS
            case "db", "list" if state.setup.version < 20:
                if not state.setup.lists_databases:
                    raise AccessDenied("Access Denied")
                return sorted(state.databases), _NO_FAULTS
            case "object", "execute_kw" | "execute":
                return await self._execute(method, arguments, address)
        raise ServerFault("builtins.KeyError" if service not in ("common", "object", "db") else "builtins.NameError",
                          f"Method not available {method}")  # fmt: skip

    def _authenticate(self, arguments: list[Any], address: str) -> int | bool:
        database, login, key = arguments[:3]
        try:
            user = self._state.get_authenticator(str(database)).log_in(str(login), str(key), address)
        except AccessDenied as refusal:
            self._state.statistics.logins["blocked" if "Too many" in refusal.message else "refused"] += 1
            return False
        self._state.statistics.logins["accepted"] += 1
        return user

    async def _execute(self, kind: str, arguments: list[Any], address: str) -> Answer:
        try:
            database, user, key, model, method = arguments[:5]
            positional, named = (arguments[5:], {}) if kind == "execute" else ([], {})
            if kind == "execute_kw":
                positional = list(arguments[5])
                named = dict(arguments[6] or {}) if len(arguments) > 6 else {}
            user = int(user)
        except (ValueError, TypeError, IndexError) as error:
            raise ServerFault(f"builtins.{type(error).__name__}", str(error)) from None
        self._state.get_authenticator(str(database)).check(user, str(key), address)
        return await call_method(
            self._state, str(database), user, model, method,
            lambda env: call_positional(env, model, method, positional, named),
        )  # fmt: skip


def build_error(error: OdooError, version: int) -> dict[str, Any]:
    """Build the error of an answer in JSON-RPC."""
    data = {
        "name": error.name, "debug": build_debug(error), "message": error.message, "arguments": error.arguments,
        "context": {},
    }  # fmt: skip
    return {"code": 200 if version < 19 else 0, "message": "Odoo Server Error", "data": data}


def _strip_control_characters(text: str) -> str:
    return "".join(c for c in text if c >= " " or c in "\t\n\r")
