"""The buttons of merchants' pages. Each is a form that a page of this browser's session has sent."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.access import AccessService
from gateway.erasure.routes import build_deletion_path
from gateway.erasure.service import ErasureService
from gateway.internal.sync_requests import ManualSyncs
from gateway.pages.openapi_descriptions import describe_redirect
from gateway.pages.routes.pages import build_access_path, parse_uuid
from gateway.pages.session_forms import SessionForms, describe_session_form
from gateway.sessions.cookies import Cookies
from gateway.sessions.sessions import Session, Sessions

BESIDE_FIELD = "beside"
KEYS_FIELD = "keys"

ActOnConnection = Callable[[Session, str, Mapping[str, str]], Awaitable[str]]
"""Does what a form requests of the connection of this name, and returns the path to redirect to."""


@dataclass(frozen=True)
class _Button:
    """A button for one connection: `POST /connections/{connection}/<path>`.

    `target` says where its redirect leads, `fields` describes the further fields of its form; those in `optional` may
    be left out.
    """

    path: str
    summary: str
    target: str
    act: ActOnConnection
    fields: Mapping[str, str] = field(default_factory=dict)
    optional: Collection[str] = ()


class ConnectionActions:
    """What the buttons do with one connection. Each method returns the path to which the browser goes on.

    To start a sync needs a proof that lets the session read the connection; everything else needs a fresh one. The
    proof of the request is checked first, so that strangers lock nothing. The services read it again under the lock.
    """

    def __init__(self, access: AccessService, erasure: ErasureService, syncs: ManualSyncs) -> None:
        self._access = access
        self._erasure = erasure
        self._syncs = syncs

    async def disconnect(self, session: Session, connection: str, _fields: Mapping[str, str]) -> str:
        """Disconnect the account."""
        session.check_acting(connection)
        await self._erasure.disconnect_and_remove_app(connection, session)
        return "/connections"

    async def delete(self, session: Session, connection: str, _fields: Mapping[str, str]) -> str:
        """Delete all data of the account."""
        session.check_acting(connection)
        return build_deletion_path(await self._erasure.delete_and_remove_app(connection, session))

    async def move(self, session: Session, connection: str, fields: Mapping[str, str]) -> str:
        """List the connection beside another, or on its own."""
        session.check_acting(connection)
        if other := fields.get(BESIDE_FIELD, ""):
            session.check_acting(other)
            await self._access.move_beside(session, connection, other)
        else:
            await self._access.detach(session, connection)
        return build_access_path(connection)

    async def end_sessions(self, session: Session, connection: str, fields: Mapping[str, str]) -> str:
        """End the access of all other sessions, and all keys for the data API where the form says so."""
        session.check_acting(connection)
        await self._access.end_other_sessions(session, connection, with_keys=KEYS_FIELD in fields)
        return build_access_path(connection)

    async def request_sync(self, session: Session, connection: str, _fields: Mapping[str, str]) -> str:
        """Start a full sync, or show the one that is queued or running."""
        session.check_reading(connection)
        return f"/syncs/{await self._syncs.find_or_request_full_sync(connection, session)}"

    async def cancel_sync(self, session: Session, connection: str, fields: Mapping[str, str]) -> str:
        """Cancel a full sync."""
        session.check_acting(connection)
        sync_id = parse_uuid(fields.get("sync_id", ""))
        await self._syncs.cancel_full_sync(connection, sync_id, session)
        return f"/syncs/{sync_id}"


def create_action_routes(
    forms: SessionForms, sessions: Sessions, cookies: Cookies, actions: ConnectionActions
) -> APIRouter:
    """Return the routes of all buttons: `POST /connections/{connection}/…` and `POST /sign-out`."""
    routes = APIRouter(tags=["Your data"])
    for button in _list_buttons(actions):
        _add_button(routes, forms, button)
    _add_sign_out(routes, forms, sessions, cookies)
    return routes


def _list_buttons(actions: ConnectionActions) -> list[_Button]:
    page, sync = "To the connection's page.", "To the sync."
    beside = {BESIDE_FIELD: "The connection beside which it is to be listed; left out or empty: on its own"}
    keys = {KEYS_FIELD: "Any value: revoke all keys for the data API as well"}
    return [
        _Button("disconnect", "Disconnect an account", "To the connections.", actions.disconnect),
        _Button("delete", "Delete all data of an account", "To the deletion request.", actions.delete),
        _Button("move", "List a connection beside another, or on its own", page, actions.move, beside, beside),
        _Button(
            "end-sessions",
            "End the access of all other sessions to a connection",
            page,
            actions.end_sessions,
            keys,
            keys,
        ),
        _Button("sync", "Read an account completely, now", sync, actions.request_sync),
        _Button(
            "cancel",
            "Cancel a full sync that has not read everything yet",
            sync,
            actions.cancel_sync,
            {"sync_id": "The full sync"},
        ),
    ]


def _add_button(routes: APIRouter, forms: SessionForms, button: _Button) -> None:
    success = describe_redirect(303, button.target)
    description = describe_session_form(button.summary, success, button.fields, optional=button.optional)

    @routes.post(f"/connections/{{connection:path}}/{button.path}", name=button.act.__name__, **description)
    async def act_on_connection(request: Request, connection: str) -> Response:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            return RedirectResponse(await button.act(session, connection, fields), 303)

        return await forms.handle(request, act)


def _add_sign_out(routes: APIRouter, forms: SessionForms, sessions: Sessions, cookies: Cookies) -> None:
    async def end_session(session: Session, _fields: Mapping[str, str]) -> Response:
        await sessions.end(session)
        response = RedirectResponse("/", 303)
        cookies.delete_session(response)
        return response

    description = describe_session_form("End this session", describe_redirect(303, "To the home page."), {})

    @routes.post("/sign-out", **description)
    async def sign_out(request: Request) -> Response:
        return await forms.handle(request, end_session)
