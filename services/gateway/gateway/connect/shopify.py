"""Signing in with Shopify: to its consent page, and back."""

import time
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.convertors import PathConvertor, register_url_convertor

from gateway.connect.oauth_flow import Logins, SignedIn, cookie_of
from gateway.pages.openapi_descriptions import ANYBODY, AWAY, led, problems, query, says, shown
from gateway.pages.responses import answer, problem
from gateway.pages.views import MissingScope, Shown, missing_scopes, queued, sync_document
from gateway.platforms.shopify import LOGIN_FORM, Shopify, callback_parameters, shop_of
from gateway.sessions.cookies import BY_SESSION, LOGIN_COOKIE, Cookies
from gateway.webhooks.probe import PENDING_RESULT
from gateway.webhooks.status import PENDING_STATUS
from platform_sdk.errors import RequestRejectedError, TransientError

_CALLBACK = "/shopify/callback"
_NO_SHOP = {400: f"This is not a shop's name ({LOGIN_FORM})."}
_CONSENTED = {
    "code": "Exchanged for tokens, once",
    "hmac": "Signs the other parameters",
    "shop": "The shop's domain",
    "state": "That of the login, from the same browser",
    "timestamp": "Seconds; at most five minutes off",
}
_REFUSED = {
    400: "The consent was cancelled, is not this browser's or Shopify's, or its code is not taken; nothing was stored.",
    502: "Shopify does not answer.",
}


class ShopConnected(Shown):
    """A consent that was stored; the cookie `session_id` comes with it."""

    user_uuid: UUID
    connection: str
    sync_id: UUID
    sync_url: str
    missing_scopes: list[MissingScope]


_FORM = says("The form's way to a shop's login", led(303, "To the login of this shop."), problems(_NO_SHOP))
_LOGIN = says(
    "Sign in with a shop",
    led(302, "To Shopify's consent.", cookie=LOGIN_COOKIE),
    problems({**_NO_SHOP, **AWAY}),
)
_BACK = says(
    "Back from Shopify's consent",
    shown(ShopConnected, "Connected; the first sync has begun."),
    problems({**_REFUSED, **AWAY}),
    dependencies=[BY_SESSION],
    openapi_extra=query(_CONSENTED) | ANYBODY,
)


class _Anything(PathConvertor):
    """Whatever stands where a shop's name should, newlines too, so that it gets the page for what is no shop."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())


def shopify_routes(logins: Logins, app: Shopify, cookies: Cookies) -> APIRouter:
    """`GET /shopify/{shop_name}/login`, `GET /shopify/login?shop=` (the form's), `GET /shopify/callback`."""
    routes = APIRouter(tags=["Signing in"])

    @routes.get("/shopify/login", **_FORM)
    async def form(request: Request, shop: str = "") -> Response:
        account = shop_of(shop.strip())
        if account is None:
            return _no_shop(request)
        return RedirectResponse(f"/shopify/{quote(account)}/login", 303)

    @routes.get("/shopify/{shop_name:anything}/login", **_LOGIN)
    async def login(request: Request, shop_name: str) -> Response:
        account = shop_of(shop_name)
        if account is None:
            return _no_shop(request)
        started = await logins.start(account)
        response = RedirectResponse(app.authorize_url(account, started.state), 302)
        cookies.bind_login(response, started, path=_CALLBACK)
        return response

    @routes.get(_CALLBACK, **_BACK)
    async def callback(request: Request) -> Response:
        again = "/"
        try:
            query = request.scope["query_string"]
            given = callback_parameters(query, secrets=app.secrets, now=time.time())
            again = f"/shopify/{given['shop']}/login"
            signed_in = await _finished(logins, cookies, request, given)
        except RequestRejectedError as error:
            return problem(request, error.status, error.reason, again=again)
        except TransientError as away:
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
    document = ShopConnected(
        user_uuid=signed_in.merchant,
        connection=row.name,
        sync_id=row.wanted_sync,
        sync_url=f"/syncs/{row.wanted_sync}",
        missing_scopes=missing_scopes(app, row.scopes),
    )
    first = sync_document(sync, status=PENDING_STATUS, test=PENDING_RESULT, now=row.granted_at)
    response = answer(request, "connected.html", document.model_dump(mode="json"), sync=first)
    cookies.sign_in(response, signed_in.session)
    response.delete_cookie(used, path=_CALLBACK)
    return response
