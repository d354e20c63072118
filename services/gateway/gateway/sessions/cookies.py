"""The cookies: who a browser is, and which login it began."""

from fastapi import Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie

from gateway.connect.oauth_flow import STATE_SECONDS, LoginStarted

SESSION = "session_id"
LOGIN_COOKIE = "login_<hash of the state>: binds the login to this browser, for the callback alone, ten minutes"
BY_SESSION = Security(
    APIKeyCookie(
        name=SESSION,
        scheme_name="session",
        description="Set at the end of a sign-in: http-only, SameSite=Lax. It shows its own merchant's data alone.",
        auto_error=False,
    )
)
"""Marks the routes that act for whoever's session it is; they look at it themselves."""


class Cookies:
    """Sets and reads the gateway's cookies: out of scripts' reach, first-party, and https only where that is used."""

    def __init__(self, *, secure: bool, session_seconds: int) -> None:
        self._secure = secure
        self._session_seconds = session_seconds

    def bind_login(self, response: Response, started: LoginStarted, *, path: str) -> None:
        """Bind a login to this browser, for the callback at `path` alone."""
        response.set_cookie(
            started.cookie,
            started.browser,
            max_age=STATE_SECONDS,
            path=path,
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def sign_in(self, response: Response, session: str) -> None:
        """Give the browser its session."""
        response.set_cookie(
            SESSION, session, max_age=self._session_seconds, secure=self._secure, httponly=True, samesite="lax"
        )

    def session(self, request: Request) -> str | None:
        """The session that the browser shows, if any."""
        return request.cookies.get(SESSION) or None
