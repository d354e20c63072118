"""The routes without a key: health, the API's description, and a page to try it."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from re import DOTALL, findall
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from data_api.asgi.openapi import build_openapi_document, format_document
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Header, Response, respond_json
from service.process import Check, Readiness

TAG = "Service"
_TEMPLATES = Environment(
    loader=PackageLoader("data_api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_HTML: Header = (b"content-type", b"text/html; charset=utf-8")
_HTML_SCHEMA = {"type": "string"}


class Health(BaseModel):
    """Whether the process runs."""

    status: Literal["ok"]


class SystemRoutes:
    """The handlers of these routes. `list_operations` returns all operations of the API, with these."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        list_operations: Callable[[], Iterable[Operation]],
        tags: Mapping[str, str],
    ) -> None:
        self._checks = checks
        self._list_operations = list_operations
        self._tags = tags

    async def show_health(self, _request: Request) -> Response:
        """Say that the process runs."""
        return respond_json({"status": "ok"})

    async def show_readiness(self, _request: Request) -> Response:
        """Say whether the parts of the process can do their work."""
        errors = await asyncio.gather(*(check() for check in self._checks.values()))
        parts = {name: error or "ok" for name, error in zip(self._checks, errors, strict=True)}
        is_ready = not any(errors)
        readiness = Readiness(status="ok" if is_ready else "not ready", parts=parts)
        return respond_json(readiness.model_dump(), 200 if is_ready else 503)

    async def show_openapi(self, _request: Request) -> Response:
        """Show the OpenAPI document."""
        return Response(200, [JSON], self._openapi_text)

    async def show_docs(self, _request: Request) -> Response:
        """Show the description of the API as a page."""
        return _respond_page("docs.html", openapi=self.openapi)

    async def show_demo(self, _request: Request) -> Response:
        """Show the page to try the API."""
        return _respond_page("demo.html")

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of all operations."""
        return build_openapi_document(self._list_operations(), self._tags)

    @cached_property
    def _openapi_text(self) -> bytes:
        return format_document(self.openapi).encode()


def list_system_operations(routes: SystemRoutes, *, has_demo: bool) -> list[Operation]:
    """Return the declarations of these routes; that of the page to try the API only if the installation has it."""
    health = {200: Answer("It does.", Health)}
    ready = {
        200: Answer("All of them can.", Readiness),
        503: Answer("Not all of them can.", Readiness),
    }
    page = {200: Answer("The page.", media_type="text/html", schema=_HTML_SCHEMA)}
    document = {200: Answer("The document.", schema={"type": "object"})}
    operations = [
        _declare("/health", "getHealth", "Whether the process runs", routes.show_health, health),
        _declare("/ready", "getReadiness", "Whether its parts can do their work", routes.show_readiness, ready),
        _declare("/openapi.json", "getOpenApi", "This document", routes.show_openapi, document),
        _declare("/docs", "getDocs", "This document, to read", routes.show_docs, page),
    ]
    if has_demo:
        operations.append(_declare("/demo", "getDemo", "A page to try the API", routes.show_demo, page))
    return operations


def _declare(path: str, operation_id: str, summary: str, handle: Any, answers: Mapping[int, Answer]) -> Operation:
    return Operation("GET", path, operation_id, summary, handle, answers, TAG, scope=None, errors="plain")


def _respond_page(template: str, **values: Any) -> Response:
    text = _TEMPLATES.get_template(template).render(**values)
    policy = f"default-src 'none'; {_allow('script', text)}; {_allow('style', text)}; connect-src 'self'"
    security: list[Header] = [
        (b"content-security-policy", f"{policy}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'".encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    ]
    return Response(200, [_HTML, *security], text.encode())


def _allow(element: str, page: str) -> str:
    """Return the part of a content security policy that allows what the page itself has in `<script>` or `<style>`."""
    contents = findall(rf"<{element}>(.*?)</{element}>", page, DOTALL)
    hashes = [f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" for content in contents]
    allowed = " ".join(hashes) or "'none'"
    return f"{element}-src {allowed}"
