"""The Graph API over HTTP, and the ways in which it can be told to fail before anybody answers."""

import asyncio
import json
import random
from typing import Any

import orjson
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.graph.api import Api
from sandbox.graph.calls import Call, Reply
from sandbox.graph.failures import GraphError, trace_id
from sandbox.graph.names import VERSIONS, version_served
from sandbox.graph.subscribing import Challenge
from sandbox.graph.world import Facebook
from sandbox.responses import HTML_ERROR_PAGE, build_response

_METHODS = ["GET", "POST", "DELETE"]


def routes(facebook: Facebook, challenge: Challenge, address: str) -> list[Route]:
    """Everything under `/graph`; `address` is the URL of that."""
    endpoint = _Endpoint(facebook, Api(facebook, challenge, serialized), address)
    return [Route(path, endpoint.answer, methods=_METHODS) for path in ("/graph", "/graph/{path:path}")]


def serialized(body: Any) -> str:
    """JSON as Graph writes it: non-ASCII and slashes escaped."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/")


class _Endpoint:
    def __init__(self, facebook: Facebook, api: Api, address: str) -> None:
        self._facebook = facebook
        self._api = api
        self._address = address

    async def answer(self, request: Request) -> Response:
        """The answer to one request, if the faults let it through."""
        faults = self._facebook.faults
        path = [part for part in request.path_params.get("path", "").split("/") if part]
        versioned = bool(path) and path[0].startswith("v") and path[0][1:2].isdigit()
        version, path = (path[0], path[1:]) if versioned else (VERSIONS[0], path)
        concerned = faults.concerns(path[0] if path else None)
        if concerned and faults.hang_seconds:
            await asyncio.sleep(faults.hang_seconds)
        failed = self._failure(concerned, path)
        if failed is not None:
            return failed
        try:
            version = faults.version or version_served(version)
        except ValueError:
            reply = _unknown_version(version)
        else:
            params = {**_bearer(request), **request.query_params, **await _body(request)}
            address = f"{self._address}/{version}"
            reply = await self._api.answer(Call(request.method, tuple(path), params, version, address))
        body = serialized(reply.body).encode()
        truncated, hanging = faults.truncate_body and concerned, faults.hang_mid_body_seconds if concerned else 0.0
        return build_response(body, reply.headers, reply.status, truncated=truncated, hanging=hanging)

    def _failure(self, concerned: bool, path: list[str]) -> Response | None:
        faults = self._facebook.faults
        if path == ["oauth", "access_token"] and faults.token_endpoint_status is not None:
            return Response("", faults.token_endpoint_status)
        if not concerned:
            return None
        if faults.spend("fail_calls") or random.random() < faults.fail_ratio:
            self._facebook.statistics.errors[f"http_{faults.fail_status}"] += 1
            return Response(HTML_ERROR_PAGE, faults.fail_status, media_type="text/html")
        return Response(HTML_ERROR_PAGE, 200, media_type="text/html") if faults.html_body else None


def _unknown_version(version: str) -> Reply:
    error = GraphError(2500, f"Unknown path components: /{version}")
    return Reply(error.status, error.envelope(), {"x-fb-trace-id": trace_id()})


def _bearer(request: Request) -> dict[str, str]:
    """The token in the header `Authorization`, where a caller keeps it out of addresses."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return {"access_token": token} if scheme.lower() in ("bearer", "oauth") and token else {}


async def _body(request: Request) -> dict[str, str]:
    """The parameters in the body, a form or JSON; what is no text becomes JSON again."""
    if "json" in request.headers.get("content-type", ""):
        try:
            found = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return {}
        items = found.items() if isinstance(found, dict) else ()
        return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in items}
    form: FormData = await request.form()
    return {key: str(value) for key, value in form.items()}
