"""ASGI middleware that limits how often a client may begin or complete a sign-in."""

import re
from collections.abc import Iterable
from math import ceil

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.pages.responses import respond_problem
from service.rate_limits import ClientRateLimiter, Rate

SIGN_INS_PER_CLIENT = Rate(burst=30, per_second=0.5)
SIGN_INS_PER_PROCESS = Rate(burst=600, per_second=20)
RATE_LIMITED = {429: "Too many sign-ins from this address: try again after the seconds in `Retry-After`."}
"""The description of the response to a sign-in too many."""


class SignInRateLimit:
    """Answers 429 to a client that requests logins, callbacks and forms for credentials too often.

    Each of them writes a row, calls the platform, or both. Requests for names that are no account count too. `slugs`
    are those of all platforms.
    """

    def __init__(self, app: ASGIApp, limiter: ClientRateLimiter, slugs: Iterable[str]) -> None:
        self._app = app
        self._limiter = limiter
        self._paths = compile_sign_in_pattern(slugs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request: pass it on, or answer 429."""
        if scope["type"] != "http" or not self._paths.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        peer = scope["client"][0] if scope.get("client") else ""
        wait = self._limiter.take(peer, scope["headers"])
        if not wait:
            await self._app(scope, receive, send)
            return
        reason = "too many sign-ins came from your address; wait a moment"
        response = respond_problem(Request(scope), 429, reason, retry_after=ceil(wait))
        await response(scope, receive, send)


def compile_sign_in_pattern(slugs: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of the paths at which a sign-in at one of these platforms begins or ends."""
    return re.compile(
        rf"/(?:{'|'.join(map(re.escape, slugs))})/(?:(?:.*/)?(?:login|prove)|callback|connect(?:/accounts)?)", re.DOTALL
    )
