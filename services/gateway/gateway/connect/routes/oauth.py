"""Signing in at a platform's consent page: the redirect to it, and its callback."""

import time
from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, create_model
from starlette.convertors import PathConvertor, register_url_convertor

from gateway.connect.grants import Connected, SignedIn
from gateway.connect.oauth_flow import OAuthFlow
from gateway.connect.paths import build_sign_in_path, describe_missing_settings, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.connect.sign_in_responses import AccountsProved, MerchantConnected, respond_connected, respond_proved
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    UNAVAILABLE,
    describe_continuation,
    describe_either,
    describe_problems,
    describe_query,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import respond_continuation, respond_problem
from gateway.sessions.cookies import LOGIN_COOKIE_DESCRIPTION, OPTIONAL_SESSION_COOKIE, Cookies
from gateway.sessions.sessions import Sessions
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountForm, OAuth, OAuthCallback
from platform_sdk.errors import RequestRejectedError, TransientError

MAX_KEPT_LENGTH = 200
"""How many characters of a wrong account name are shown again in the form."""

_SUMMARIES = {
    Purpose.CONNECT: (
        "Connect {account}; again=1 asks once more for what was declined, link=1 for what links need, link=stock also "
        "for what they need for stock"
    ),
    Purpose.PROVE: "Sign in with {account} that is connected already; nothing is connected by this",
}


class _AnyText(PathConvertor):
    """Matches any text in place of an account's name, also newlines, so that every wrong name gets the same error."""

    regex = "(?s:.*)"


register_url_convertor("anything", _AnyText())


def create_oauth_routes(
    adapter: PlatformAdapter, method: OAuth, flow: OAuthFlow, sessions: Sessions, cookies: Cookies
) -> APIRouter:
    """Return the routes of one platform: `GET /{platform}/login`, `/{platform}/prove` and `/{platform}/callback`.

    `login` connects accounts, `prove` only proves that the browser's user has access to them. Where the merchant names
    the account before the consent, there are also `GET /{platform}/{account}/login` and `/prove`. With `?again=1` the
    consent page asks again for the scopes that the user declined, with `?link=1` for those that a link needs, and with
    `?link=stock` also for those that it needs for stock. Where the platform is not configured, they answer 503 and
    there is no callback.
    """
    routes = APIRouter(tags=["Signing in"])
    for purpose in Purpose:
        if method.form is None:
            _add_login(routes, adapter, method, flow, cookies, purpose)
        else:
            _add_form(routes, adapter, method, method.form, purpose)
            _add_account_login(routes, adapter, method, method.form, flow, cookies, purpose)
    if adapter.is_configured:
        _add_callback(routes, adapter, method, flow, sessions, cookies)
    return routes


def _add_login(
    routes: APIRouter, adapter: PlatformAdapter, method: OAuth, flow: OAuthFlow, cookies: Cookies, purpose: Purpose
) -> None:
    title = adapter.manifest.title
    description = describe_route(
        _SUMMARIES[purpose].format(account=title),
        describe_redirect(302, f"To {title}'s consent.", cookie=LOGIN_COOKIE_DESCRIPTION),
        describe_problems({**_describe_unavailable(adapter), **RATE_LIMITED}),
    )

    @routes.get(get_sign_in_path(adapter, purpose), **description)
    async def login(request: Request, again: str = "") -> Response:
        return await _redirect_to_consent(request, adapter, method, flow, cookies, "", purpose, again=bool(again))


def _add_form(routes: APIRouter, adapter: PlatformAdapter, method: OAuth, form: AccountForm, purpose: Purpose) -> None:
    noun = adapter.manifest.account_noun
    description = describe_route(
        f"The form's way to a {noun}'s sign-in",
        describe_continuation(f"To the sign-in of this {noun}."),
        describe_problems({**_describe_wrong_name(adapter, form), **RATE_LIMITED}),
        # FastAPI must not require the field: the route itself answers a missing name with a page.
        openapi_extra=describe_query({form.field: form.hint}, optional=[form.field]),
    )

    @routes.get(get_sign_in_path(adapter, purpose), **description)
    async def find_login(request: Request) -> Response:
        name = request.query_params.get(form.field, "").strip()
        account = method.parse_account(name)
        if account is None:
            return _respond_wrong_name(request, adapter, form, name)
        return respond_continuation(request, build_sign_in_path(adapter, account, purpose))


