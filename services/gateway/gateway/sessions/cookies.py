"""The gateway's cookies: for the session, and for binding a login or a form to the browser that began it."""

import hmac
import secrets

from fastapi import Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie

LOGIN_SECONDS = 600
"""How long a login may take, from the redirect to the consent page to the callback."""
FORM_SECONDS = 900
"""How long a form for credentials may stay open, from the page with the form to the choice of accounts."""
SESSION_COOKIE = "session_id"
FORM_COOKIE = "connect_form"
LOGIN_COOKIE_DESCRIPTION = "login_<hash of the state>: binds the login to this browser, for ten minutes"
OPTIONAL_SESSION_COOKIE = Security(
    APIKeyCookie(
        name=SESSION_COOKIE,
        scheme_name="session",
        description=(
            "Set at the end of a sign-in, http-only and SameSite=Lax; `__Host-session_id` over https. It shows the "
            "connections alone at whose accounts this browser has signed in."
        ),
        auto_error=False,
    )
)
"""Marks the routes that depend on a session; they read the cookie themselves."""


class Cookies:
    """Sets and reads the gateway's cookies: those of sessions, logins and forms.

    Scripts cannot read the cookies, and forms of other sites are sent without them. With `secure`, browsers send them
    over https only. Their names then begin with `__Host-`, so that browsers accept them from this very host alone: no
    other host of the domain, and nobody who can change plain http, can plant one.
    """

    def __init__(self, *, secure: bool, session_seconds: int) -> None:
        self._secure = secure
        self._prefix = "__Host-" if secure else ""
        self._session_seconds = session_seconds

    def set_login(self, response: Response, state: str, browser: str) -> None:
        """Set the cookie that binds the login with this state to the browser. Its value is the secret `browser`."""
        self._set(response, build_login_cookie_name(state), browser, LOGIN_SECONDS)

    def get_login(self, request: Request, state: str) -> str:
        """Return the value of the login cookie for this state; empty where this browser began no such login."""
        return self._get(request, build_login_cookie_name(state))

    def delete_login(self, response: Response, state: str) -> None:
        """Delete the cookie of a login that has ended."""
        self._delete(response, build_login_cookie_name(state))

    def set_session(self, response: Response, cookie: str) -> None:
        """Set the session cookie to the value `cookie`."""
        self._set(response, SESSION_COOKIE, cookie, self._session_seconds)

    def get_session(self, request: Request) -> str | None:
        """Return the value of the session cookie; None where there is none."""
        return self._get(request, SESSION_COOKIE) or None

    def delete_session(self, response: Response) -> None:
        """Delete the session cookie."""
        self._delete(response, SESSION_COOKIE)

    def set_form(self, response: Response, value: str) -> None:
        """Set the cookie that binds a form for credentials to the browser."""
        self._set(response, FORM_COOKIE, value, FORM_SECONDS)

    def get_form(self, request: Request) -> str:
        """Return the value of the form cookie; empty where there is none."""
        return self._get(request, FORM_COOKIE)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            self._prefix + name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _get(self, request: Request, name: str) -> str:
        return request.cookies.get(self._prefix + name, "")

    def _delete(self, response: Response, name: str) -> None:
        # The same attributes as in `_set`: browsers ignore a __Host- cookie without `Secure`, also when it is deleted.
        response.delete_cookie(self._prefix + name, path="/", secure=self._secure, httponly=True, samesite="lax")


def create_cookie_value() -> str:
    """Return a new random value for a cookie or an OAuth state, which nobody can guess."""
    return secrets.token_urlsafe(32)


def build_login_cookie_name(state: str) -> str:
    """Return the name of a login's cookie. Each login has its own, so that two tabs do not disturb each other."""
    return "login_" + hmac.digest(b"cookie name", state.encode("utf-8", "surrogateescape"), "sha256").hex()[:16]
