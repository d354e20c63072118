"""The Admin API: GraphQL, with all the ways in which it can be told to fail, and the call that uninstalls the app."""

import asyncio
import random
import uuid
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.responses import HTML, respond
from sandbox.shopify.engine import Engine
from sandbox.shopify.engine import Request as Question
from sandbox.shopify.faults import Faults
from sandbox.shopify.shop_registry import LATEST, World
from sandbox.shopify.tenants import Tenant

VERSIONS = ("2026-01", "2026-04", "2026-07", LATEST, "unstable")
_UNAUTHORIZED = b'{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}'


def routes(world: World, engine: Engine, api_key: str) -> list[Route]:
    """Below `/shops/{shop}/admin`: `POST /api/{version}/graphql.json`, `DELETE /api_permissions/current.json`."""
    endpoint = _Endpoint(world, engine, api_key)
    return [
        Route("/shops/{shop}/admin/api/{version}/graphql.json", endpoint.answer, methods=["POST"]),
        Route("/shops/{shop}/admin/api_permissions/current.json", endpoint.uninstall, methods=["DELETE"]),
    ]


def served(asked: str, faults: Faults) -> str:
    """The version that answers a request for `asked`: an inaccessible one falls forward to the oldest that is
    accessible.
    """
    return faults.version or (asked if asked in VERSIONS else VERSIONS[0])


class _Endpoint:
    def __init__(self, world: World, engine: Engine, api_key: str) -> None:
        self._world = world
        self._engine = engine
        self._api_key = api_key

    async def answer(self, request: Request) -> Response:
        """The answer to one GraphQL request."""
        tenant = await self._entered(request)
        if isinstance(tenant, Response):
            return tenant
        version = served(request.path_params["version"], tenant.faults)
        question = _question(await request.body(), version, self._api_key, _scopes(tenant))
        if question is None:
            return _json(b'{"errors":{"query":"Required parameter missing or invalid"}}', 400)
        body = await asyncio.to_thread(self._execute, tenant, question)
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": str(uuid.uuid4())}
        faults = tenant.faults
        return respond(body, headers, truncated=faults.truncate_body, hanging=faults.hang_mid_body_seconds)

    async def uninstall(self, request: Request) -> Response:
        """The app removes itself, as when its merchant removes it."""
        tenant = await self._entered(request)
        if isinstance(tenant, Response):
            return tenant
        await asyncio.to_thread(self._world.uninstall, tenant)
        return _json(b"{}", 200)

    async def _entered(self, request: Request) -> Tenant | Response:
        """The shop that the request may enter, or the answer that it gets instead."""
        tenant = self._world.get(request.path_params["shop"])
        if tenant is None:
            return _json(b'{"errors":"Not Found"}', 404)
        if not tenant.grants.accepts(request.headers.get("x-shopify-access-token", "")):
            return _json(_UNAUTHORIZED, 401)
        if tenant.faults.hang_seconds:
            await asyncio.sleep(tenant.faults.hang_seconds)
        return _failure(tenant) or tenant

    def _execute(self, tenant: Tenant, question: Question) -> bytes:
        ledger = self._world.ledger(tenant)
        with tenant.shop.lock:
            body = self._engine.answer(tenant, question, ledger)
            if ledger.saved or ledger.events:
                self._world.keep(tenant, ledger)
        return orjson.dumps(body)


def _scopes(tenant: Tenant) -> frozenset[str]:
    return frozenset(tenant.grants.scopes) - frozenset(tenant.faults.deny_scopes)


def _question(body: bytes, version: str, api_key: str, scopes: frozenset[str]) -> Question | None:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("query"), str):
        return None
    variables: Any = parsed.get("variables") or {}
    return Question(parsed["query"], variables, parsed.get("operationName"), version, api_key, scopes)


def _failure(tenant: Tenant) -> Response | None:
    faults = tenant.faults
    if faults.spend("fail_calls") or random.random() < faults.fail_ratio:
        tenant.statistics.errors[f"http_{faults.fail_status}"] += 1
        headers = {"Retry-After": str(faults.retry_after)} if faults.retry_after is not None else None
        return Response(HTML, faults.fail_status, headers, "text/html")
    if faults.html_body:
        return Response(HTML, 200, media_type="text/html")
    if faults.spend("internal_error_calls"):
        tenant.statistics.errors["INTERNAL_SERVER_ERROR"] += 1
        message = "Internal error. Looks like something went wrong on our end."
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": str(uuid.uuid4())}
        return _json(orjson.dumps({"errors": [{"message": message, "extensions": extensions}]}), 200)
    return None


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, media_type="application/json")
