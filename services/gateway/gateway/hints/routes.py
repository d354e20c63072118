"""Takes hints at `POST /{platform}/hint/{token}`."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from contracts.events import parse_platform
from gateway.hints.receiver import HintReceiver
from gateway.hints.tokens import HintTokens
from gateway.pages.forms import read_body
from gateway.pages.openapi_descriptions import describe_problems, describe_route
from gateway.pages.responses import respond_problem
from gateway.webhooks.refusals import TOO_MANY_REFUSALS, count_refusal
from platform_sdk.adapters import Hints, PlatformAdapter
from service.rate_limits import ClientRateLimiter

MAX_BYTES = 64 * 1024


def build_hint_path(platform: str, token: str) -> str:
    """Return the path at which hints about the token's connection are taken."""
    return f"/{platform}/hint/{token}"


def create_hint_routes(
    adapter: PlatformAdapter, hints: Hints, tokens: HintTokens, receiver: HintReceiver, refusals: ClientRateLimiter
) -> APIRouter:
    """Return the route for hints of a platform. `refusals` limits requests with a wrong token."""
    routes = APIRouter(tags=["Platforms"])

    @routes.post(
        build_hint_path(adapter.slug, "{token}"),
        **describe_route(
            f"A hint of {adapter.manifest.title} that records may have changed",
            {204: {"description": "It was taken. Nothing promises that something is read because of it."}},
            describe_problems(
                {
                    404: "No connection has this token.",
                    408: "The body did not come.",
                    413: "The body is larger than 64 KiB.",
                    429: "Too many were refused.",
                }
            ),
            status_code=204,
        ),
    )
    async def take_hint(request: Request, token: str) -> Response:
        named = tokens.parse(token)
        if named is None or parse_platform(named[0]) != adapter.slug:
            if headers := count_refusal(refusals, request):
                return respond_problem(request, 429, TOO_MANY_REFUSALS, retry_after=int(headers["Retry-After"]))
            return respond_problem(request, 404, "no connection has this token")
        try:
            body = await read_body(request, MAX_BYTES)
        except TimeoutError:
            return respond_problem(request, 408, "the body did not come")
        if body is None:
            return respond_problem(request, 413, "the body is too large")
        receiver.take(*named, hints.parse_records(body))
        return Response(status_code=204)

    return routes
