"""The buttons of merchants' pages. Each is a form that a page of this browser's session has sent."""

from collections.abc import Awaitable, Callable, Mapping
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


class StaleProofError(Exception):
    """The sign-in at the account of `connection` is not fresh enough to change it."""

    def __init__(self, connection: str) -> None:
        super().__init__(connection)
        self.connection = connection


Act = Callable[[Session, dict[str, str]], Awaitable[str]]
"""Does what a form of this session requests, with the form's fields, and returns the path to redirect to."""


def create_action_routes(
    sessions: Sessions,
    cookies: Cookies,
    adapters: Mapping[str, PlatformAdapter],
    *,
    access: AccessService,
    erasure: ErasureService,
    syncs: ManualSyncs,
) -> APIRouter:
    """Return the routes of all buttons: `POST /connections/{connection}/…` and `POST /sign-out`.

    To start a sync needs a proof that lets the session read the connection; everything else needs a fresh one.
    """
    routes = APIRouter(tags=["Your data"])
    handler = _FormHandler(sessions, adapters)

    @routes.post("/connections/{connection}/disconnect", **_describe("Disconnect an account", "To the connections."))
    async def disconnect(request: Request, connection: str) -> Response:
        async def act(session: Session, _fields: dict[str, str]) -> str:
            require_fresh_proof(session, connection)
            await erasure.disconnect_and_remove_app(connection, session.actor)
            return "/connections"

        return await handler.handle(request, act)

    @routes.post(
        "/connections/{connection}/delete", **_describe("Delete all data of an account", "To the deletion request.")
    )
    async def delete(request: Request, connection: str) -> Response:
        async def act(session: Session, _fields: dict[str, str]) -> str:
            require_fresh_proof(session, connection)
            return build_deletion_path(await erasure.delete_and_remove_app(connection, session.actor))

        return await handler.handle(request, act)

    @routes.post(
        "/connections/{connection}/move",
        **_describe(
            "List a connection beside another, or on its own",
            "To the connection's page.",
            **{BESIDE_FIELD: "The connection beside which it is to be listed; empty: on its own"},
        ),
    )
    async def move(request: Request, connection: str) -> Response:
        async def act(session: Session, fields: dict[str, str]) -> str:
            require_fresh_proof(session, connection)
            if other := fields.get(BESIDE_FIELD, ""):
                require_fresh_proof(session, other)
                await access.move_beside(session, connection, other)
            else:
                await access.detach(session, connection)
            return _build_path(connection)

        return await handler.handle(request, act)

    @routes.post(
        "/connections/{connection}/end-sessions",
        **_describe("End the access of all other sessions to a connection", "To the connection's page."),
    )
    async def end_sessions(request: Request, connection: str) -> Response:
        async def act(session: Session, _fields: dict[str, str]) -> str:
            require_fresh_proof(session, connection)
            await access.end_other_sessions(session, connection)
            return _build_path(connection)

        return await handler.handle(request, act)

    @routes.post("/connections/{connection}/sync", **_describe("Read an account completely, now", "To the sync."))
    async def request_sync(request: Request, connection: str) -> Response:
        async def act(session: Session, _fields: dict[str, str]) -> str:
            if not session.can_read(connection):
                raise NotFoundError
            return f"/syncs/{await syncs.request_full_sync(connection, session.actor)}"

        return await handler.handle(request, act)

    @routes.post(
        "/connections/{connection}/cancel",
        **_describe("Cancel a full sync that has not read everything yet", "To the sync.", sync_id="The full sync"),
    )
    async def cancel_sync(request: Request, connection: str) -> Response:
        async def act(session: Session, fields: dict[str, str]) -> str:
            require_fresh_proof(session, connection)
            sync_id = parse_uuid(fields.get("sync_id", ""))
            await syncs.cancel_full_sync(connection, sync_id, session.actor)
            return f"/syncs/{sync_id}"

        return await handler.handle(request, act)

    @routes.post("/sign-out", **_describe("End this session", "To the home page."))
    async def sign_out(request: Request) -> Response:
        async def act(session: Session, _fields: dict[str, str]) -> str:
            await sessions.end(session)
            return "/"

        response = await handler.handle(request, act)
        if response.status_code == 303:
            cookies.delete_session(response)
        return response

    return routes


def require_fresh_proof(session: Session, connection: str) -> None:
    """Raise NotFoundError unless the session may read the connection, and StaleProofError unless it may change it."""
    if not session.can_read(connection):
        raise NotFoundError
    if not session.can_act(connection):
        raise StaleProofError(connection)


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
            return respond_problem(request, error.status, error.reason)
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
    problems = _PROBLEMS | {409: "The account is not connected, or the sync cannot be cancelled."}
    return describe_route(
        summary,
        describe_redirect(303, target),
        describe_problems(problems),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form(**{TOKEN_FIELD: _TOKEN}, **fields),
    )
