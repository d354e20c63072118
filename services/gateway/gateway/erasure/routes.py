"""Routes of deletions: the callbacks of platforms whose users request them, and the page of each request."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.connections import REDACTED, Connection
from gateway.erasure.deletion_requests import (
    ConnectionPart,
    DeletionRequest,
    DeletionRequestDocument,
    RequestKind,
    build_connection_part,
    build_request_document,
)
from gateway.erasure.service import ErasureService
from gateway.pages.client import SchedulerClient
from gateway.pages.forms import read_form
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    describe_form,
    describe_json,
    describe_page,
    describe_problems,
    describe_route,
)
from gateway.pages.responses import Problem, ResponseModel, Success, respond, respond_problem
from gateway.store import Stores
from gateway.webhooks.refusals import TOO_MANY_REFUSALS, count_refusal
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError, RequestRejectedError
from service.rate_limits import ClientRateLimiter

_SIGNED = describe_form({"signed_request": "Names the person, signed by the platform"})
_NOT_SIGNED = describe_json(
    Problem, {400: "The signed request is not the platform's.", 429: "Too many requests were refused."}
)


class DeletionConfirmation(ResponseModel):
    """The answer to a platform's request to delete a user's data: the URL of the deletion request, and its code."""

    url: str
    confirmation_code: str


_REQUEST = describe_route(
    "A deletion request, for everybody who has its code",
    describe_page(DeletionRequestDocument, "What was requested, and what has become of it."),
    describe_problems({404: "There is none; they are kept for 90 days.", **UNAVAILABLE}),
)
_DEAUTHORIZE = describe_route(
    "A person has removed the app",
    describe_json(Success, {200: "The person's connections are disconnected."}),
    _NOT_SIGNED,
    describe_problems(UNAVAILABLE),
    openapi_extra=_SIGNED,
)
_DATA_DELETION = describe_route(
    "A person requests the deletion of everything that they granted",
    describe_json(DeletionConfirmation, {200: "Begun; the platform shows this to the person."}),
    _NOT_SIGNED,
    describe_problems(UNAVAILABLE),
    openapi_extra=_SIGNED,
)


class DeletionRequests:
    """Reads deletion requests with the state of each connection.

    The scheduler is asked whether the spaces-writer has deleted a connection's data.
    """

    def __init__(self, stores: Stores, scheduler: SchedulerClient) -> None:
        self._stores = stores
        self._scheduler = scheduler

    async def load_document(self, code: str) -> dict[str, Any]:
        """Return the JSON of the deletion request. Raises NotFoundError when there is none with this code."""
        request = await self._stores.deletion_requests.find(code) if code.isalnum() else None
        if request is None:
            raise NotFoundError
        return build_request_document(request, await self._load_parts(request))

    async def _load_parts(self, request: DeletionRequest) -> list[ConnectionPart]:
        # Sequentially: after the first time-out the scheduler is not asked again, so the page waits for it only once.
        parts: list[ConnectionPart] = []
        unavailable, executed = False, request.executed_at is not None
        for name in request.connections if request.kind.changes_connections else ():
            row = await self._stores.connections.find(name)
            erased: bool | None = True
            if row is not None and (request.kind.is_deletion or row.state == REDACTED):
                erased = None if unavailable else await self._is_erased(row)
                unavailable = erased is None
            parts.append(build_connection_part(name, row, executed=executed, erased=erased))
        return parts

    async def _is_erased(self, row: Connection) -> bool | None:
        """Return whether the spaces-writer has deleted the connection's data; None where the scheduler does not answer.

        When the scheduler's answer has a lower epoch (the number that a redaction raises) than the row, the scheduler
        has not received this redaction yet. The `erased_at` in its answer then belongs to an earlier redaction, so the
        result is False.
        """
        try:
            view = await self._scheduler.fetch_connection(row.name)
        except UnavailableError:
            return None
        return view is not None and view.epoch >= row.epoch and view.erased_at is not None


def create_erasure_routes(requests: DeletionRequests) -> APIRouter:
    """Return `GET /deletions/{code}`, the page of a deletion request."""
    routes = APIRouter(tags=["Disconnecting and deleting"])

    @routes.get("/deletions/{code}", **_REQUEST)
    async def show_request(request: Request, code: str) -> Response:
        try:
            document = await requests.load_document(code)
        except NotFoundError:
            return respond_problem(request, 404, "there is no such receipt; they are kept for 90 days")
        return respond(request, "receipt.html", document)

    return routes


def create_callback_routes(
    erasure: ErasureService,
    platform: str,
    *,
    parse_signed_request: Callable[[str], tuple[str, int]],
    origin: str,
    refusals: ClientRateLimiter,
) -> APIRouter:
    """Return `POST /{platform}/deauthorize` and `/data-deletion`, where a platform reports what its users request.

    Both take a form with a `signed_request`, as Meta defines it. `parse_signed_request` verifies a signed request and
    returns the platform's id of the user and the time of the request (ms). It raises RequestRejectedError when the
    signature or the content is wrong. `origin` begins the URL of the deletion request in the answer. `refusals` limits
    requests that are refused.
    """
    routes = APIRouter(prefix=f"/{platform}", tags=["Platforms"])

    async def handle(request: Request, kind: RequestKind) -> str:
        signed_request = (await read_form(request)).get("signed_request", "")
        person, requested_at = parse_signed_request(signed_request)
        # A copy is recognised by the signed part alone, because one signature can be encoded in several ways.
        signed_part = signed_request.partition(".")[2]
        return await erasure.handle_person_request(platform, person, kind, signed_part, requested_at=requested_at)

    def refuse(request: Request, error: RequestRejectedError) -> Response:
        if headers := count_refusal(refusals, request):
            return JSONResponse(Problem(reason=TOO_MANY_REFUSALS).model_dump(), 429, headers)
        return JSONResponse(Problem(reason=error.reason).model_dump(), error.status)

    @routes.post("/deauthorize", **_DEAUTHORIZE)
    async def deauthorize(request: Request) -> Response:
        try:
            await handle(request, RequestKind.UNINSTALL)
        except RequestRejectedError as error:
            return refuse(request, error)
        return JSONResponse(Success().model_dump())

    @routes.post("/data-deletion", **_DATA_DELETION)
    async def delete_data(request: Request) -> Response:
        try:
            code = await handle(request, RequestKind.PERSON_DELETION)
        except RequestRejectedError as error:
            return refuse(request, error)
        return JSONResponse(
            DeletionConfirmation(url=origin + build_deletion_path(code), confirmation_code=code).model_dump()
        )

    return routes


def build_deletion_path(code: str) -> str:
    """Return the path of a deletion request's page."""
    return f"/deletions/{code}"
