"""The HTTP routes of the Admin API: GraphQL, and the call with which an app uninstalls itself.

The faults of the shop can disturb each of them.
"""

import asyncio
import random
import uuid
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.responses import HTML_ERROR_PAGE, build_json_response, build_response
from sandbox.shopify import edits
from sandbox.shopify.engine import Engine, GraphQLRequest
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.versions import choose_version

_HOLD_CHECK_SECONDS = 0.02
_UNAUTHORIZED = "[API] Invalid API key or access token (unrecognized login or wrong password)"


def build_routes(registry: ShopRegistry, engine: Engine, api_key: str) -> list[Route]:
    """Build the routes of the Admin API under `/shops/{shop}/admin`."""
    api = _AdminApi(registry, engine, api_key)
    return [
        Route("/shops/{shop}/admin/api/{version}/graphql.json", api.execute, methods=["POST"]),
        Route("/shops/{shop}/admin/api_permissions/current.json", api.uninstall, methods=["DELETE"]),
    ]


class _AdminApi:
    def __init__(self, registry: ShopRegistry, engine: Engine, api_key: str) -> None:
        self._registry = registry
        self._engine = engine
        self._api_key = api_key

    async def execute(self, request: Request) -> Response:
        """Answer one GraphQL request."""
        # Read before faults delay the call: a client that gives up meanwhile would make this an error.
        sent = await request.body()
        tenant = await self._authenticate_and_apply_faults(request)
        if isinstance(tenant, Response):
            return tenant
        version = choose_version(request.path_params["version"], tenant.faults)
        graphql_request = _parse_request(sent, version, self._api_key, _get_effective_scopes(tenant))
        if graphql_request is None:
            return build_json_response({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        faults = tenant.faults
        is_write = faults.has_write_faults and await asyncio.to_thread(self._engine.is_write, graphql_request)
        if is_write and faults.use_up_fault("fail_writes"):
            return _build_failure(tenant)
        body = await asyncio.to_thread(self._execute, tenant, graphql_request)
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": str(uuid.uuid4())}
        is_lost = is_write and faults.use_up_fault("lost_answers")
        if is_lost:
            await asyncio.sleep(faults.lost_answer_seconds)
        is_truncated = faults.truncate_body or is_lost
        tenant.statistics.errors["truncated"] += is_truncated
        return build_response(body, headers, truncated=is_truncated, hanging=faults.hang_mid_body_seconds)

    async def uninstall(self, request: Request) -> Response:
        """Uninstall the app from the shop, with the same effects as when the merchant removes it."""
        tenant = await self._authenticate_and_apply_faults(request)
        if isinstance(tenant, Response):
            return tenant
        await asyncio.to_thread(self._registry.uninstall, tenant)
        return build_json_response({})

    async def _authenticate_and_apply_faults(self, request: Request) -> Tenant | Response:
        """Return the shop of the request, or the response that refuses the request or that a fault produces."""
        tenant = self._registry.find_shop(request.path_params["shop"])
        if tenant is None:
            return build_json_response({"errors": "Not Found"}, 404)
        if not tenant.grants.is_valid_access_token(request.headers.get("x-shopify-access-token", "")):
            return build_json_response({"errors": _UNAUTHORIZED}, 401)
        await _wait_while_held(tenant)
        if tenant.faults.hang_seconds:
            await asyncio.sleep(tenant.faults.hang_seconds)
        return _build_fault_response(tenant) or tenant

    def _execute(self, tenant: Tenant, graphql_request: GraphQLRequest) -> bytes:
        changes = self._registry.start_change_set(tenant)
        with tenant.shop.lock:
            edits.replace_products(tenant.shop, changes, tenant.faults.use_up_churn(), seed=tenant.statistics.calls)
            body = self._engine.execute(tenant, graphql_request, changes)
            if changes.records or changes.events:
                self._registry.commit_changes_and_notify(tenant, changes)
        return orjson.dumps(body)


async def _wait_while_held(tenant: Tenant) -> None:
    """Wait while the fault `hold_after_ids` holds the shop's calls."""
    tenant.held_calls += 1
    while tenant.faults.is_holding(tenant.statistics.ids_read):
        await asyncio.sleep(_HOLD_CHECK_SECONDS)
    tenant.held_calls -= 1


def _get_effective_scopes(tenant: Tenant) -> frozenset[str]:
    return frozenset(tenant.grants.scopes) - frozenset(tenant.faults.deny_scopes)


def _parse_request(body: bytes, version: str, api_key: str, scopes: frozenset[str]) -> GraphQLRequest | None:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("query"), str):
        return None
    variables: Any = fields.get("variables") or {}
    return GraphQLRequest(fields["query"], variables, fields.get("operationName"), version, api_key, scopes)


def _build_fault_response(tenant: Tenant) -> Response | None:
    faults = tenant.faults
    if faults.use_up_fault("fail_calls") or random.random() < faults.fail_ratio:
        return _build_failure(tenant)
    if faults.html_body:
        tenant.statistics.errors["html"] += 1
        return Response(HTML_ERROR_PAGE, 200, media_type="text/html")
    if faults.use_up_fault("internal_error_calls"):
        tenant.statistics.errors["INTERNAL_SERVER_ERROR"] += 1
        message = "Internal error. Looks like something went wrong on our end."
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": str(uuid.uuid4())}
        return build_json_response({"errors": [{"message": message, "extensions": extensions}]})
    return None


def _build_failure(tenant: Tenant) -> Response:
    """Build the error that the faults of the shop give to a call that fails."""
    faults = tenant.faults
    tenant.statistics.errors[f"http_{faults.fail_status}"] += 1
    headers = {"Retry-After": str(faults.retry_after)} if faults.retry_after is not None else None
    return Response(HTML_ERROR_PAGE, faults.fail_status, headers, "text/html")
