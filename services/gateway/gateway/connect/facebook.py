"""Signing in with Facebook: to its consent dialog, and back with pages; and proving the webhook's address to it."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from contracts.events import parse_account
from gateway.connect.oauth_flow import Logins, SignedIn, cookie_of
from gateway.connections import Connection
from gateway.pages.openapi_descriptions import ANYBODY, AWAY, led, problems, query, says, shown, text
from gateway.pages.responses import answer, problem
from gateway.pages.views import Shown, missing_scopes
from gateway.platforms.facebook import ASK_AGAIN, Facebook, callback_parameters
from gateway.sessions.cookies import BY_SESSION, LOGIN_COOKIE, Cookies
from platform_sdk.errors import RequestRejectedError, TransientError
from platform_sdk.grants import Grant

_CALLBACK = "/facebook/callback"
_NOT_CONFIGURED = (
    "Facebook is not configured here: whoever runs this service sets FACEBOOK_APP_ID, FACEBOOK_APP_SECRET, "
    "FACEBOOK_VERIFY_TOKEN, FACEBOOK_REDIRECT_URI and FACEBOOK_WEBHOOK_ADDRESS, and starts it again"
)
_CONSENTED = {"code": "Exchanged for tokens, once", "state": "That of the login, from the same browser"}
_REFUSED = {
    400: "The consent was cancelled, is not this browser's, lacks what is needed, or its code is not taken.",
    502: "Facebook does not answer.",
}
_CHALLENGE = {
    "hub.mode": "subscribe",
    "hub.verify_token": "The verify token of this installation",
    "hub.challenge": "What to answer",
}


class PageConnected(Shown):
    """A page that was chosen, with its first sync."""

    id: str
    name: str
    connection: str
    sync_id: UUID


class Pages(Shown):
    """The pages of one consent."""

    data: list[PageConnected]


class PagesConnected(Shown):
    """A consent that was stored; the cookie `session_id` comes with it."""

    user_uuid: UUID
    pages: Pages
    declined_permissions: list[str]


_LOGIN = says(
    "Sign in with Facebook; again=1 asks once more for what was declined",
    led(302, "To Facebook's consent.", cookie=LOGIN_COOKIE),
    problems({503: "Facebook is not configured here, or a part of the service does not answer now."}),
    tags=["Signing in"],
)
_BACK = says(
    "Back from Facebook's consent",
    shown(PagesConnected, "Connected; the first syncs have begun."),
    problems({**_REFUSED, **AWAY}),
    tags=["Signing in"],
    dependencies=[BY_SESSION],
    openapi_extra=query(_CONSENTED) | ANYBODY,
)
_VERIFY = says(
    "Facebook verifies the address of its webhook",
    text({200: "The challenge.", 403: "This is not our verify token."}),
    tags=["Platforms"],
    response_class=PlainTextResponse,
    openapi_extra=query(_CHALLENGE),
)


def facebook_routes(logins: Logins, app: Facebook, cookies: Cookies) -> APIRouter:
    """`GET /facebook/login` (`?again=1`: to be asked for what was declined), `/facebook/callback`, `/facebook/webhook`.

    Where Facebook is not configured the login says so, and the others are not there.
    """
    routes = APIRouter()

    @routes.get(app.login_path, **_LOGIN)
    async def login(request: Request, again: str = "") -> Response:
        if not app.configured:
            return problem(request, 503, _NOT_CONFIGURED)
        started = await logins.start()
        response = RedirectResponse(app.dialog(started.state, again=bool(again)), 302)
        cookies.bind_login(response, started, path=_CALLBACK)
        return response

    if not app.configured:
        return routes

    @routes.get(_CALLBACK, **_BACK)
    async def callback(request: Request) -> Response:
        try:
            given = callback_parameters(request.scope["query_string"])
            signed_in = await _finished(logins, cookies, request, given)
        except RequestRejectedError as error:
            again = ASK_AGAIN if error.ask_again else app.login_path
            return problem(request, error.status, error.reason, again=again)
        except TransientError as away:
            return problem(request, 502, str(away), again=app.login_path)
        return _welcome(request, app, cookies, signed_in, cookie_of(given["state"]))

    @routes.get("/facebook/webhook", **_VERIFY)
    async def verify(request: Request) -> Response:
        challenge = app.challenge(request.query_params)
        if challenge is None:
            return PlainTextResponse("this is not the verify token", 403)
        return PlainTextResponse(challenge)

    return routes


async def _finished(logins: Logins, cookies: Cookies, request: Request, given: dict[str, str]) -> SignedIn:
    return await logins.finish(
        code=given["code"],
        state=given["state"],
        browser=request.cookies.get(cookie_of(given["state"]), ""),
        session=cookies.session(request),
    )


def _page(row: Connection, grant: Grant) -> PageConnected:
    assert row.wanted_sync is not None
    return PageConnected(id=parse_account(row.name), name=grant.title, connection=row.name, sync_id=row.wanted_sync)


def _welcome(request: Request, app: Facebook, cookies: Cookies, signed_in: SignedIn, used: str) -> Response:
    grants = signed_in.grants
    grant = next(iter(grants.values()))
    document = PagesConnected(
        user_uuid=signed_in.merchant,
        pages=Pages(data=[_page(row, grants[row.name]) for row in signed_in.connections]),
        declined_permissions=list(app.find_missing_scopes(grant.scopes)),
    ).model_dump(mode="json")
    declined = missing_scopes(app, grant.scopes)
    until = grant.readable_until and datetime.fromtimestamp(grant.readable_until / 1000, UTC).date()
    response = answer(request, "pages.html", document, declined=declined, until=until, again=ASK_AGAIN)
    cookies.sign_in(response, signed_in.session)
    response.delete_cookie(used, path=_CALLBACK)
    return response
