"""Handles the forms that a page of this browser's session has sent, and describes their routes."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from contracts.events import parse_account, parse_platform
from gateway.connect.paths import build_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.pages.forms import TOKEN_FIELD, has_form_token, is_same_origin, read_form
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    Responses,
    describe_form,
    describe_problems,
    describe_route,
)
from gateway.pages.responses import respond_problem
from gateway.requesters import StaleProofError
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE
from gateway.sessions.sessions import Session, Sessions
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import ConnectionEndedError, NotFoundError, RequestRejectedError

NOT_SIGNED_IN = "you are not signed in here, or your session has ended"
NOT_YOURS = "there is no such connection among yours"
_TOKEN = "That of the session, from the page with the button"
_PROBLEMS = {
    400: "The form is malformed, too long, or did not come, or a field has no possible value.",
    401: "Nobody is signed in.",
    403: "It was not sent by a page of this session, or the sign-in is not fresh enough for this.",
    404: "There is no such connection among yours, or it has no such sync or key.",
    **UNAVAILABLE,
}


Act = Callable[[Session, Mapping[str, str]], Awaitable[Response]]
"""Does what a form of this session requests, with the form's fields, and returns the response."""


class SessionForms:
    """Handles forms that only a page of the browser's own session may send."""

    def __init__(self, sessions: Sessions, adapters: Mapping[str, PlatformAdapter]) -> None:
        self._sessions = sessions
        self._adapters = adapters

    async def handle(self, request: Request, act: Act) -> Response:
        """Check that a page of the session sent the form, and return the response of `act`."""
        try:
            # Before the session is looked up: its proofs must be valid when the form is complete.
            fields = await read_form(request)
        except RequestRejectedError as error:
            return respond_problem(request, error.status, error.reason)
        session = await self._sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        try:
            if not is_same_origin(request) or not has_form_token(fields, self.build_token(session)):
                reason = "this was not sent by a page of your session; open the page again"
                return respond_problem(request, 403, reason, again="/connections")
            return await act(session, fields)
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

    def build_token(self, session: Session) -> str:
        """Return the token in the forms on this session's pages."""
        return self._sessions.build_form_token(session)

    def _respond_stale_proof(self, request: Request, connection: str) -> Response:
        adapter = self._adapters[parse_platform(connection)]
        reason = f"your sign-in at {connection} is too old for this; sign in there again, then try once more"
        again = build_sign_in_path(adapter, parse_account(connection), Purpose.PROVE)
        return respond_problem(request, 403, reason, again=again)


def describe_session_form(
    summary: str, success: Responses, fields: Mapping[str, str], *, optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return the arguments of a route's decorator that describe a form of a session.

    `success` describes the response when all is well, `fields` the form's fields by name, besides its token. Those in
    `optional` may be left out.
    """
    problems = _PROBLEMS | {
        409: "The account is not connected, or this cannot be done with it now.",
        429: "Such a sync was requested a short time ago: try again after the seconds in `Retry-After`.",
    }
    return describe_route(
        summary,
        success,
        describe_problems(problems),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form({TOKEN_FIELD: _TOKEN, **fields}, optional=optional),
    )
