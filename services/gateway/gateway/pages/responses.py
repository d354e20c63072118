"""Builds responses: HTML pages or JSON, depending on `Accept`, with security headers."""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

import jinja2
import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.pages.times import format_date, format_pause, format_time
from gateway.pages.values import format_value

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)
_TEMPLATES.filters |= {"date": format_date, "pause": format_pause, "time": format_time, "value": format_value}

_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    # With "no-referrer" browsers would send forms without an origin, and their sender could not be checked.
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]


class ResponseModel(BaseModel):
    """The base of all JSON responses. Every field is always present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Success(ResponseModel):
    """The request was executed."""

    status: Literal["success"] = "success"


class Problem(ResponseModel):
    """An error, with its reason in words."""

    status: Literal["error"] = "error"
    reason: str


WEBHOOK_RESPONSES = {
    200: {"status": "success"},
    400: {"status": "error", "reason": "malformed delivery"},
    401: {"status": "error", "reason": "signature"},
    408: {"status": "error", "reason": "the body did not come"},
    413: {"status": "error", "reason": "too large"},
    429: {"status": "error", "reason": "too many refused deliveries"},
    500: {"status": "error", "reason": "an error of this service"},
    503: {"status": "error", "reason": "try again"},
}
"""The JSON responses to webhook deliveries, by status."""
RETRY_AFTER = b"1"
"""The header `Retry-After` of a webhook's 429, in seconds: in each second another refusal is answered."""
_WEBHOOK_BODIES = {status: orjson.dumps(content) for status, content in WEBHOOK_RESPONSES.items()}


def get_webhook_response_body(status: int) -> bytes:
    """Return the JSON body of the response with this HTTP status to a webhook delivery."""
    return _WEBHOOK_BODIES[status]


_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class SafeHeaders:
    """ASGI middleware that adds headers against caching, framing, guessed content types and leaked referrers.

    With `https_only`, browsers that have been here once use https alone for a year. Set it where the gateway's own URL
    is an https one.
    """

    def __init__(self, app: ASGIApp, *, https_only: bool) -> None:
        self._app = app
        self._headers = [*_SAFE_HEADERS, _HTTPS_ONLY] if https_only else _SAFE_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and add the headers to its HTTP response."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


def is_page_wanted(request: Request) -> bool:
    """Return whether the client accepts HTML and names it before JSON, as browsers do."""
    accept = request.headers.get("accept", "").lower()
    html, json = accept.find("text/html"), accept.find("application/json")
    return html >= 0 and (json < 0 or html < json)


def render_page(template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """Return the HTML page that the template makes of `values`.

    Its content security policy allows only the page's own script and style.
    """
    nonce = secrets.token_urlsafe(16)
    html = _TEMPLATES.get_template(template).render(**values, nonce=Markup(nonce))
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, status, headers={"Content-Security-Policy": policy})


def respond(request: Request, template: str, document: Mapping[str, Any], **values: Any) -> Response:
    """Return `document` as JSON, or for a browser the HTML page that shows it.

    The template gets `document` and `values`.
    """
    if is_page_wanted(request):
        return render_page(template, {"document": document, **values})
    return JSONResponse(dict(document))


def respond_continuation(request: Request, path: str) -> Response:
    """Return the response to a form that goes on at the gateway's own `path`: for a browser a page, otherwise a 303.

    The page goes there at once, without a script. Browsers apply the `form-action` of the form's page to every redirect
    after the form, so they would refuse one from `path` to a platform. A page begins a navigation of its own.
    """
    if is_page_wanted(request):
        return render_page("continue.html", {"path": path})
    return RedirectResponse(path, 303)


def respond_problem(
    request: Request, status: int, reason: str, *, again: str = "/", retry_after: int | None = None
) -> Response:
    """Return an error with its reason: for a browser an HTML page with a link to the path `again`, otherwise JSON.

    `retry_after` is the number of seconds in the header `Retry-After`; None leaves the header out.
    """
    response: Response = JSONResponse(Problem(reason=reason).model_dump(), status)
    if is_page_wanted(request):
        values = {"status": status, "reason": reason, "again": again}
        response = render_page("problem.html", values, status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
