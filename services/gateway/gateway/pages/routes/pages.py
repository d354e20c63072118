"""The pages for merchants: the home page, the connections, what was just connected, who has access, and a sync."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from contracts.events import parse_account, parse_platform
from gateway.connect.paths import build_sign_in_path, get_login_template, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.pages.access_views import AccessDocument
from gateway.pages.connection_reader import ConnectionReader, ConnectionsDocument, JustConnectedDocument
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    describe_page,
    describe_problems,
    describe_query,
    describe_route,
)
from gateway.pages.responses import ResponseModel, respond, respond_problem
from gateway.pages.session_forms import NOT_SIGNED_IN, NOT_YOURS
from gateway.pages.views import SyncDocument
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE
from gateway.sessions.sessions import UNATTENDED, Session, Sessions
from linking.records import Side
from messaging.errors import UnavailableError
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountForm, CredentialsWithChoice, OAuth
from platform_sdk.errors import NotFoundError

ConnectionNames = Annotated[list[str], Query(max_length=500)]


class HomeDocument(ResponseModel):
    """The answer of the home page. `message` names the paths at which accounts are connected."""

    status: str = "ok"
    message: str


_CONNECTIONS = describe_route(
    "The connections at whose accounts you have signed in, with their latest syncs",
    describe_page(ConnectionsDocument, "Yours alone."),
    describe_problems({401: "Nobody is signed in.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_CONNECTED = describe_route(
    "What a sign-in has just connected",
    describe_page(JustConnectedDocument, "Those of the named connections that are yours."),
    describe_problems({401: "Nobody is signed in.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_ACCESS = describe_route(
    "Who has access to a connection, and what was done to it",
    describe_page(AccessDocument, "Its merchant, its sessions and its history."),
    describe_problems({401: "Nobody is signed in.", 404: "There is none, or it is not yours.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_SYNC = describe_route(
    "A sync, with the outcomes of its four checks",
    describe_page(SyncDocument, "Its progress, or its result."),
    describe_problems({404: "There is none, or it is not yours.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
    openapi_extra=describe_query(
        {UNATTENDED: "Any value: nobody acts, so this request does not keep the session from becoming idle"},
        optional=[UNATTENDED],
    ),
)


def create_page_routes(
    reader: ConnectionReader, sessions: Sessions, adapters: Sequence[PlatformAdapter], *, sandbox_url: str
) -> APIRouter:
    """Return the pages for merchants: each an HTML page for a browser, otherwise JSON.

    They are `GET /`, `/connections`, `/connected`, `/connections/{connection}` and `/syncs/{id}`. `adapters` are those
    of the configured platforms. `sandbox_url` is the address of the sandbox (the simulated platforms), to which the
    home page links; empty where there is none.
    """
    routes = APIRouter(tags=["Your data"])
    connectable = [adapter for adapter in adapters if get_sign_in_path(adapter, Purpose.CONNECT)]
    forms = [form for adapter in connectable if (form := _get_form(adapter))]
    fields = {form.field: f"Fills the form in: {form.hint}" for form in forms}
    description = describe_route(
        "Where accounts are connected",
        describe_page(HomeDocument, "Where an account is connected."),
        openapi_extra=describe_query(fields, optional=fields),
    )

    @routes.get("/", **description)
    async def show_home(request: Request) -> Response:
        paths = ", ".join(map(get_login_template, connectable))
        document = HomeDocument(message=f"connect an account at {paths}")
        ways = [_build_connect_option(request, adapter) for adapter in connectable]
        return respond(request, "home.html", document.model_dump(), ways=ways, sandbox_url=sandbox_url)

    @routes.get("/connections", **_CONNECTIONS)
    async def show_connections(request: Request) -> Response:
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        document = await reader.load_connections(session)
        values = {"form_token": sessions.build_form_token(session), "linkable": [str(side) for side in Side]}
        return respond(request, "connections.html", document, **values)

    @routes.get("/connected", **_CONNECTED)
    async def show_just_connected(
        request: Request, connection: Annotated[list[str], Query(max_length=500)]
    ) -> Response:
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        document = await reader.load_just_connected(session, connection)
        values = {
            "sync": await _load_first_sync(reader, session, document),
            "form_token": sessions.build_form_token(session),
        }
        return respond(request, "connected.html", document, **values)

    @routes.get("/connections/{connection:path}", **_ACCESS)
    async def show_access(request: Request, connection: str) -> Response:
        if not connection:
            return RedirectResponse("/connections", 307)
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        try:
            document = await reader.load_access(session, connection)
        except NotFoundError:
            return respond_problem(request, 404, NOT_YOURS, again="/connections")
        values = {
            "form_token": sessions.build_form_token(session),
            "prove_url": _build_prove_path(adapters, connection),
        }
        return respond(request, "access.html", document.model_dump(mode="json"), **values)

    @routes.get("/syncs/{sync_id}", **_SYNC)
    async def show_sync(request: Request, sync_id: str) -> Response:
        session = await sessions.find(request)
        try:
            document = await reader.load_sync(session, parse_uuid(sync_id))
        except NotFoundError:
            return respond_problem(request, 404, "there is no such sync among yours, or your session has ended")
        except UnavailableError:
            return respond_problem(request, 503, "the scheduler does not answer now; try again in a moment")
        values = {
            "can_act": session is not None and session.can_act(document["connection"]),
            "form_token": sessions.build_form_token(session) if session else "",
        }
        return respond(request, "sync.html", document, sync=document, **values)

    return routes


def _get_form(adapter: PlatformAdapter) -> AccountForm | None:
    method = adapter.connection_method
    return method.form if isinstance(method, OAuth) else None


def _build_connect_option(request: Request, adapter: PlatformAdapter) -> dict[str, Any]:
    """Return the values with which the home page shows how an account of this platform is connected.

    The page shows a form when `field` is not empty, otherwise a link.
    """
    manifest, form = adapter.manifest, _get_form(adapter)
    return {
        "title": manifest.title,
        "slug": adapter.slug,
        "noun": manifest.account_noun,
        "path": get_sign_in_path(adapter, Purpose.CONNECT),
        "prove_path": get_sign_in_path(adapter, Purpose.PROVE),
        "is_chosen_there": isinstance(adapter.connection_method, OAuth),
        "is_chosen_here": isinstance(adapter.connection_method, CredentialsWithChoice),
        "field": form.field if form else "",
        "hint": form.hint if form else "",
        "value": request.query_params.get(form.field, "") if form else "",
    }


async def _load_first_sync(
    reader: ConnectionReader, session: Session, document: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the first sync of what was just connected, if that is a single connection; otherwise None."""
    connections = document["connections"]
    if len(connections) != 1 or connections[0]["sync_id"] is None:
        return None
    return await reader.load_sync(session, UUID(connections[0]["sync_id"]))


def _build_prove_path(adapters: Sequence[PlatformAdapter], connection: str) -> str:
    """Return the path at which a merchant signs in at the connection's account; empty where nobody can."""
    by_slug = {adapter.slug: adapter for adapter in adapters}
    adapter = by_slug.get(parse_platform(connection))
    return build_sign_in_path(adapter, parse_account(connection), Purpose.PROVE) if adapter else ""


def build_access_path(connection: str) -> str:
    """Return the path of the page that shows who has access to a connection."""
    return f"/connections/{quote(connection, safe='/:')}"


def parse_uuid(text: str) -> UUID:
    """Return the UUID that `text` is. Raises NotFoundError for any other text."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFoundError from error
