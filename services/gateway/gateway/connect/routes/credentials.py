"""Signing in by credentials that the merchant enters in a form. The platform checks them before they are stored."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.connect.account_choice import NO_ACCOUNT
from gateway.connect.grants import Connected, GrantService, SignedIn
from gateway.connect.paths import describe_missing_settings, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.connect.routes.credentials_form import CredentialFields, CredentialsForm
from gateway.connect.sign_in_responses import (
    AccountsConnected,
    AccountsProved,
    build_connected_document,
    respond_connected,
    respond_proved,
)
from gateway.pages.forms import TOKEN_FIELD, is_json, read_form, read_json_fields
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    describe_form_or_json,
    describe_json,
    describe_page,
    describe_problems,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import respond_problem
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies
from gateway.sessions.sessions import Sessions, Visitor
from gateway.store.connections import ConnectionStore
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials, CredentialsWithChoice
from platform_sdk.errors import RequestRejectedError, TransientError

_WORDS = {Purpose.CONNECT: "connect", Purpose.PROVE: "sign in with"}


class CredentialsFlow:
    """Exchanges credentials for grants (tokens and scopes) at one platform, and stores the grants or a proof."""

    def __init__(self, method: Credentials, connections: ConnectionStore, grants: GrantService) -> None:
        self._method = method
        self._connections = connections
        self._grants = grants

    async def sign_in(self, values: Mapping[str, str], visitor: Visitor, purpose: Purpose) -> SignedIn:
        """Let the platform check the credentials, and store what the sign-in is for.

        To connect stores the grants and returns `Connected`; to prove stores the proof alone. `values` are the
        credentials by field name. Raises RequestRejectedError when the platform refuses the credentials or they give
        access to no account. Raises TransientError when the platform does not answer. After an error nothing is stored.
        """
        grants = await self._method.check_credentials(values)
        if not grants:
            raise RequestRejectedError(400, NO_ACCOUNT)
        if purpose is Purpose.PROVE:
            return await self._grants.store_proof(grants, visitor)
        async with self._connections.lock_all(self._grants.list_connection_names(grants)) as locked:
            return await self._grants.store_grants(locked, grants, visitor)


def create_credentials_routes(
    adapter: PlatformAdapter,
    method: Credentials,
    flow: CredentialsFlow,
    sessions: Sessions,
    cookies: Cookies,
    keys: BrowserKeys,
) -> APIRouter:
    """Return `GET /{platform}/connect`, which shows the form for credentials, and `POST`, which takes the filled form.

    Where the merchant chooses among accounts, the `POST` is one of `create_choice_routes`. `/{platform}/prove` has the
    same form, and only proves accounts that are connected. All answer 503 where the
    platform is not configured.
    """
    routes = APIRouter(tags=["Signing in"])
    for purpose in Purpose:
        form = CredentialsForm(adapter, method, cookies, keys, purpose)
        _add_form(routes, adapter, form, purpose)
        # Where accounts are chosen, to connect them takes routes of its own (`account_choice.py`).
        if purpose is Purpose.PROVE or not isinstance(method, CredentialsWithChoice):
            _add_sign_in(routes, adapter, method, form, flow, sessions, cookies, purpose)
    return routes


def _add_form(routes: APIRouter, adapter: PlatformAdapter, form: CredentialsForm, purpose: Purpose) -> None:
    @routes.get(get_sign_in_path(adapter, purpose), **_describe_form(adapter, purpose))
    async def show_form(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        return form.respond(request)


def _add_sign_in(
    routes: APIRouter,
    adapter: PlatformAdapter,
    method: Credentials,
    form: CredentialsForm,
    flow: CredentialsFlow,
    sessions: Sessions,
    cookies: Cookies,
    purpose: Purpose,
) -> None:
    path = get_sign_in_path(adapter, purpose)

    @routes.post(path, **_describe_sign_in(adapter, method, purpose))
    async def sign_in(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        fields: dict[str, str] = {}
        try:
            fields = await (read_json_fields(request) if is_json(request) else read_form(request))
            if not form.is_sender(request, fields):
                return respond_problem(request, 403, "this was not sent by our form; open it again", again=path)
            signed_in = await flow.sign_in(form.parse_values(fields), sessions.identify_visitor(request), purpose)
        except RequestRejectedError as error:
            return form.respond_refusal(request, fields, error)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=path)
        response = _respond_signed_in(request, adapter, signed_in)
        cookies.set_session(response, signed_in.session.cookie)
        return response


def _describe_form(adapter: PlatformAdapter, purpose: Purpose) -> dict[str, Any]:
    return describe_route(
        f"The form to {_WORDS[purpose]} {adapter.manifest.title}",
        describe_page(CredentialFields, "The form."),
        describe_problems({**_describe_unavailable(adapter), **RATE_LIMITED}),
    )


def _describe_sign_in(adapter: PlatformAdapter, method: Credentials, purpose: Purpose) -> dict[str, Any]:
    title = adapter.manifest.title
    problems = {
        400: f"{title} does not take these credentials, or they are malformed; nothing was stored.",
        403: "It was not sent by the form of this page.",
        502: f"{title} does not answer.",
        **_describe_unavailable(adapter),
    }
    if purpose is Purpose.PROVE:
        problems[404] = "No account of these credentials is connected here."
    fields, optional = CredentialsForm.describe_fields(method)
    connects = purpose is Purpose.CONNECT
    return describe_route(
        f"{_WORDS[purpose].capitalize()} {title} by credentials",
        describe_json(AccountsConnected if connects else AccountsProved, {200: "Signed in."}),
        describe_redirect(303, "A browser: to the page of what was connected, or to the proved connections."),
        describe_problems({**problems, **RATE_LIMITED}),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form_or_json(fields, form_only={TOKEN_FIELD: "That of the form"}, optional=optional)
        | OPTIONAL_SESSION,
    )


def _describe_unavailable(adapter: PlatformAdapter) -> dict[int, str]:
    return {503: f"{adapter.manifest.title} is not configured here, or a part of the service does not answer now."}


def _respond_signed_in(request: Request, adapter: PlatformAdapter, signed_in: SignedIn) -> Response:
    if isinstance(signed_in, Connected):
        return respond_connected(request, signed_in, build_connected_document(adapter, signed_in))
    return respond_proved(request, signed_in)
