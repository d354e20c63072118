"""The verification of the webhook URL, for platforms that verify it by a challenge."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from gateway.pages.openapi_descriptions import describe_query, describe_route, describe_text
from gateway.webhooks.refusals import TOO_MANY_REFUSALS, count_refusal
from platform_sdk.adapters import PlatformAdapter, Webhooks
from service.rate_limits import ClientRateLimiter


def create_challenge_routes(adapter: PlatformAdapter, webhooks: Webhooks, refusals: ClientRateLimiter) -> APIRouter:
    """Return `GET /{platform}/webhook`, which answers the challenge by which the platform verifies this URL.

    For a platform that sends no challenge there is no route. `refusals` limits challenges with a wrong verify token.
    """
    routes = APIRouter(tags=["Platforms"])
    if not webhooks.challenge_parameters:
        return routes
    description = describe_route(
        f"{adapter.manifest.title} verifies the address of its webhook",
        describe_text({200: "The challenge.", 403: "This is not our verify token.", 429: "Too many were refused."}),
        response_class=PlainTextResponse,
        openapi_extra=describe_query(webhooks.challenge_parameters),
    )

    @routes.get(f"/{adapter.slug}/webhook", **description)
    async def answer_challenge(request: Request) -> Response:
        challenge = webhooks.answer_challenge(request.query_params)
        if challenge is None:
            if headers := count_refusal(refusals, request):
                return PlainTextResponse(TOO_MANY_REFUSALS, 429, headers)
            return PlainTextResponse("this is not the verify token", 403)
        return PlainTextResponse(challenge)

    return routes
