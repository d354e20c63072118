"""Reads the bodies of forms within limits, and checks that an HTML page of the gateway sent them."""

import asyncio
import hmac
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
from fastapi import Request

from platform_sdk.errors import RequestRejectedError

MAX_BYTES = 16 * 1024
BODY_SECONDS = 5.0
MAX_FIELDS = 20
MAX_LONG_BYTES = 1024 * 1024
"""The longest form or JSON in which accounts are chosen: each of hundreds with its options, which are sent with those
that are not chosen, too."""
LONG_BODY_SECONDS = 20.0
MAX_LONG_FIELDS = 20_000
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


async def read_long_form(request: Request) -> dict[str, list[str]]:
    """Return the fields of a URL-encoded form that may be long and hold a field several times.

    Raises RequestRejectedError for a form that is too long, malformed, or does not come in time.
    """
    try:
        body = (await _read_form_body(request, MAX_LONG_BYTES, LONG_BODY_SECONDS)).decode("ascii")
        return parse_qs(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_LONG_FIELDS)
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the form is malformed, or did not come") from error


async def read_json_fields(request: Request) -> dict[str, str]:
    """Return the fields of a JSON object whose values are all strings.

    Raises RequestRejectedError for any other body, and for one that is too long or does not come within five seconds.
    """
    fields = await _read_json(request, MAX_BYTES, BODY_SECONDS)
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise RequestRejectedError(400, "the body is not a JSON object of texts")
    return fields


async def read_long_json(request: Request) -> dict[str, Any]:
    """Return the members of a JSON object that may be long.

    Raises RequestRejectedError for any other body, and for one that is too long or does not come in time.
    """
    members = await _read_json(request, MAX_LONG_BYTES, LONG_BODY_SECONDS)
    if not isinstance(members, dict):
        raise RequestRejectedError(400, "the body is not a JSON object")
    return members


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


async def _read_json(request: Request, max_bytes: int, seconds: float) -> Any:
    try:
        return orjson.loads(await _read_form_body(request, max_bytes, seconds))
    except (TimeoutError, ValueError) as error:
        raise RequestRejectedError(400, "the body is not JSON, or did not come") from error


async def _read_form_body(request: Request, max_bytes: int = MAX_BYTES, seconds: float = BODY_SECONDS) -> bytes:
    body = await read_body(request, max_bytes, seconds)
    if body is None:
        raise RequestRejectedError(400, "the form is too long")
    return body


async def read_body(request: Request, max_bytes: int, seconds: float = BODY_SECONDS) -> bytes | None:
    """Return the body; None as soon as more than `max_bytes` have come. The rest is not read.

    Raises TimeoutError when it does not come within `seconds`.
    """
    body = bytearray()
    async with asyncio.timeout(seconds):
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                return None
    return bytes(body)
