"""The routes for merchants: the home page, the merchant's connections, and a sync."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.connect.paths import get_connect_path, get_login_template
from gateway.pages.merchant_reader import ConnectionsDocument, MerchantReader
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    describe_page,
    describe_problems,
    describe_query,
    describe_route,
)
from gateway.pages.responses import ResponseModel, respond, respond_problem
from gateway.pages.views import SyncDocument
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies
from messaging.errors import UnavailableError
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountForm, OAuth
from platform_sdk.errors import NotFoundError

NOT_SIGNED_IN = "you are not signed in here, or your session has ended"


class HomeDocument(ResponseModel):
    """The answer of the home page. `message` names the paths at which accounts are connected."""

    status: str = "ok"
    message: str


_CONNECTIONS = describe_route(
    "Your connections, with their latest syncs",
    describe_page(ConnectionsDocument, "Yours alone."),
    describe_problems({401: "Nobody is signed in.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_SYNC = describe_route(
    "A sync, with the outcomes of its four checks",
    describe_page(SyncDocument, "Its progress, or its result."),
    describe_problems({404: "There is none, or it is not yours.", **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)


def create_page_routes(
    merchants: MerchantReader, cookies: Cookies, adapters: Sequence[PlatformAdapter], *, sandbox_url: str
) -> APIRouter:
    """Return `GET /`, `GET /connections` and `GET /syncs/{id}`: an HTML page for a browser, otherwise JSON.

    `adapters` are those of the configured platforms. `sandbox_url` is the address of the sandbox (the simulated
    platforms), to which the home page links; empty where there is none.
    """
    routes = APIRouter(tags=["Your data"])
    connectable = [adapter for adapter in adapters if get_connect_path(adapter)]
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
        session = cookies.get_session(request)
        merchant = await merchants.find_merchant(session)
        if merchant is None or session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        document = await merchants.load_connections(merchant)
        return respond(request, "connections.html", document, form_token=merchants.build_form_token(session))

    @routes.get("/syncs/{sync_id}", **_SYNC)
    async def show_sync(request: Request, sync_id: str) -> Response:
        try:
            merchant = await merchants.find_merchant(cookies.get_session(request))
            document = await merchants.load_sync(merchant, _parse_uuid(sync_id))
        except NotFoundError:
            return respond_problem(request, 404, "there is no such sync among yours, or your session has ended")
        except UnavailableError:
            return respond_problem(request, 503, "the scheduler does not answer now; try again in a moment")
        return respond(request, "sync.html", document, sync=document)

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
        "path": get_connect_path(adapter),
        "is_chosen_there": isinstance(adapter.connection_method, OAuth),
        "field": form.field if form else "",
        "hint": form.hint if form else "",
        "value": request.query_params.get(form.field, "") if form else "",
    }


def _parse_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFoundError from error
