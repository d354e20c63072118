"""The documents of the routes and of the topics: for people one page, for programs themselves."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.pages.api_docs.documents import Documents, written
from gateway.pages.openapi_descriptions import says, shown
from gateway.pages.responses import answer
from gateway.pages.views import Shown


class DocsDocument(Shown):
    """Where the documents are."""

    openapi: str = "/docs/openapi.json"
    asyncapi: str = "/docs/asyncapi.json"


def docs_routes(documents: Callable[[], Documents]) -> APIRouter:
    """`GET /docs`, `/docs/openapi.json`, `/docs/asyncapi.json`."""
    routes = APIRouter(tags=["Docs"])

    @routes.get("/docs", **says("All of this, to read", shown(DocsDocument, "Where the documents are.")))
    async def page(request: Request) -> Response:
        return answer(request, "docs.html", DocsDocument().model_dump(), **documents()._asdict())

    @routes.get("/docs/openapi.json", summary="This document")
    async def openapi() -> Response:
        return Response(written(documents().openapi), media_type="application/json")

    @routes.get("/docs/asyncapi.json", summary="The topics, as AsyncAPI")
    async def asyncapi() -> Response:
        return Response(written(documents().asyncapi), media_type="application/json")

    return routes
