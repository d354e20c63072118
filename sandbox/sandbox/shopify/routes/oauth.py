"""The consent page and the token endpoint."""

import asyncio
import time
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import orjson
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.shopify.generator import Recipe
from sandbox.shopify.grants import GrantError, Grants, signed
from sandbox.shopify.shop_registry import World
from sandbox.shopify.tenants import Tenant


def routes(world: World, templates: Environment, api_key: str, secret: str) -> list[Route]:
    """`/shops/{shop}/admin/oauth/authorize` and `/shops/{shop}/admin/oauth/access_token`."""
    pages = _Consent(world, templates, api_key, secret)
    tokens = _Tokens(world, api_key, secret)
    base = "/shops/{shop}/admin/oauth"
    return [
        Route(f"{base}/authorize", pages.show, methods=["GET"]),
        Route(f"{base}/authorize", pages.decide, methods=["POST"]),
        Route(f"{base}/access_token", tokens.answer, methods=["POST"]),
    ]


class _Consent:
    def __init__(self, world: World, templates: Environment, api_key: str, secret: str) -> None:
        self._world = world
        self._templates = templates
        self._api_key = api_key
        self._secret = secret

    async def show(self, request: Request) -> Response:
        """The page that asks the merchant. A shop that nobody made yet is made now, with a small catalogue."""
        problem = self._problem(dict(request.query_params))
        if problem is not None:
            return self._refused(problem)
        tenant = await self._tenant(request.path_params["shop"])
        if tenant is None:
            return self._refused("This is not the address of a shop.")
        scopes = [scope for scope in request.query_params.get("scope", "").split(",") if scope]
        page = self._templates.get_template("consent.html").render(
            shop=tenant.shop.profile, scopes=scopes, action=f"?{request.url.query}"
        )
        return HTMLResponse(page)

    async def decide(self, request: Request) -> Response:
        """The merchant's `decision`, accept or decline: back to the app with a code or with an error."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        params = dict(request.query_params) | form
        problem = self._problem(params)
        tenant = await self._tenant(request.path_params["shop"])
        if problem is not None or tenant is None:
            return self._refused(problem or "This is not the address of a shop.")
        answer = {"shop": tenant.shop.domain, "timestamp": str(int(time.time()))}
        if "state" in params:
            answer["state"] = params["state"]
        if params.get("decision") == "accept":
            name = tenant.shop.domain.removesuffix(".myshopify.com")
            answer["host"] = b64encode(f"admin.shopify.com/store/{name}".encode()).decode().rstrip("=")
            answer["code"] = tenant.grants.authorize(params.get("scope", ""))
            self._world.save_grants(tenant)
        else:
            answer |= {"error": "access_denied", "error_description": "The merchant declined the installation."}
        target = params["redirect_uri"]
        joined = f"{target}{'&' if urlsplit(target).query else '?'}{signed(answer, self._secret)}"
        return RedirectResponse(joined, status_code=302)

    def _problem(self, params: dict[str, str]) -> str | None:
        if params.get("client_id") != self._api_key:
            return "The application with this API key is not known."
        target = urlsplit(params.get("redirect_uri", ""))
        if target.scheme not in ("http", "https") or not target.netloc:
            return "The redirect_uri is missing or is no address."
        return None

    def _refused(self, problem: str) -> Response:
        page = self._templates.get_template("refused.html").render(problem=problem)
        return HTMLResponse(page, status_code=400)

    async def _tenant(self, domain: str) -> Tenant | None:
        found = self._world.get(domain)
        if found is not None:
            return found
        try:
            recipe = Recipe(shop=domain)
        except ValueError:
            return None
        made, _ = await asyncio.to_thread(self._world.create, recipe)
        return made


class _Tokens:
    def __init__(self, world: World, api_key: str, secret: str) -> None:
        self._world = world
        self._api_key = api_key
        self._secret = secret

    async def answer(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token; 400 with `error` for what is not good."""
        params = await _params(request)
        tenant = self._world.get(request.path_params["shop"])
        if tenant is None:
            return _json({"error": "shop_not_found"}, 404)
        if tenant.faults.token_endpoint_status is not None:
            return Response("", tenant.faults.token_endpoint_status)
        if (params.get("client_id"), params.get("client_secret")) != (self._api_key, self._secret):
            return _json({"error": "invalid_client", "error_description": "The client credentials are wrong"}, 400)
        try:
            body = _grant(tenant, params)
        except GrantError as error:
            return _json({"error": error.code, "error_description": error.description}, 400)
        self._world.save_grants(tenant)
        return _json(body, 200)


def _grant(tenant: Tenant, params: dict[str, str]) -> dict[str, Any]:
    grants: Grants = tenant.grants
    if params.get("grant_type") == "refresh_token":
        tenant.statistics.token_refreshes += 1
        return grants.renew(params.get("refresh_token", ""))
    tenant.statistics.token_exchanges += 1
    return grants.exchange(params.get("code", ""), expiring=params.get("expiring") == "1")


async def _params(request: Request) -> dict[str, str]:
    if "json" in request.headers.get("content-type", ""):
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return {}
        return {str(key): str(value) for key, value in body.items()} if isinstance(body, dict) else {}
    return {key: str(value) for key, value in (await request.form()).items()}


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
