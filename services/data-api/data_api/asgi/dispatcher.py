"""The ASGI application: finds the operation of a request, checks what it declares, calls its handler, and answers."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from data_api.access import AccessControl, ApiCaller
from data_api.asgi.access_log import AccessLog
from data_api.asgi.cors import Cors
from data_api.asgi.errors import ErrorForm, RequestError, build_error, build_unavailable_error
from data_api.asgi.operations import Operation
from data_api.asgi.requests import Receive, Request, Scope, Send, parse_parameters, parse_query, read_body, read_key
from data_api.asgi.responses import AnyResponse, Header, Response
from data_api.asgi.router import Router
from data_api.asgi.sending import send_response
from data_api.key_limits import KeyLimits, LimitExceededError
from messaging.errors import UnavailableError

log = structlog.get_logger()

CountRequest = Callable[[str, int, float], None]
"""Counts a request by its operation's id (empty where there is none), its status, and the seconds that it took."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="data-api"'}
_KEY_WANTED = "send a key in the header X-API-Key, or as Authorization: Bearer"
_NO_QUERY: Mapping[str, str] = {}


class OperationDispatcher:
    """Serves `operations`. `on_use` is called with the caller of each request that has a good key."""

    def __init__(
        self,
        operations: Iterable[Operation],
        access: AccessControl,
        limits: KeyLimits,
        cors: Cors,
        *,
        access_log: AccessLog,
        count_request: CountRequest,
        on_use: Callable[[ApiCaller], None],
    ) -> None:
        self.operations = tuple(operations)
        self._router = Router(self.operations)
        self._access = access
        self._limits = limits
        self._cors = cors
        self._access_log = access_log
        self._count_request = count_request
        self._on_use = on_use
        self._default_parameters = {
            operation.operation_id: parse_parameters(operation.parameters, {})
            for operation in self.operations
            if operation.parameters is not None and _needs_no_query(operation)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Of other protocols than HTTP there are none."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, dict(scope["headers"]))
        status = 500
        started = time.perf_counter()
        try:
            response = await self._answer(exchange, receive)
            status = response.status
            response.headers += self._cors.build_headers(exchange.headers)
            await send_response(response, scope["method"], receive, send)
        finally:
            seconds = time.perf_counter() - started
            self._count_request(exchange.operation_id, status, seconds)
            operation, caller = exchange.operation, exchange.caller
            self._access_log.add(
                scope["method"],
                operation.path if operation is not None else None,
                status,
                seconds,
                caller.label if caller is not None else None,
            )

    async def _answer(self, exchange: "_Exchange", receive: Receive) -> AnyResponse:
        try:
            return await self._handle(exchange, receive)
        except RequestError as error:
            return build_error(error, exchange.error_form)
        except LimitExceededError as error:
            refusal = RequestError(429, f"too many {error.limit} with this key", headers=error.headers)
            return build_error(refusal, exchange.error_form)
        except UnavailableError as error:
            log.warning("request not answered", operation=exchange.operation_id, reason=str(error))
            refusal = build_unavailable_error("a part of the service does not answer now; try again in a moment")
            return build_error(refusal, exchange.error_form)

    async def _handle(self, exchange: "_Exchange", receive: Receive) -> AnyResponse:
        scope, headers = exchange.scope, exchange.headers
        path = scope.get("raw_path") or scope["path"].encode()
        # Nothing that is stored has this character: PostgreSQL cannot hold it, and fails when it is asked for it.
        if b"%00" in path or b"%00" in scope["query_string"]:
            raise RequestError(400, "an address cannot have the character NUL")
        match = self._router.find(path)
        if match is None:
            raise RequestError(404, "there is no such address; /docs has all of them")
        method = scope["method"]
        operation = match.operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            return self._answer_other_method(method, match.operations, headers)
        exchange.operation = operation
        query = parse_query(scope["query_string"]) if scope["query_string"] else _NO_QUERY
        if operation.scope is not None:
            exchange.caller = self._authenticate(headers)
            if operation.scope not in exchange.caller.scopes:
                raise RequestError(403, f"the key lacks the scope {operation.scope}")
        request = Request(scope, receive, headers, match.parameters, exchange.caller)
        if operation.parameters is not None:
            default = None if query else self._default_parameters.get(operation.operation_id)
            request.parameters = default or parse_parameters(operation.parameters, query)
        if operation.body is not None:
            request.body = await read_body(operation.body, receive, headers, operation.max_body_bytes)
        return await operation.handle(request)

    def _authenticate(self, headers: Mapping[bytes, bytes]) -> ApiCaller:
        key = read_key(headers)
        if key is None:
            raise RequestError(401, _KEY_WANTED, headers=_CHALLENGE)
        caller = self._access.identify(key)
        if caller is None:
            raise RequestError(401, "the key is unknown, revoked or expired", headers=_CHALLENGE)
        self._limits.take_request(caller.key_hash)
        self._on_use(caller)
        return caller

    def _answer_other_method(
        self, method: str, operations: Mapping[str, Operation], headers: Mapping[bytes, bytes]
    ) -> Response:
        allowed = sorted({*operations, "OPTIONS"} | ({"HEAD"} if "GET" in operations else set()))
        if method != "OPTIONS":
            raise RequestError(405, f"not {method} but {', '.join(allowed)}", headers={"Allow": ", ".join(allowed)})
        if b"access-control-request-method" in headers:
            return self._cors.answer_preflight(headers)
        allow: Header = (b"allow", ", ".join(allowed).encode())
        return Response(204, [allow])


class _Exchange:
    """One request while it is answered: what is known of it so far."""

    __slots__ = ("caller", "headers", "operation", "scope")

    def __init__(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        self.scope = scope
        self.headers = headers
        self.operation: Operation | None = None
        self.caller: ApiCaller | None = None

    @property
    def operation_id(self) -> str:
        return self.operation.operation_id if self.operation else ""

    @property
    def error_form(self) -> ErrorForm:
        if self.operation is not None:
            return self.operation.errors
        path: Any = self.scope["path"]
        return "problem" if path.startswith("/v1/") else "plain"


def _needs_no_query(operation: Operation) -> bool:
    assert operation.parameters is not None
    return not any(field.is_required() for field in operation.parameters.model_fields.values())
