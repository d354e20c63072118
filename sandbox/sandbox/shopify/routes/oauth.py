"""The HTTP routes of OAuth: the consent page and the token endpoint."""

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

from sandbox.responses import build_json_response
from sandbox.shopify.generator import Recipe
from sandbox.shopify.grants import TokenRefusal, build_signed_query
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.tenants import Tenant


def build_routes(registry: ShopRegistry, templates: Environment, api_key: str, secret: str) -> list[Route]:
    """Build the routes `authorize` and `access_token` under `/shops/{shop}/admin/oauth`."""
    consent = _ConsentPage(registry, templates, api_key, secret)
    tokens = _TokenEndpoint(registry, api_key, secret)
    base = "/shops/{shop}/admin/oauth"
    return [
        Route(f"{base}/authorize", consent.show, methods=["GET"]),
        Route(f"{base}/authorize", consent.decide, methods=["POST"]),
        Route(f"{base}/access_token", tokens.issue, methods=["POST"]),
    ]


class _ConsentPage:
    def __init__(self, registry: ShopRegistry, templates: Environment, api_key: str, secret: str) -> None:
        self._registry = registry
        self._templates = templates
        self._api_key = api_key
        self._secret = secret

    async def show(self, request: Request) -> Response:
        """Show the HTML page on which the merchant accepts or declines the app and the scopes that it requests.

        A shop that does not exist is created.
        """
        problem = self._find_problem(dict(request.query_params))
        if problem is not None:
            return self._refuse(problem)
        tenant = await self._get_or_create_shop(request.path_params["shop"])
        if tenant is None:
            return self._refuse("This is not the address of a shop.")
        scopes = [scope for scope in request.query_params.get("scope", "").split(",") if scope]
        page = self._templates.get_template("consent.html").render(
            shop=tenant.shop.profile, scopes=scopes, action=f"?{request.url.query}"
        )
        return HTMLResponse(page)

    async def decide(self, request: Request) -> Response:
        """Redirect the merchant to the app, with an authorization code if the form's `decision` is accept.

        With any other decision, the redirect has an error instead.
        """
        form = {key: str(value) for key, value in (await request.form()).items()}
        params = dict(request.query_params) | form
        problem = self._find_problem(params)
        tenant = await self._get_or_create_shop(request.path_params["shop"])
        if problem is not None or tenant is None:
            return self._refuse(problem or "This is not the address of a shop.")
        callback = {"shop": tenant.shop.domain, "timestamp": str(int(time.time()))}
        if "state" in params:
            callback["state"] = params["state"]
        if params.get("decision") == "accept":
            name = tenant.shop.domain.removesuffix(".myshopify.com")
            callback["host"] = b64encode(f"admin.shopify.com/store/{name}".encode()).decode().rstrip("=")
            online = params.get("grant_options[]") == "per-user"
            callback["code"] = tenant.grants.grant_and_issue_code(params.get("scope", ""), online=online)
            self._registry.save_grants(tenant)
        else:
            callback |= {"error": "access_denied", "error_description": "The merchant declined the installation."}
        redirect_uri = params["redirect_uri"]
        separator = "&" if urlsplit(redirect_uri).query else "?"
        query = build_signed_query(callback, self._secret)
        return RedirectResponse(f"{redirect_uri}{separator}{query}", status_code=302)

    def _find_problem(self, params: dict[str, str]) -> str | None:
        if params.get("client_id") != self._api_key:
            return "The application with this API key is not known."
        redirect_uri = urlsplit(params.get("redirect_uri", ""))
        if redirect_uri.scheme not in ("http", "https") or not redirect_uri.netloc:
            return "The redirect_uri is missing or is no address."
        return None

    def _refuse(self, problem: str) -> Response:
        page = self._templates.get_template("refused.html").render(problem=problem)
        return HTMLResponse(page, status_code=400)

    async def _get_or_create_shop(self, domain: str) -> Tenant | None:
        """Return the shop with the domain, or None if the domain is not valid.

        A shop that does not exist is generated, with the default number of records of each kind.
        """
        tenant = self._registry.find_shop(domain)
        if tenant is not None:
            return tenant
        try:
            recipe = Recipe(shop=domain)
        except ValueError:
            return None
        tenant, _ = await asyncio.to_thread(self._registry.get_or_create_shop, recipe)
        return tenant


class _TokenEndpoint:
    def __init__(self, registry: ShopRegistry, api_key: str, secret: str) -> None:
        self._registry = registry
        self._api_key = api_key
        self._secret = secret

    async def issue(self, request: Request) -> Response:
        """Issue tokens for an authorization code or a refresh token.

        A refused request gets the status 400 and an OAuth `error`. For a shop that does not exist the status is 404.
        """
        params = await _read_params(request)
        tenant = self._registry.find_shop(request.path_params["shop"])
        if tenant is None:
            return build_json_response({"error": "shop_not_found"}, 404)
        if tenant.faults.token_endpoint_status is not None:
            return Response("", tenant.faults.token_endpoint_status)
        if (params.get("client_id"), params.get("client_secret")) != (self._api_key, self._secret):
            description = "The client credentials are wrong"
            return build_json_response({"error": "invalid_client", "error_description": description}, 400)
        body = _issue_tokens(tenant, params)
        if isinstance(body, TokenRefusal):
            return build_json_response({"error": body.code, "error_description": body.description}, 400)
        self._registry.save_grants(tenant)
        return build_json_response(body)


def _issue_tokens(tenant: Tenant, params: dict[str, str]) -> dict[str, Any] | TokenRefusal:
    if params.get("grant_type") == "refresh_token":
        tenant.statistics.token_refreshes += 1
        return tenant.grants.renew_tokens(params.get("refresh_token", ""))
    tenant.statistics.token_exchanges += 1
    return tenant.grants.exchange_code(params.get("code", ""), expiring=params.get("expiring") == "1")


async def _read_params(request: Request) -> dict[str, str]:
    """Read the parameters from the body, which is JSON or a form. Invalid JSON gives no parameters."""
    if "json" in request.headers.get("content-type", ""):
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return {}
        return {str(key): str(value) for key, value in body.items()} if isinstance(body, dict) else {}
    return {key: str(value) for key, value in (await request.form()).items()}
