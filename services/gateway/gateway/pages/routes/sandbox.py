"""The sandbox's pages for people under `/sandbox`, where browsers reach nothing but the gateway.

Consent pages and the pages on which to edit are passed on, and nothing else: not the platforms' APIs, not the token
endpoint, not the control endpoint. The gateway's own cookies stay here.
"""

import re

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.pages.responses import problem

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_PAGES = re.compile(
    rf"(shops/{_NAME}/(products(/[0-9]+/(save|touch|delete))?|admin/oauth/authorize)?|facebook(/{_NAME})*/?)?"
)
_PASSED_ON = ("content-type", "accept", "accept-language")
_PASSED_BACK = ("content-type", "location")
LARGEST_FORM = 1024 * 1024


def sandbox_routes(http: httpx.AsyncClient, address: str) -> APIRouter:
    """`GET` and `POST /sandbox/…`, answered by the sandbox at `address`; 404 for what is no page for people."""
    routes = APIRouter(prefix="/sandbox", include_in_schema=False)

    @routes.api_route("/{path:path}", methods=["GET", "POST"])
    async def page(request: Request, path: str) -> Response:
        if not _PAGES.fullmatch(path):
            return problem(request, 404, "there is no such page")
        form = await _form(request)
        if form is None:
            return problem(request, 413, "the form is too large")
        try:
            answer = await http.request(
                request.method,
                f"{address.rstrip('/')}/{path}",
                params=request.url.query,
                headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
                content=form,
            )
        except httpx.HTTPError:
            return problem(request, 502, "the sandbox does not answer now; try again in a moment")
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Response(answer.content, answer.status_code, headers)

    return routes


async def _form(request: Request) -> bytes | None:
    """The body; None of one that is too large, of which no more is read."""
    form = bytearray()
    async for part in request.stream():
        form += part
        if len(form) > LARGEST_FORM:
            return None
    return bytes(form)
