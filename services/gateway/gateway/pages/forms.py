"""Reads the bodies of forms within limits, and checks that an HTML page of the gateway sent them."""

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
        body = (await _read_form_body(request)).decode("ascii")
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the form is malformed, or did not come") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRejectedError(400, "the form holds a field twice")
    return fields


async def read_json_fields(request: Request) -> dict[str, str]:
    """Return the fields of a JSON object whose values are all strings.

    Raises RequestRejectedError for any other body, and for one that is too long or does not come within five seconds.
    """
    try:
        fields = orjson.loads(await _read_form_body(request))
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the body is not JSON, or did not come") from error
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise RequestRejectedError(400, "the body is not a JSON object of texts")
    return fields


def is_json(request: Request) -> bool:
    """Return whether the request's content type is JSON.

    Browsers let a page send JSON to another site only if that site allows it by CORS.
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def is_same_origin(request: Request) -> bool:
    """Return whether an HTML page of the gateway sent the request.

    Browsers report this in `Sec-Fetch-Site`, and over plain http only in `Origin`. Pages of other sites can forge
    neither of these headers.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin) and origin == request.headers.get("host", "")


def has_form_token(fields: dict[str, str], token: str) -> bool:
    """Return whether the form's token field equals `token`, compared in constant time."""
    return hmac.compare_digest(fields.get(TOKEN_FIELD, "").encode(), token.encode())


async def _read_form_body(request: Request) -> bytes:
    body = await read_body(request, MAX_BYTES)
    if body is None:
        raise RequestRejectedError(400, "the form is too long")
    return body


async def read_body(request: Request, max_bytes: int) -> bytes | None:
    """Return the body; None as soon as more than `max_bytes` have come. The rest is not read.

    Raises TimeoutError when it does not come within five seconds.
    """
    body = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                return None
    return bytes(body)
