"""Signing in at a platform's consent page: the redirect to it, and its callback."""

import time
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, create_model
from starlette.convertors import PathConvertor, register_url_convertor

from gateway.connect.connected_page import MerchantConnected, respond_connected
from gateway.connect.grants import SignIn
from gateway.connect.oauth_flow import OAuthFlow
from gateway.connect.paths import build_login_path, describe_missing_settings
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    UNAVAILABLE,
    describe_continuation,
    describe_page,
    describe_problems,
    describe_query,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import respond_continuation, respond_problem
from gateway.sessions.cookies import LOGIN_COOKIE_DESCRIPTION, OPTIONAL_SESSION_COOKIE, Cookies
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountForm, OAuth, OAuthCallback
from platform_sdk.errors import RequestRejectedError, TransientError

MAX_KEPT_LENGTH = 200
"""How many characters of a wrong account name are shown again in the form."""


class _AnyText(PathConvertor):
    """Matches any text in place of an account's name, also newlines, so that every wrong name gets the same error."""

    regex = "(?s:.*)"


register_url_convertor("anything", _AnyText())


def create_oauth_routes(adapter: PlatformAdapter, method: OAuth, flow: OAuthFlow, cookies: Cookies) -> APIRouter:
    """Return the routes of one platform: `GET /{platform}/login` and `GET /{platform}/callback`.

    Where the merchant names the account before the consent, there is also `GET /{platform}/{account}/login`. With
    `?again=1` the consent page asks again for the scopes that the user declined. Where the platform is not configured,
    the logins answer 503 and there is no callback.
    """
    routes = APIRouter(tags=["Signing in"])
    if method.form is None:
        _add_login(routes, adapter, method, flow, cookies)
    else:
        _add_form(routes, adapter, method, method.form)
        _add_account_login(routes, adapter, method, method.form, flow, cookies)
    if adapter.is_configured:
        _add_callback(routes, adapter, method, flow, cookies)
    return routes


def _add_login(routes: APIRouter, adapter: PlatformAdapter, method: OAuth, flow: OAuthFlow, cookies: Cookies) -> None:
    title = adapter.manifest.title
    description = describe_route(
        f"Sign in with {title}; again=1 asks once more for what was declined",
        describe_redirect(302, f"To {title}'s consent.", cookie=LOGIN_COOKIE_DESCRIPTION),
        describe_problems({**_describe_unavailable(adapter), **RATE_LIMITED}),
    )

    @routes.get(f"/{adapter.slug}/login", **description)
    async def login(request: Request, again: str = "") -> Response:
        return await _redirect_to_consent(request, adapter, method, flow, cookies, "", again=bool(again))


def _add_form(routes: APIRouter, adapter: PlatformAdapter, method: OAuth, form: AccountForm) -> None:
    noun = adapter.manifest.account_noun
    description = describe_route(
        f"The form's way to a {noun}'s login",
        describe_continuation(f"To the login of this {noun}."),
        describe_problems({**_describe_wrong_name(adapter, form), **RATE_LIMITED}),
        # FastAPI must not require the field: the route itself answers a missing name with a page.
        openapi_extra=describe_query({form.field: form.hint}, optional=[form.field]),
    )

    @routes.get(f"/{adapter.slug}/login", **description)
    async def find_login(request: Request) -> Response:
        name = request.query_params.get(form.field, "").strip()
        account = method.parse_account(name)
        if account is None:
            return _respond_wrong_name(request, adapter, form, name)
        return respond_continuation(request, f"/{adapter.slug}/{quote(account)}/login")


def _add_account_login(
    routes: APIRouter,
    adapter: PlatformAdapter,
    method: OAuth,
    form: AccountForm,
    flow: OAuthFlow,
    cookies: Cookies,
) -> None:
    title = adapter.manifest.title
    description = describe_route(
        f"Sign in with a {adapter.manifest.account_noun}; again=1 asks once more for what was declined",
        describe_redirect(302, f"To {title}'s consent.", cookie=LOGIN_COOKIE_DESCRIPTION),
        describe_problems({**_describe_wrong_name(adapter, form), **_describe_unavailable(adapter), **RATE_LIMITED}),
    )

    @routes.get(f"/{adapter.slug}/{{account:anything}}/login", **description)
    async def login(request: Request, account: str, again: str = "") -> Response:
        name = method.parse_account(account)
        if name is None:
            return _respond_wrong_name(request, adapter, form, account)
        return await _redirect_to_consent(request, adapter, method, flow, cookies, name, again=bool(again))


