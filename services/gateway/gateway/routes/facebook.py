"""Signing in with Facebook: to its consent dialog, and back with pages; and proving the webhook's address to it."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from gateway.logins import Logins, SignedIn, cookie_of
from gateway.platforms.facebook import ASK_AGAIN, Facebook, callback_parameters
from gateway.problems import CodeRefused, NotGranted, PlatformAway, Refusal
from gateway.routes.answers import answer, problem
from gateway.routes.sessions import Cookies
from gateway.views import missing_scopes

_CALLBACK = "/facebook/callback"
_NOT_CONFIGURED = (
    "Facebook is not configured here: whoever runs this service sets FACEBOOK_APP_ID, FACEBOOK_APP_SECRET, "
    "FACEBOOK_VERIFY_TOKEN, FACEBOOK_REDIRECT_URI and FACEBOOK_WEBHOOK_ADDRESS, and starts it again"
)


def facebook_routes(logins: Logins, app: Facebook, cookies: Cookies) -> APIRouter:
    """`GET /facebook/login` (`?again=1`: to be asked for what was declined), `/facebook/callback`, `/facebook/webhook`.

    Where Facebook is not configured the login says so, and the others are not there.
    """
    routes = APIRouter()

    @routes.get(app.login_path)
    async def login(request: Request, again: str = "") -> Response:
        if not app.configured:
            return problem(request, 503, _NOT_CONFIGURED)
        started = await logins.start()
        response = RedirectResponse(app.dialog(started.state, again=bool(again)), 302)
        cookies.bind_login(response, started, path=_CALLBACK)
        return response

    if not app.configured:
        return routes

    @routes.get(_CALLBACK)
    async def callback(request: Request) -> Response:
        try:
            given = callback_parameters(request.scope["query_string"])
            signed_in = await _finished(logins, cookies, request, given)
        except NotGranted as lacking:
            return problem(request, 400, str(lacking), again=ASK_AGAIN)
        except (Refusal, CodeRefused) as refusal:
            return problem(request, 400, str(refusal), again=app.login_path)
        except PlatformAway as away:
            return problem(request, 502, str(away), again=app.login_path)
        return _welcome(request, app, cookies, signed_in, cookie_of(given["state"]))

    @routes.get("/facebook/webhook")
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


def _welcome(request: Request, app: Facebook, cookies: Cookies, signed_in: SignedIn, used: str) -> Response:
    grants = signed_in.grants
    grant = next(iter(grants.values()))
    pages = [
        {
            "id": row.name.removeprefix(f"{app.slug}:"),
            "name": grants[row.name].title,
            "connection": row.name,
            "sync_id": str(row.wanted_sync),
        }
        for row in signed_in.connections
    ]
    document = {
        "user_uuid": str(signed_in.merchant),
        "pages": {"data": pages},
        "declined_permissions": list(app.missing_scopes(grant.scopes)),
    }
    declined = missing_scopes(app, grant.scopes)
    until = grant.readable_until and datetime.fromtimestamp(grant.readable_until / 1000, UTC).date()
    response = answer(request, "pages.html", document, declined=declined, until=until, again=ASK_AGAIN)
    cookies.sign_in(response, signed_in.session)
    response.delete_cookie(used, path=_CALLBACK)
    return response
