"""The routes under `/docs`: an HTML page about the API, and the OpenAPI and AsyncAPI documents."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.pages.api_docs.documents import Documents, format_document
from gateway.pages.openapi_descriptions import describe_page, describe_route
from gateway.pages.responses import ResponseModel, respond


class DocsDocument(ResponseModel):
    """The URL paths at which the OpenAPI and the AsyncAPI document are served."""

    openapi: str = "/docs/openapi.json"
    asyncapi: str = "/docs/asyncapi.json"


_DOCS = describe_route("The description of the API, to read", describe_page(DocsDocument, "Where the documents are."))


def create_docs_routes(build_documents: Callable[[], Documents]) -> APIRouter:
    """Return `GET /docs`, which shows the API's description, and `/docs/openapi.json` and `/docs/asyncapi.json`.

    `build_documents` returns the documents that these routes serve.
    """
    routes = APIRouter(tags=["Docs"])

    @routes.get("/docs", **_DOCS)
    async def show_docs(request: Request) -> Response:
        return respond(request, "docs.html", DocsDocument().model_dump(), **build_documents()._asdict())

    @routes.get("/docs/openapi.json", summary="This document")
    async def get_openapi() -> Response:
        return Response(format_document(build_documents().openapi), media_type="application/json")

    @routes.get("/docs/asyncapi.json", summary="The topics, as AsyncAPI")
    async def get_asyncapi() -> Response:
        return Response(format_document(build_documents().asyncapi), media_type="application/json")

    return routes