def _add_callback(
    routes: APIRouter, adapter: PlatformAdapter, method: OAuth, flow: OAuthFlow, cookies: Cookies
) -> None:
    title, path = adapter.manifest.title, _get_callback_path(adapter)
    refusals = {
        400: (
            f"The consent was cancelled, is not this browser's, lacks what is needed, or {title} does not take its "
            "code; nothing was stored."
        ),
        502: f"{title} does not answer.",
    }
    description = describe_route(
        f"Back from {title}'s consent",
        describe_page(create_connected_model(method.result_model), "Connected; the first syncs have begun."),
        describe_problems({**refusals, **UNAVAILABLE, **RATE_LIMITED}),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_query(method.callback_parameters) | OPTIONAL_SESSION,
    )

    @routes.get(path, **description)
    async def complete_login(request: Request) -> Response:
        callback = None
        try:
            callback = method.parse_callback(request.scope["query_string"], time.time())
            sign_in = await flow.complete_login(
                callback,
                login_cookie=cookies.get_login(request, callback.state),
                session=cookies.get_session(request),
            )
        except RequestRejectedError as error:
            again = _build_retry_path(adapter, method, callback, ask_again=error.ask_again)
            return respond_problem(request, error.status, error.reason, again=again)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=_build_retry_path(adapter, method, callback))
        response = _respond_connected(request, adapter, method, sign_in)
        cookies.set_session(response, sign_in.session)
        cookies.delete_login(response, callback.state, path=path)
        return response


def create_connected_model(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of the JSON that answers a successful OAuth callback.

    It has the fields of the platform's `model` and those of MerchantConnected.
    """
    return create_model(model.__name__, __base__=(model, MerchantConnected), __doc__=model.__doc__)


async def _redirect_to_consent(
    request: Request,
    adapter: PlatformAdapter,
    method: OAuth,
    flow: OAuthFlow,
    cookies: Cookies,
    account: str,
    *,
    again: bool,
) -> Response:
    if not adapter.is_configured:
        return respond_problem(request, 503, describe_missing_settings(adapter))
    authorization = await flow.begin_login(account)
    url = method.build_authorize_url(account, authorization.state, again=again)
    response = RedirectResponse(url, 302)
    cookies.set_login(response, authorization.state, authorization.browser, path=_get_callback_path(adapter))
    return response


def _respond_connected(request: Request, adapter: PlatformAdapter, method: OAuth, sign_in: SignIn) -> Response:
    document = jsonable_encoder(method.build_callback_result(sign_in.grants, sign_in.accounts))
    again = f"{build_login_path(adapter, sign_in.accounts[0].account)}?again=1"
    return respond_connected(request, adapter, sign_in, document, again=again)


def _build_retry_path(
    adapter: PlatformAdapter, method: OAuth, callback: OAuthCallback | None, *, ask_again: bool = False
) -> str:
    """Return the path at which the browser can start again after a failed callback.

    `callback` is None when it could not be verified, so that its account is unknown. Where the login's path names the
    account, this is then the home page. With `ask_again` the consent page asks once more for declined scopes.
    """
    if method.form is not None and callback is None:
        return "/"
    path = build_login_path(adapter, callback.account if callback else "")
    return f"{path}?again=1" if ask_again else path


def _get_callback_path(adapter: PlatformAdapter) -> str:
    return f"/{adapter.slug}/callback"


def _respond_wrong_name(request: Request, adapter: PlatformAdapter, form: AccountForm, name: str) -> Response:
    """Return the response to a wrong account name: an error that links back to the form, filled with the name."""
    reason = f"this is not a {adapter.manifest.account_noun}'s name; write {form.hint}"
    again = f"/?{urlencode({form.field: name[:MAX_KEPT_LENGTH]})}"
    return respond_problem(request, 400, reason, again=again)


def _describe_wrong_name(adapter: PlatformAdapter, form: AccountForm) -> Mapping[int, str]:
    return {400: f"This is not a {adapter.manifest.account_noun}'s name ({form.hint})."}


def _describe_unavailable(adapter: PlatformAdapter) -> Mapping[int, str]:
    title = adapter.manifest.title
    return {503: f"{title} is not configured here, or a part of the service does not answer now."}
