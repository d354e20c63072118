"""What a merchant sees: the way in, the own connections, the own syncs. Everyone else's are not there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from contracts.events import parse_platform
from database.pool import DatabaseUnavailableError
from gateway.connections import Connection
from gateway.pages.openapi_descriptions import AWAY, problems, query, says, shown
from gateway.pages.responses import answer, problem
from gateway.pages.views import (
    ConnectionDocument,
    ConnectionView,
    Shown,
    SyncDocument,
    SyncView,
    connection_document,
    queued,
    sync_document,
    unknown,
)
from gateway.platforms import Platform
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import BY_SESSION, Cookies
from gateway.store import Stores
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError

NOT_SIGNED_IN = "you are not signed in here, or your session has ended"


class HomeDocument(Shown):
    """The way in, for programs."""

    status: str = "ok"
    message: str


class ConnectionsDocument(Shown):
    """A merchant's connections."""

    user_uuid: UUID
    connections: list[ConnectionDocument]


_HOME = says("The way in", shown(HomeDocument, "Where an account is connected."))
_CONNECTIONS = says(
    "Your connections, with their latest syncs",
    shown(ConnectionsDocument, "Yours alone."),
    problems({401: "Nobody is signed in.", **AWAY}),
    dependencies=[BY_SESSION],
)
_SYNC = says(
    "A sync, with its four tests",
    shown(SyncDocument, "How it goes, or went."),
    problems({404: "There is none, or it is not yours.", **AWAY}),
    dependencies=[BY_SESSION],
)


class Scheduler(Protocol):
    """The scheduler's reads. Both raise `UnavailableError`."""

    async def sync(self, sync_id: UUID) -> SyncView | None:
        """A sync, None when it is not known."""

    async def connection(self, name: str) -> ConnectionView | None:
        """A connection, None when it is not known."""


class Merchants:
    """Reads what one merchant may see."""

    def __init__(
        self,
        stores: Stores,
        scheduler: Scheduler,
        platforms: Mapping[str, Platform],
        keys: BrowserKeys,
        *,
        now: Callable[[], int],
    ) -> None:
        self._stores = stores
        self._scheduler = scheduler
        self._platforms = platforms
        self._keys = keys
        self._now = now

    async def merchant(self, session: str | None) -> UUID | None:
        """Whose session it is."""
        return await self._stores.sessions.find_merchant(self._keys.hashed("session", session)) if session else None

    def form_token(self, session: str) -> str:
        """What the forms on a page of this session carry."""
        return self._keys.form_token(session)

    async def sync(self, merchant: UUID | None, sync_id: UUID) -> dict[str, Any]:
        """The sync as it is shown. Raises `NotFoundError` unless it is this merchant's; `UnavailableError`.

        Of a sync that the gateway wants itself, its own part is shown although the scheduler is away.
        """
        if merchant is None:
            raise NotFoundError
        own = await self._stores.webhook_probes.find(sync_id)
        try:
            known = await self._scheduler.sync(sync_id)
            if known is None and own is not None:
                known = queued(sync_id, own.connection, own.created_at)
        except UnavailableError:
            if own is None:
                raise
            known = unknown(sync_id, own.connection)
        if known is None or not await self._owns(merchant, known.connection):
            raise NotFoundError
        status, test = (own.webhook_status, own.probe_result) if own else (None, None)
        return sync_document(known, status=status, test=test, now=self._now())

    async def connections(self, merchant: UUID) -> dict[str, Any]:
        """All of this merchant's connections as they are shown."""
        rows = await self._stores.connections.list_by_merchant(merchant)
        shown = await asyncio.gather(*(self._connection(row) for row in rows))
        return ConnectionsDocument(user_uuid=merchant, connections=shown).model_dump(mode="json")

    async def _connection(self, row: Connection) -> ConnectionDocument:
        platform = self._platforms[parse_platform(row.name)]
        test = await self._stores.webhook_probes.find_last_result(row.name)
        try:
            known = await self._scheduler.connection(row.name)
            away = False
        except UnavailableError:
            known, away = None, True
        return connection_document(row, platform, known, away=away, test=test)

    async def _owns(self, merchant: UUID, connection: str) -> bool:
        row = await self._stores.connections.find(connection)
        return row is not None and row.merchant == merchant


def page_routes(
    merchants: Merchants, cookies: Cookies, platforms: Sequence[Platform], *, sandbox_url: str
) -> APIRouter:
    """`GET /`, `GET /connections`, `GET /syncs/{id}`: a page for a browser, else JSON."""
    routes = APIRouter(tags=["Your data"])

    fields = {form[1]: f"Fills the form in: {form[2]}" for each in platforms if (form := each.login_form)}

    @routes.get("/", **_HOME, openapi_extra=query(fields, optional=fields))
    async def home(request: Request) -> Response:
        paths = ", ".join(platform.login_path for platform in platforms)
        document = HomeDocument(message=f"connect an account at {paths}")
        ways = [_way(request, platform) for platform in platforms]
        return answer(request, "home.html", document.model_dump(), ways=ways, sandbox_url=sandbox_url)

    @routes.get("/connections", **_CONNECTIONS)
    async def connections(request: Request) -> Response:
        session = cookies.session(request)
        merchant = await merchants.merchant(session)
        if merchant is None or session is None:
            return problem(request, 401, NOT_SIGNED_IN)
        document = await merchants.connections(merchant)
        return answer(request, "connections.html", document, form_token=merchants.form_token(session))

    @routes.get("/syncs/{sync_id}", **_SYNC)
    async def sync(request: Request, sync_id: str) -> Response:
        try:
            merchant = await merchants.merchant(cookies.session(request))
            document = await merchants.sync(merchant, _uuid(sync_id))
        except NotFoundError:
            return problem(request, 404, "there is no such sync among yours, or your session has ended")
        except DatabaseUnavailableError:
            raise
        except UnavailableError:
            return problem(request, 503, "the scheduler does not answer now; try again in a moment")
        return answer(request, "sync.html", document, sync=document)

    return routes


def _way(request: Request, platform: Platform) -> dict[str, str]:
    """The way to a platform's consent as the page shows it: a form where it has a `field`, else a link."""
    if platform.login_form is None:
        return {"title": platform.title, "slug": platform.slug, "path": platform.login_path, "field": ""}
    path, field, hint = platform.login_form
    value = request.query_params.get(field, "")
    return {"title": platform.title, "path": path, "field": field, "hint": hint, "value": value}


def _uuid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        raise NotFoundError from error
