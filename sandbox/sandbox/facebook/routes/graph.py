"""The HTTP routes of the Graph API, with the faults that replace or interrupt its responses."""

import asyncio
import json
import random
from typing import Any

import orjson
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.facebook.api import GraphApi
from sandbox.facebook.calls import Call, Reply
from sandbox.facebook.errors import GraphError, create_trace_id
from sandbox.facebook.graph_schema import VERSIONS, resolve_version
from sandbox.facebook.state import FacebookState
from sandbox.facebook.subscriptions import VerifyCallback
from sandbox.responses import HTML_ERROR_PAGE, build_response

_METHODS = ["GET", "POST", "DELETE"]


def build_routes(facebook: FacebookState, verify_callback: VerifyCallback, address: str) -> list[Route]:
    """Build the routes of the Graph API, under `/graph`. `address` is the public URL of `/graph`.

    `verify_callback` sends the verification challenge to a new webhook URL of the app.
    """
    endpoint = _Endpoint(facebook, GraphApi(facebook, verify_callback, serialize), address)
    return [Route(path, endpoint.answer, methods=_METHODS) for path in ("/graph", "/graph/{path:path}")]


def serialize(body: Any) -> str:
    """Serialize `body` as Graph does: JSON without white space. Slashes and non-ASCII characters are escaped."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/")


class _Endpoint:
    def __init__(self, facebook: FacebookState, api: GraphApi, address: str) -> None:
        self._facebook = facebook
        self._api = api
        self._address = address

    async def answer(self, request: Request) -> Response:
        """Answer one HTTP request to the Graph API, unless a fault (a simulated failure) replaces the answer."""
        faults = self._facebook.faults
        path = [segment for segment in request.path_params.get("path", "").split("/") if segment]
        has_version = bool(path) and path[0].startswith("v") and path[0][1:2].isdigit()
        version, path = (path[0], path[1:]) if has_version else (VERSIONS[0], path)
        is_affected = faults.is_affected(path[0] if path else None)
        if is_affected and faults.hang_seconds:
            await asyncio.sleep(faults.hang_seconds)
        failure = self._build_failure(is_affected, path)
        if failure is not None:
            return failure
        try:
            version = faults.version or resolve_version(version)
        except ValueError:
            reply = _build_version_error(version)
        else:
            params = {**_read_bearer_token(request), **request.query_params, **await _read_body(request)}
            address = f"{self._address}/{version}"
            reply = await self._api.answer(Call(request.method, tuple(path), params, version, address))
        body = serialize(reply.body).encode()
        truncated, hanging = faults.truncate_body and is_affected, faults.hang_mid_body_seconds if is_affected else 0.0
        return build_response(body, reply.headers, reply.status, truncated=truncated, hanging=hanging)

    def _build_failure(self, is_affected: bool, path: list[str]) -> Response | None:
        """Build the response with which a fault replaces the API's response. Returns None if no such fault applies.

        `is_affected` says whether faults affect the Facebook Page of the call; `path` has the path's segments after the
        version. The fault of the token endpoint applies to all calls of this endpoint.
        """
        faults = self._facebook.faults
        if path == ["oauth", "access_token"] and faults.token_endpoint_status is not None:
            return Response("", faults.token_endpoint_status)
        if not is_affected:
            return None
        if faults.use_up_fault("fail_calls") or random.random() < faults.fail_ratio:
            self._facebook.statistics.errors[f"http_{faults.fail_status}"] += 1
            return Response(HTML_ERROR_PAGE, faults.fail_status, media_type="text/html")
        return Response(HTML_ERROR_PAGE, 200, media_type="text/html") if faults.html_body else None


def _build_version_error(version: str) -> Reply:
    error = GraphError(2500, f"Unknown path components: /{version}")
    return Reply(error.status_code, error.build_body(), {"x-fb-trace-id": create_trace_id()})


def _read_bearer_token(request: Request) -> dict[str, str]:
    """Read the token from the header `Authorization`, and return it as the parameter `access_token`.

    Without such a token the result is empty. Callers use this header to keep tokens out of URLs.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return {"access_token": token} if scheme.lower() in ("bearer", "oauth") and token else {}


async def _read_body(request: Request) -> dict[str, str]:
    """Read the parameters from the body, which is a form or JSON. JSON values that are not strings stay JSON text."""
    if "json" in request.headers.get("content-type", ""):
        try:
            parsed = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return {}
        items = parsed.items() if isinstance(parsed, dict) else ()
        return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in items}
    form: FormData = await request.form()
    return {key: str(value) for key, value in form.items()}
