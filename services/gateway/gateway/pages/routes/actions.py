"""The buttons of merchants' pages. Each is a form that a page of this browser's session has sent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from contracts.events import parse_account, parse_platform
from gateway.access import AccessService
from gateway.connect.paths import build_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.erasure.routes import build_deletion_path
from gateway.erasure.service import ErasureService
from gateway.internal.sync_requests import ManualSyncs
from gateway.pages.forms import TOKEN_FIELD, has_form_token, is_same_origin, read_form
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    describe_form,
    describe_problems,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import respond_problem
from gateway.pages.routes.pages import NOT_SIGNED_IN, parse_uuid
from gateway.requesters import StaleProofError
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies
from gateway.sessions.sessions import Session, Sessions
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import ConnectionEndedError, NotFoundError, RequestRejectedError

BESIDE_FIELD = "beside"
NOT_YOURS = "there is no such connection among yours"
_TOKEN = "That of the session, from the page with the button"
_PROBLEMS = {
    400: "The form is malformed, too long, or did not come.",
    401: "Nobody is signed in.",
    403: "It was not sent by a page of this session, or the sign-in is not fresh enough for this.",
    404: "There is no such connection among yours.",
    **UNAVAILABLE,
}


Act = Callable[[Session, Mapping[str, str]], Awaitable[str]]
"""Does what a form of this session requests, with the form's fields, and returns the path to redirect to."""
ActOnConnection = Callable[[Session, str, Mapping[str, str]], Awaitable[str]]
"""The same for the connection of this name."""


@dataclass(frozen=True)
class _Button:
    """A button for one connection: `POST /connections/{connection}/<path>`.

    `target` says where its redirect leads, `fields` describes the further fields of its form.
    """

    path: str
    summary: str
    target: str
    act: ActOnConnection
    fields: Mapping[str, str] = field(default_factory=dict)


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
        return _build_path(connection)

    async def end_sessions(self, session: Session, connection: str, _fields: Mapping[str, str]) -> str:
        """End the access of all other sessions."""
        session.check_acting(connection)
        await self._access.end_other_sessions(session, connection)
        return _build_path(connection)

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
    sessions: Sessions, cookies: Cookies, adapters: Mapping[str, PlatformAdapter], actions: ConnectionActions
) -> APIRouter:
    """Return the routes of all buttons: `POST /connections/{connection}/…` and `POST /sign-out`."""
    routes = APIRouter(tags=["Your data"])
    handler = _FormHandler(sessions, adapters)
    for button in _list_buttons(actions):
        _add_button(routes, handler, button)
    _add_sign_out(routes, handler, sessions, cookies)
    return routes


def _list_buttons(actions: ConnectionActions) -> list[_Button]:
    page, sync = "To the connection's page.", "To the sync."
    beside = {BESIDE_FIELD: "The connection beside which it is to be listed; empty: on its own"}
    return [
        _Button("disconnect", "Disconnect an account", "To the connections.", actions.disconnect),
        _Button("delete", "Delete all data of an account", "To the deletion request.", actions.delete),
        _Button("move", "List a connection beside another, or on its own", page, actions.move, beside),
        _Button("end-sessions", "End the access of all other sessions to a connection", page, actions.end_sessions),
        _Button("sync", "Read an account completely, now", sync, actions.request_sync),
        _Button(
            "cancel",
            "Cancel a full sync that has not read everything yet",
            sync,
            actions.cancel_sync,
            {"sync_id": "The full sync"},
        ),
    ]


def _add_button(routes: APIRouter, handler: "_FormHandler", button: _Button) -> None:
    description = _describe(button.summary, button.target, **button.fields)

    @routes.post(f"/connections/{{connection}}/{button.path}", name=button.act.__name__, **description)
    async def act_on_connection(request: Request, connection: str) -> Response:
        return await handler.handle(request, lambda session, fields: button.act(session, connection, fields))


def _add_sign_out(routes: APIRouter, handler: "_FormHandler", sessions: Sessions, cookies: Cookies) -> None:
    async def end_session(session: Session, _fields: Mapping[str, str]) -> str:
        await sessions.end(session)
        return "/"

    @routes.post("/sign-out", **_describe("End this session", "To the home page."))
    async def sign_out(request: Request) -> Response:
        response = await handler.handle(request, end_session)
        if response.status_code == 303:
            cookies.delete_session(response)
        return response


class _FormHandler:
    def __init__(self, sessions: Sessions, adapters: Mapping[str, PlatformAdapter]) -> None:
        self._sessions = sessions
        self._adapters = adapters

    async def handle(self, request: Request, act: Act) -> Response:
        """Check that a page of the session sent the form, call `act`, and redirect to the path that it returns."""
        try:
            # Before the session is looked up: its proofs must be valid when the form is complete.
            fields = await read_form(request)
        except RequestRejectedError as error:
            return respond_problem(request, error.status, error.reason)
        session = await self._sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        try:
            if not is_same_origin(request) or not has_form_token(fields, self._sessions.build_form_token(session)):
                reason = "this was not sent by a page of your session; open the page again"
                return respond_problem(request, 403, reason, again="/connections")
            return RedirectResponse(await act(session, fields), 303)
        except RequestRejectedError as error:
            return respond_problem(
                request, error.status, error.reason, again="/connections", retry_after=error.retry_after
            )
        except StaleProofError as error:
            return self._respond_stale_proof(request, error.connection)
        except ConnectionEndedError:
            return respond_problem(request, 409, "the account is not connected, so it cannot be read; connect it again")
        except NotFoundError:
            return respond_problem(request, 404, NOT_YOURS, again="/connections")

    def _respond_stale_proof(self, request: Request, connection: str) -> Response:
        adapter = self._adapters[parse_platform(connection)]
        reason = f"your sign-in at {connection} is too old for this; sign in there again, then try once more"
        again = build_sign_in_path(adapter, parse_account(connection), Purpose.PROVE)
        return respond_problem(request, 403, reason, again=again)


def _build_path(connection: str) -> str:
    return f"/connections/{connection}"


def _describe(summary: str, target: str, **fields: str) -> dict[str, Any]:
    problems = _PROBLEMS | {
        409: "The account is not connected, or the sync cannot be cancelled.",
        429: "Such a sync was requested a short time ago: try again after the seconds in `Retry-After`.",
    }
    return describe_route(
        summary,
        describe_redirect(303, target),
        describe_problems(problems),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form(**{TOKEN_FIELD: _TOKEN}, **fields),
    )
