"""Forwards HTML pages of the sandbox (the simulated platforms) under `/sandbox`.

This is for installations where browsers reach only the gateway. Only the consent pages and the pages for editing are
forwarded. The sandbox's platform APIs, token endpoint and control endpoint are not. The gateway's own cookies are not
forwarded.
"""

import re
from collections.abc import Iterable

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.pages.forms import read_body
from gateway.pages.responses import respond_problem

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_FORWARDED_HEADERS = ("content-type", "accept", "accept-language")
_RETURNED_HEADERS = ("content-type", "location")
MAX_FORM_BYTES = 1024 * 1024


def create_sandbox_routes(http: httpx.AsyncClient, sandbox_url: str, slugs: Iterable[str]) -> APIRouter:
    """Return `GET` and `POST /sandbox/…`, which forward to the sandbox at `sandbox_url`.

    `slugs` are those of all platforms. Paths that are not HTML pages of the sandbox get a 404.
    """
    pages = compile_page_pattern(slugs)
    routes = APIRouter(prefix="/sandbox", include_in_schema=False)

    @routes.api_route("/{path:path}", methods=["GET", "POST"])
    async def forward(request: Request, path: str) -> Response:
        if not pages.fullmatch(path):
            return respond_problem(request, 404, "there is no such page")
        try:
            form = await read_body(request, MAX_FORM_BYTES)
        except TimeoutError:
            return respond_problem(request, 408, "the form did not come")
        if form is None:
            return respond_problem(request, 413, "the form is too large")
        try:
            response = await http.request(
                request.method,
                f"{sandbox_url.rstrip('/')}/{path}",
                params=request.url.query,
                headers={name: request.headers[name] for name in _FORWARDED_HEADERS if name in request.headers},
                content=form,
            )
        except httpx.HTTPError:
            return respond_problem(request, 502, "the sandbox does not answer now; try again in a moment")
        headers = {name: response.headers[name] for name in _RETURNED_HEADERS if name in response.headers}
        return Response(response.content, response.status_code, headers)

    return routes


def compile_page_pattern(slugs: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of the forwarded paths: the start page, the pages of shops, and `/<slug>/…` of each platform.

    Under `/<slug>` the sandbox has only HTML pages. Under `/shops` it also has an API, so the pages there are listed.
    """
    shop_pages = rf"shops/{_NAME}/(products(/[0-9]+/(save|touch|delete))?|admin/oauth/authorize)?"
    platform_pages = rf"({'|'.join(map(re.escape, slugs))})(/{_NAME})*/?"
    return re.compile(rf"({shop_pages}|{platform_pages})?")
