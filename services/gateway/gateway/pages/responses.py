"""How the gateway answers people and programs: pages or JSON by `Accept`, with the headers that keep them safe."""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

import jinja2
import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from markupsafe import Markup
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.pages.views import Shown

_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # without any, browsers would not say where our own forms come from
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]


class Done(Shown):
    """What was asked is done."""

    status: Literal["success"] = "success"


class Problem(Shown):
    """An error, with its reason in words."""

    status: Literal["error"] = "error"
    reason: str


WEBHOOK_ANSWERS = {
    200: {"status": "success"},
    400: {"status": "error", "reason": "malformed delivery"},
    401: {"status": "error", "reason": "signature"},
    408: {"status": "error", "reason": "the body did not come"},
    413: {"status": "error", "reason": "too large"},
    503: {"status": "error", "reason": "try again"},
}
"""What a sender of deliveries is told, by status."""
_WEBHOOK_BODIES = {status: orjson.dumps(said) for status, said in WEBHOOK_ANSWERS.items()}


def webhook_answer(status: int) -> bytes:
    """The body of the answer to a delivery."""
    return _WEBHOOK_BODIES[status]


class SafeHeaders:
    """ASGI: every answer is kept out of caches, frames and referrers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, safely if scope["type"] == "http" else send)


def wants_page(request: Request) -> bool:
    """Whether the asker is a browser: it takes HTML, and names it before JSON."""
    accept = request.headers.get("accept", "").lower()
    page, data = accept.find("text/html"), accept.find("application/json")
    return page >= 0 and (data < 0 or page < data)


def page(name: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A page, with a policy that lets nothing run but its own script and style."""
    nonce = secrets.token_urlsafe(16)
    html = _PAGES.get_template(name).render(**values, nonce=Markup(nonce))
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, status, headers={"Content-Security-Policy": policy})


def answer(request: Request, name: str, document: Mapping[str, Any], **values: Any) -> Response:
    """`document` as JSON, or the page `name` that shows it."""
    if wants_page(request):
        return page(name, {"document": document, **values})
    return JSONResponse(dict(document))


def problem(request: Request, status: int, reason: str, *, again: str = "/") -> Response:
    """An error with its reason: for a browser a page that offers a new start at `again`."""
    if wants_page(request):
        values = {"status": status, "reason": reason, "again": again}
        return page("problem.html", values, status=status)
    return JSONResponse(Problem(reason=reason).model_dump(), status)
