"""What forms send: read within bounds, and, where a browser's session acts on it, only from our own pages."""

import asyncio
import hmac
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from platform_sdk.errors import RequestRejectedError

MAX_BYTES = 16 * 1024
BODY_SECONDS = 5.0


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form. Raises RequestRejectedError: too long, malformed, or not sent."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BYTES:
                    raise RequestRejectedError(400, "the form is too long")
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the form is malformed, or did not come") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRejectedError(400, "the form holds a field twice")
    return fields


def is_from_here(request: Request) -> bool:
    """Whether a page of ours sent it, as the browser says: in `Sec-Fetch-Site`, or by the `Origin` where that is all
    it says (plain http). A page elsewhere can forge neither; who says neither is no browser of today."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin) and origin == request.headers.get("host", "")


def carries(fields: dict[str, str], token: str) -> bool:
    """Whether a form carries this session's token, in constant time."""
    return hmac.compare_digest(fields.get("form_token", "").encode(), token.encode())
