"""One POST of ours: the test delivery, sent as a platform sends its own."""

import httpx

from gateway.errors import NotReached

TIMEOUT = httpx.Timeout(5.0)


async def post_delivery(http: httpx.AsyncClient, address: str, headers: dict[str, str], body: bytes) -> int:
    """POST once, following no redirect, for 5 s at most; the HTTP status. Raises `NotReached`."""
    try:
        answer = await http.post(address, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False)
    except httpx.HTTPError as error:
        raise NotReached(str(error) or type(error).__name__) from error
    return answer.status_code
