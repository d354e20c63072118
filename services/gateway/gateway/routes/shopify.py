"""Signing in with Shopify: to its consent page, and back."""

import time
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.convertors import PathConvertor, register_url_convertor

from gateway.logins import Logins, SignedIn, cookie_of
from gateway.platforms.shopify import LOGIN_FORM, Shopify, callback_parameters, shop_of
from gateway.problems import CodeRefused, PlatformAway, Refusal
from gateway.routes.answers import answer, problem
from gateway.routes.sessions import Cookies
from gateway.selftests import PENDING_STATUS, PENDING_TEST
from gateway.views import missing_scopes, queued, sync_document

_CALLBACK = "/shopify/callback"


class _Anything(PathConvertor):
    """Whatever stands where a shop's name should, newlines too, so that it gets the page for what is no shop."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())


def shopify_routes(logins: Logins, app: Shopify, cookies: Cookies) -> APIRouter:
    """`GET /shopify/{shop_name}/login`, `GET /shopify/login?shop=` (the form's), `GET /shopify/callback`."""
    routes = APIRouter()

    @routes.get("/shopify/login")
    async def form(request: Request, shop: str = "") -> Response:
        account = shop_of(shop.strip())
        if account is None:
            return _no_shop(request)
        return RedirectResponse(f"/shopify/{quote(account)}/login", 303)

    @routes.get("/shopify/{shop_name:anything}/login")
    async def login(request: Request, shop_name: str) -> Response:
        account = shop_of(shop_name)
        if account is None:
            return _no_shop(request)
        started = await logins.start(account)
        response = RedirectResponse(app.authorize_url(account, started.state), 302)
        cookies.bind_login(response, started, path=_CALLBACK)
        return response

    @routes.get(_CALLBACK)
    async def callback(request: Request) -> Response:
        again = "/"
        try:
            query = request.scope["query_string"]
            given = callback_parameters(query, secrets=app.secrets, now=time.time())
            again = f"/shopify/{given['shop']}/login"
            signed_in = await _finished(logins, cookies, request, given)
        except (Refusal, CodeRefused) as refusal:
            return problem(request, 400, str(refusal), again=again)
        except PlatformAway as away:
            return problem(request, 502, str(away), again=again)
        return _welcome(request, app, cookies, signed_in, cookie_of(given["state"]))

    return routes


def _no_shop(request: Request) -> Response:
    return problem(request, 400, f"this is not a shop's name; write {LOGIN_FORM}")


async def _finished(logins: Logins, cookies: Cookies, request: Request, given: dict[str, str]) -> SignedIn:
    return await logins.finish(
        given["shop"],
        code=given["code"],
        state=given["state"],
        browser=request.cookies.get(cookie_of(given["state"]), ""),
        session=cookies.session(request),
    )


def _welcome(request: Request, app: Shopify, cookies: Cookies, signed_in: SignedIn, used: str) -> Response:
    (row,) = signed_in.connections
    assert row.wanted_sync is not None
    sync = queued(row.wanted_sync, row.name, row.granted_at)
    document = {
        "user_uuid": str(signed_in.merchant),
        "connection": row.name,
        "sync_id": str(row.wanted_sync),
        "sync_url": f"/syncs/{row.wanted_sync}",
        "missing_scopes": missing_scopes(app, row.scopes),
    }
    shown = sync_document(sync, status=PENDING_STATUS, test=PENDING_TEST, now=row.granted_at)
    response = answer(request, "connected.html", document, sync=shown)
    cookies.sign_in(response, signed_in.session)
    response.delete_cookie(used, path=_CALLBACK)
    return response
