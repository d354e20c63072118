"""Limits the requests of strangers that are refused, such as those whose signature is not the platform's."""

from collections.abc import Mapping
from math import ceil

from fastapi import Request

from service.rate_limits import ClientRateLimiter, Rate

REFUSALS_PER_CLIENT = Rate(burst=60, per_second=1)
REFUSALS_PER_PROCESS = Rate(burst=600, per_second=20)
"""How many refused requests are answered with their reason. Further ones are only counted, and answered 429."""
TOO_MANY_REFUSALS = "too many refused requests came from your address; wait a moment"


def count_refusal(refusals: ClientRateLimiter, request: Request) -> Mapping[str, str] | None:
    """Count a refused request. For one of too many from its client, return the headers of the answer 429.

    Otherwise return None: the answer is the refusal itself. A request that is not refused is never counted.
    """
    peer = request.client.host if request.client else ""
    wait = refusals.take(peer, request.scope["headers"])
    return {"Retry-After": str(ceil(wait))} if wait else None
