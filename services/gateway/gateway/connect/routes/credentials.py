"""Connecting by a form of credentials, which the platform checks before anything is stored."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.connect.connected_page import Connected, respond_connected
from gateway.connect.grants import GrantService, SignIn
from gateway.connect.paths import describe_missing_settings, get_connect_path
from gateway.pages.forms import TOKEN_FIELD, has_form_token, is_json, is_same_origin, read_form, read_json_fields
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    UNAVAILABLE,
    describe_form_or_json,
    describe_page,
    describe_problems,
    describe_route,
)
from gateway.pages.responses import ResponseModel, is_page_wanted, render_page, respond, respond_problem
from gateway.pages.views import MissingScope
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies, create_cookie_value
from gateway.store.connections import ConnectionStore
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import CredentialField, Credentials
from platform_sdk.errors import RequestRejectedError, TransientError


class CredentialFieldDocument(ResponseModel):
    """A field of the form. The value of a secret one is never shown again."""

    name: str
    label: str
    hint: str
    secret: bool


class CredentialsForm(ResponseModel):
    """The fields to send as a form or as JSON."""

    fields: list[CredentialFieldDocument]


class ConnectedAccountDocument(ResponseModel):
    """An account that was connected, with its first sync."""

    connection: str
    title: str
    sync_id: UUID


class AccountsConnected(Connected):
    """Credentials that were accepted and stored; the cookie `session_id` comes with it."""

    connections: list[ConnectedAccountDocument]
    missing_scopes: list[MissingScope]


class CredentialsFlow:
    """Checks credentials at one platform and stores the grants that they give."""

    def __init__(self, method: Credentials, connections: ConnectionStore, grants: GrantService) -> None:
        self._method = method
        self._connections = connections
        self._grants = grants

    async def connect(self, values: Mapping[str, str], session: str | None) -> SignIn:
        """Check the values, then store the grants as after a consent. Raises RequestRejectedError and TransientError;
        nothing is stored then."""
        grants = await self._method.check(values)
        if not grants:
            raise RequestRejectedError(400, "these credentials open no account")
        async with self._connections.lock_all(self._grants.list_names(grants)) as locked:
            return await self._grants.sign_in(locked, grants, session, keeps_session_id=False)


def create_credentials_routes(
    adapter: PlatformAdapter, method: Credentials, flow: CredentialsFlow, cookies: Cookies, keys: BrowserKeys
) -> APIRouter:
    """Return `GET` and `POST /{platform}/connect`. Where the platform is not configured, both say so."""
    routes = APIRouter(tags=["Signing in"])
    title, path = adapter.manifest.title, get_connect_path(adapter)
    unavailable = {503: f"{title} is not configured here, or a part of the service does not answer now."}
    refusals = {
        400: f"{title} does not take these credentials, or they are malformed; nothing was stored.",
        403: "It was not sent by the form of this page.",
        502: f"{title} does not answer.",
    }
    form_only = {TOKEN_FIELD: "That of the form"}

    @routes.get(
        path,
        **describe_route(
            f"The form to connect {title}",
            describe_page(CredentialsForm, "The form."),
            describe_problems(unavailable),
        ),
    )
    async def show_form(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        return _respond_form(request, adapter, method, cookies, keys)

    @routes.post(
        path,
        **describe_route(
            f"Connect {title} by credentials",
            describe_page(AccountsConnected, "Connected; the first syncs have begun."),
            describe_problems({**refusals, **unavailable, **UNAVAILABLE}),
            dependencies=[OPTIONAL_SESSION_COOKIE],
            openapi_extra=describe_form_or_json(
                {field.name: _describe_field(field) for field in method.fields}, form_only=form_only
            )
            | OPTIONAL_SESSION,
        ),
    )
    async def connect(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        fields: dict[str, str] = {}
        try:
            fields = await (read_json_fields(request) if is_json(request) else read_form(request))
            if not _is_own_form(request, fields, cookies, keys):
                return respond_problem(request, 403, "this was not sent by our form; open it again", again=path)
            values = {field.name: _require_value(field, fields) for field in method.fields}
            sign_in = await flow.connect(values, cookies.get_session(request))
        except RequestRejectedError as error:
            return _respond_refusal(request, adapter, method, cookies, keys, fields, error)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=path)
        response = respond_connected(request, adapter, sign_in, _build_document(adapter, sign_in))
        cookies.set_session(response, sign_in.session)
        return response

    return routes


def _is_own_form(request: Request, fields: dict[str, str], cookies: Cookies, keys: BrowserKeys) -> bool:
    """Return whether the gateway's own form, in this browser, sent the fields.

    JSON needs no form: a page of another site cannot send it, because the gateway allows no such request.
    """
    if is_json(request):
        return "sec-fetch-site" not in request.headers or is_same_origin(request)
    value = cookies.get_form(request)
    return bool(value) and is_same_origin(request) and has_form_token(fields, keys.build_form_token(value))


def _require_value(field: CredentialField, fields: Mapping[str, str]) -> str:
    value = fields.get(field.name, "") if field.secret else fields.get(field.name, "").strip()
    if not value:
        raise RequestRejectedError(400, f"{field.label} is missing")
    return value


def _respond_refusal(
    request: Request,
    adapter: PlatformAdapter,
    method: Credentials,
    cookies: Cookies,
    keys: BrowserKeys,
    fields: Mapping[str, str],
    error: RequestRejectedError,
) -> Response:
    if is_page_wanted(request):
        return _render_form(adapter, method, cookies, keys, fields, reason=error.reason, status=error.status)
    return respond_problem(request, error.status, error.reason)


def _respond_form(
    request: Request, adapter: PlatformAdapter, method: Credentials, cookies: Cookies, keys: BrowserKeys
) -> Response:
    if is_page_wanted(request):
        return _render_form(adapter, method, cookies, keys, {})
    fields = [
        CredentialFieldDocument(name=field.name, label=field.label, hint=field.hint, secret=field.secret)
        for field in method.fields
    ]
    return respond(request, "", CredentialsForm(fields=fields).model_dump(mode="json"))


def _render_form(
    adapter: PlatformAdapter,
    method: Credentials,
    cookies: Cookies,
    keys: BrowserKeys,
    fields: Mapping[str, str],
    *,
    reason: str = "",
    status: int = 200,
) -> Response:
    """Return the form with the values of `fields` that are no secrets, and the reason why they were refused."""
    path, value = get_connect_path(adapter), create_cookie_value()
    values = {field.name: "" if field.secret else fields.get(field.name, "") for field in method.fields}
    response = render_page(
        "connect.html",
        {
            "title": adapter.manifest.title,
            "path": path,
            "fields": method.fields,
            "values": values,
            "reason": reason,
            "form_token": keys.build_form_token(value),
        },
        status=status,
    )
    cookies.set_form(response, value, path=path)
    return response


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


def _describe_field(field: CredentialField) -> str:
    return f"{field.label}: {field.hint}" if field.hint else field.label
