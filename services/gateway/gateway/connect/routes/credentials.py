"""Connecting by credentials that the merchant enters in a form. The platform checks them before they are stored."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.connect.connected_page import MerchantConnected, respond_connected
from gateway.connect.grants import GrantService, SignIn
from gateway.connect.paths import describe_missing_settings, get_connect_path
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.pages.forms import TOKEN_FIELD, has_form_token, is_json, is_same_origin, read_form, read_json_fields
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    describe_form_or_json,
    describe_page,
    describe_problems,
    describe_route,
)
from gateway.pages.responses import ResponseModel, is_page_wanted, render_page, respond_problem
from gateway.pages.views import MissingScope
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies, create_cookie_value
from gateway.store.connections import ConnectionStore
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials
from platform_sdk.errors import RequestRejectedError, TransientError


class CredentialFieldDocument(ResponseModel):
    """A field of the form for a merchant's credentials. The value of a secret field is never shown again."""

    name: str
    label: str
    hint: str
    secret: bool


class CredentialsForm(ResponseModel):
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
    """Exchanges credentials for grants (tokens and scopes) at one platform and stores the grants."""

    def __init__(self, method: Credentials, connections: ConnectionStore, grants: GrantService) -> None:
        self._method = method
        self._connections = connections
        self._grants = grants

    async def connect(self, values: Mapping[str, str], session: str | None) -> SignIn:
        """Let the platform check the credentials, store the grants, and return the sign-in.

        `values` are the credentials by field name, `session` is the value of the session cookie. Raises
        RequestRejectedError when the platform refuses the credentials or they give access to no account. Raises
        TransientError when the platform does not answer. After an error nothing is stored.
        """
        grants = await self._method.check_credentials(values)
        if not grants:
            raise RequestRejectedError(400, "these credentials open no account")
        async with self._connections.lock_all(self._grants.list_connection_names(grants)) as locked:
            return await self._grants.sign_in(locked, grants, session, keeps_session_id=False)


def create_credentials_routes(
    adapter: PlatformAdapter, method: Credentials, flow: CredentialsFlow, cookies: Cookies, keys: BrowserKeys
) -> APIRouter:
    """Return `GET /{platform}/connect`, which shows the form for credentials, and `POST`, which takes the filled form.

    Both answer 503 where the platform is not configured.
    """
    routes = APIRouter(tags=["Signing in"])
    path = get_connect_path(adapter)
    form = ConnectForm(adapter, method, cookies, keys)

    @routes.get(path, **_describe_form(adapter))
    async def show_form(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        return form.respond(request)

    @routes.post(path, **_describe_connect(adapter, method))
    async def connect(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        fields: dict[str, str] = {}
        try:
            fields = await (read_json_fields(request) if is_json(request) else read_form(request))
            if not form.is_sender(request, fields):
                return respond_problem(request, 403, "this was not sent by our form; open it again", again=path)
            sign_in = await flow.connect(form.parse_values(fields), cookies.get_session(request))
        except RequestRejectedError as error:
            return form.respond_refusal(request, fields, error)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=path)
        response = respond_connected(request, adapter, sign_in, _build_document(adapter, sign_in))
        cookies.set_session(response, sign_in.session)
        return response

    return routes


class ConnectForm:
    """The form for the credentials of one platform: shows it, and checks it when it is submitted."""

    def __init__(self, adapter: PlatformAdapter, method: Credentials, cookies: Cookies, keys: BrowserKeys) -> None:
        self._title = adapter.manifest.title
        self._path = get_connect_path(adapter)
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
        return JSONResponse(CredentialsForm(fields=fields).model_dump(mode="json"))

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
                "path": self._path,
                "fields": self._fields,
                "values": {field.name: "" if field.secret else fields.get(field.name, "") for field in self._fields},
                "reason": reason,
                "form_token": self._keys.build_form_token(value),
            },
            status=status,
        )
        self._cookies.set_form(response, value, path=self._path)
        return response


def _describe_form(adapter: PlatformAdapter) -> dict[str, Any]:
    return describe_route(
        f"The form to connect {adapter.manifest.title}",
        describe_page(CredentialsForm, "The form."),
        describe_problems({**_describe_unavailable(adapter), **RATE_LIMITED}),
    )


def _describe_connect(adapter: PlatformAdapter, method: Credentials) -> dict[str, Any]:
    title = adapter.manifest.title
    problems = {
        400: f"{title} does not take these credentials, or they are malformed; nothing was stored.",
        403: "It was not sent by the form of this page.",
        502: f"{title} does not answer.",
        **_describe_unavailable(adapter),
    }
    fields = {field.name: f"{field.label}: {field.hint}" if field.hint else field.label for field in method.fields}
    return describe_route(
        f"Connect {title} by credentials",
        describe_page(AccountsConnected, "Connected; the first syncs have begun."),
        describe_problems({**problems, **RATE_LIMITED}),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form_or_json(fields, form_only={TOKEN_FIELD: "That of the form"}) | OPTIONAL_SESSION,
    )


def _describe_unavailable(adapter: PlatformAdapter) -> dict[int, str]:
    return {503: f"{adapter.manifest.title} is not configured here, or a part of the service does not answer now."}


def _build_document(adapter: PlatformAdapter, sign_in: SignIn) -> dict[str, object]:
    grant = next(iter(sign_in.grants.values()))
    missing = adapter.accounts.find_missing_scopes(grant.scopes)
    return {
        "connections": [
            {"connection": account.connection, "title": account.title, "sync_id": account.sync_id}
            for account in sign_in.accounts
        ],
        "missing_scopes": [{"scope": scope, "costs": list(costs)} for scope, costs in missing.items()],
    }