def _add_account_login(
    routes: APIRouter,
    adapter: PlatformAdapter,
    method: OAuth,
    form: AccountForm,
    flow: OAuthFlow,
    cookies: Cookies,
    purpose: Purpose,
) -> None:
    title = adapter.manifest.title
    description = describe_route(
        _SUMMARIES[purpose].format(account=f"a {adapter.manifest.account_noun}"),
        describe_redirect(302, f"To {title}'s consent.", cookie=LOGIN_COOKIE_DESCRIPTION),
        describe_problems({**_describe_wrong_name(adapter, form), **_describe_unavailable(adapter), **RATE_LIMITED}),
    )

    @routes.get(build_sign_in_path(adapter, "", purpose).replace("//", "/{account:anything}/"), **description)
    async def login(request: Request, account: str, again: str = "", link: str = "") -> Response:
        name = method.parse_account(account)
        if name is None:
            return _respond_wrong_name(request, adapter, form, account)
        asked = {"again": bool(again), "for_link": bool(link), "for_stock": link == "stock"}
        return await _redirect_to_consent(request, adapter, method, flow, cookies, name, purpose, **asked)


def _add_callback(
    routes: APIRouter,
    adapter: PlatformAdapter,
    method: OAuth,
    flow: OAuthFlow,
    sessions: Sessions,
    cookies: Cookies,
) -> None:
    title = adapter.manifest.title
    refusals = {
        400: (
            f"The consent was cancelled, is not this browser's, lacks what is needed, or {title} does not take its "
            "code; nothing was stored."
        ),
        404: "The login was only to prove accounts, and none of them is connected here.",
        502: f"{title} does not answer.",
    }
    description = describe_route(
        f"Back from {title}'s consent",
        describe_either(
            create_connected_model(method.result_model), AccountsProved, "Connected, or proved, as the login was for."
        ),
        describe_redirect(303, "A browser: to the page of what was connected, or to the proved connections."),
        describe_problems({**refusals, **UNAVAILABLE, **RATE_LIMITED}),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_query(method.callback_parameters) | OPTIONAL_SESSION,
    )

    @routes.get(f"/{adapter.slug}/callback", **description)
    async def complete_login(request: Request) -> Response:
        callback = None
        try:
            callback = method.parse_callback(request.scope["query_string"], time.time())
            signed_in = await flow.complete_login(
                callback, sessions.identify_visitor(request), login_cookie=cookies.get_login(request, callback.state)
            )
        except RequestRejectedError as error:
            again = _build_retry_path(adapter, method, callback, ask_again=error.ask_again)
            return respond_problem(request, error.status, error.reason, again=again)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=_build_retry_path(adapter, method, callback))
        response = _respond_signed_in(request, method, signed_in)
        cookies.set_session(response, signed_in.session.cookie)
        cookies.delete_login(response, callback.state)
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
    purpose: Purpose,
    *,
    again: bool,
    for_link: bool = False,
    for_stock: bool = False,
) -> Response:
    if not adapter.is_configured:
        return respond_problem(request, 503, describe_missing_settings(adapter))
    authorization = await flow.begin_login(account, purpose)
    for_proof = purpose is Purpose.PROVE
    url = method.build_authorize_url(
        account,
        authorization.state,
        again=again,
        for_proof=for_proof,
        for_link=for_link and not for_proof,
        for_stock=for_stock and not for_proof,
    )
    response = RedirectResponse(url, 302)
    cookies.set_login(response, authorization.state, authorization.browser)
    return response


def _respond_signed_in(request: Request, method: OAuth, signed_in: SignedIn) -> Response:
    if isinstance(signed_in, Connected):
        document = jsonable_encoder(method.build_callback_result(signed_in.grants, signed_in.accounts))
        return respond_connected(request, signed_in, document)
    return respond_proved(request, signed_in)


def _build_retry_path(
    adapter: PlatformAdapter, method: OAuth, callback: OAuthCallback | None, *, ask_again: bool = False
) -> str:
    """Return the path at which the browser can start again after a failed callback.

    With `ask_again` the consent page asks once more for declined scopes. Otherwise it is the home page, where the
    merchant chooses whether to connect; the form there is filled in with the account of `callback`, if that is known.
    """
    if ask_again:
        path = build_sign_in_path(adapter, callback.account if callback else "", Purpose.CONNECT)
        return f"{path}?again=1"
    if method.form is None or callback is None:
        return "/"
    return f"/?{urlencode({method.form.field: callback.account})}"


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
