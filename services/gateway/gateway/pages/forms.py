"""Reading the bodies of forms within bounds, and checking that a page of the gateway sent them."""

import asyncio
import hmac
from urllib.parse import parse_qsl, urlsplit

import orjson
from fastapi import Request

from platform_sdk.errors import RequestRejectedError

MAX_BYTES = 16 * 1024
BODY_SECONDS = 5.0
MAX_FIELDS = 20
TOKEN_FIELD = "form_token"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded form.

    Raises RequestRejectedError for a form that is too long, malformed, or does not come within five seconds.
    """
    try:
        body = (await _read_body(request)).decode("ascii")
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the form is malformed, or did not come") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRejectedError(400, "the form holds a field twice")
    return fields


async def read_json_fields(request: Request) -> dict[str, str]:
    """Return the fields of a JSON object whose values are all text. Raises as `read_form`."""
    try:
        fields = orjson.loads(await _read_body(request))
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the body is not JSON, or did not come") from error
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise RequestRejectedError(400, "the body is not a JSON object of texts")
    return fields


def is_json(request: Request) -> bool:
    """Return whether the body is sent as JSON. A browser sends JSON to another site only if that site allows it."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def is_same_origin(request: Request) -> bool:
    """Return whether a page of the gateway sent the request, as the browser reports it.

    Browsers report it in `Sec-Fetch-Site`, and over plain http only by the `Origin`; other sites' pages can forge
    neither.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin) and origin == request.headers.get("host", "")


def has_form_token(fields: dict[str, str], token: str) -> bool:
    """Return whether a form has this token, compared in constant time."""
    return hmac.compare_digest(fields.get(TOKEN_FIELD, "").encode(), token.encode())


async def _read_body(request: Request) -> bytes:
    body = b""
    async with asyncio.timeout(BODY_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise RequestRejectedError(400, "the form is too long")
    return body
