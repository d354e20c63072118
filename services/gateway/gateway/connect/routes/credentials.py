"""Signing in by credentials that the merchant enters in a form. The platform checks them before they are stored."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.connect.grants import Connected, GrantService, SignedIn
from gateway.connect.paths import describe_missing_settings, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.connect.sign_in_responses import AccountsProved, MerchantConnected, respond_connected, respond_proved
from gateway.pages.forms import TOKEN_FIELD, has_form_token, is_json, is_same_origin, read_form, read_json_fields
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    describe_form_or_json,
    describe_json,
    describe_page,
    describe_problems,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import ResponseModel, is_page_wanted, render_page, respond_problem
from gateway.pages.views import MissingScope
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies, create_cookie_value
from gateway.sessions.sessions import Sessions, Visitor
from gateway.store.connections import ConnectionStore
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials
from platform_sdk.errors import RequestRejectedError, TransientError

_WORDS = {Purpose.CONNECT: "connect", Purpose.PROVE: "sign in with"}


class CredentialFieldDocument(ResponseModel):
    """A field of the form for a merchant's credentials. The value of a secret field is never shown again."""

    name: str
    label: str
    hint: str
    secret: bool


class CredentialFields(ResponseModel):
    """The fields of the credentials, to be sent as a form or as JSON."""

    fields: list[CredentialFieldDocument]


class ConnectedAccountDocument(ResponseModel):
    """A connected account with the id of its first sync."""

    connection: str
    title: str
    sync_id: UUID


class AccountsConnected(MerchantConnected):
    """The accounts that accepted credentials have connected. The response also sets the cookie `session_id`."""

    connections: list[ConnectedAccountDocument]
    missing_scopes: list[MissingScope]


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
            raise RequestRejectedError(400, "these credentials open no account")
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

    `/{platform}/prove` has the same form, and only proves accounts that are connected. All answer 503 where the
    platform is not configured.
    """
    routes = APIRouter(tags=["Signing in"])
    for purpose in Purpose:
        form = CredentialsForm(adapter, method, cookies, keys, purpose)
        _add_form(routes, adapter, form, purpose)
        _add_sign_in(routes, adapter, method, form, flow, sessions, cookies, purpose)
    return routes


def _add_form(routes: APIRouter, adapter: PlatformAdapter, form: "CredentialsForm", purpose: Purpose) -> None:
    @routes.get(get_sign_in_path(adapter, purpose), **_describe_form(adapter, purpose))
    async def show_form(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        return form.respond(request)


def _add_sign_in(
    routes: APIRouter,
    adapter: PlatformAdapter,
    method: Credentials,
    form: "CredentialsForm",
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


class CredentialsForm:
    """The form for the credentials of one platform: shows it, and checks it when it is submitted."""

    def __init__(
        self, adapter: PlatformAdapter, method: Credentials, cookies: Cookies, keys: BrowserKeys, purpose: Purpose
    ) -> None:
        self._title = adapter.manifest.title
        self._path = get_sign_in_path(adapter, purpose)
        self._connects = purpose is Purpose.CONNECT
        self._fields = method.fields
        self._cookies = cookies
        self._keys = keys

    def respond(self, request: Request) -> Response:
        """Return the empty form: an HTML page for a browser, otherwise its fields as JSON."""
        if is_page_wanted(request):
            return self._render({})
        fields = [
            CredentialFieldDocument(name=field.name, label=field.label, hint=field.hint, secret=field.secret)
            for field in self._fields
        ]
        return JSONResponse(CredentialFields(fields=fields).model_dump(mode="json"))

    def respond_refusal(self, request: Request, fields: Mapping[str, str], error: RequestRejectedError) -> Response:
        """Return the response that shows `error`, the reason why the submitted credentials were refused.

        For a browser it is the form, filled with `fields` except secrets; otherwise JSON.
        """
        if is_page_wanted(request):
            return self._render(fields, reason=error.reason, status=error.status)
        return respond_problem(request, error.status, error.reason)

    def is_sender(self, request: Request, fields: dict[str, str]) -> bool:
        """Return whether the fields come from a permitted sender.

        A form must be the gateway's own in this browser. JSON must not come from a page of another site. JSON needs no
        form token: browsers let a page of another site send JSON only if the gateway allows it by CORS, which it does
        for `GET` alone.
        """
        if is_json(request):
            return "sec-fetch-site" not in request.headers or is_same_origin(request)
        value = self._cookies.get_form(request)
        return bool(value) and is_same_origin(request) and has_form_token(fields, self._keys.build_form_token(value))

    def parse_values(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the credentials by field name, from the submitted `fields`.

        Spaces around a value are removed, except from secrets. Raises RequestRejectedError when a field is missing or
        empty.
        """
        values = {
            field.name: fields.get(field.name, "") if field.secret else fields.get(field.name, "").strip()
            for field in self._fields
        }
        missing = [field.label for field in self._fields if not values[field.name]]
        if missing:
            raise RequestRejectedError(400, f"{missing[0]} is missing")
        return values

    def _render(self, fields: Mapping[str, str], *, reason: str = "", status: int = 200) -> Response:
        value = create_cookie_value()
        response = render_page(
            "connect.html",
            {
                "title": self._title,
                "connects": self._connects,
                "path": self._path,
                "fields": self._fields,
                "values": {field.name: "" if field.secret else fields.get(field.name, "") for field in self._fields},
                "reason": reason,
                "form_token": self._keys.build_form_token(value),
            },
            status=status,
        )
        self._cookies.set_form(response, value)
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
    fields = {field.name: f"{field.label}: {field.hint}" if field.hint else field.label for field in method.fields}
    connects = purpose is Purpose.CONNECT
    return describe_route(
        f"{_WORDS[purpose].capitalize()} {title} by credentials",
        describe_json(AccountsConnected if connects else AccountsProved, {200: "Signed in."}),
        describe_redirect(303, "A browser: to the page of what was connected, or to the proved connections."),
        describe_problems({**problems, **RATE_LIMITED}),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form_or_json(fields, form_only={TOKEN_FIELD: "That of the form"}) | OPTIONAL_SESSION,
    )


def _describe_unavailable(adapter: PlatformAdapter) -> dict[int, str]:
    return {503: f"{adapter.manifest.title} is not configured here, or a part of the service does not answer now."}


def _respond_signed_in(request: Request, adapter: PlatformAdapter, signed_in: SignedIn) -> Response:
    if isinstance(signed_in, Connected):
        return respond_connected(request, signed_in, _build_document(adapter, signed_in))
    return respond_proved(request, signed_in)


def _build_document(adapter: PlatformAdapter, connected: Connected) -> dict[str, object]:
    grant = next(iter(connected.grants.values()))
    missing = adapter.accounts.find_missing_scopes(grant.scopes)
    return {
        "connections": [
            {"connection": account.connection, "title": account.title, "sync_id": account.sync_id}
            for account in connected.accounts
        ],
        "missing_scopes": [{"scope": scope, "costs": list(costs)} for scope, costs in missing.items()],
    }
