"""Parses HTTP responses of the Graph API into a `PageResult`: the Page, an unknown field, or an exception.

The exception is returned, not raised. Graph's error code determines its class, and the class says what the caller must
do: try again, wait, get another token, or give up.

The HTTP status is of little use, because most errors, also throttling, have the status 400 or 403. Source: Facebook's
lists of error codes and rate limits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)

INVALID_TOKEN_CODES = (190, 102)
APP_THROTTLED_CODES = (4, 341)
PAGE_THROTTLED_CODES = (17, 32, 613, *range(80_000, 80_015))
TRANSIENT_CODES = (1, 2)
DENIED_CODES = (3, 10, *range(200, 300))
BLOCKED_CODE = 368
ALIAS_NOT_FOUND_CODE, PARAMETER_CODE, NOT_FOUND_SUBCODE = 803, 100, 33
UNKNOWN_FIELD = re.compile(r"nonexisting field \((\w+)\)|\(#12\) (\w+) field is deprecated")
PERMISSION = re.compile(r"\b(?:pages_[a-z_]+|business_management)\b")
READ_PERMISSION = "pages_read_engagement"
"""The permission that reading a Page needs."""
APP, PAGE = "app", "page"
"""The names of the rate limits: one is for the whole app, the other for each Page."""


@dataclass(frozen=True)
class PageResult:
    """The result of one response: `page`, `error`, or `unknown_field`, a field that Graph does not know.

    All three are None when the Page does not exist. An error is returned instead of raised, because the headers of its
    response, with the usage of the rate limits and the API version, are read as well.
    """

    page: Mapping[str, Any] | None = None
    error: Exception | None = None
    unknown_field: str | None = None


class _Error(BaseModel):
    code: int = 0
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False


def parse_page_or_error(status: int, body: bytes, token: str) -> PageResult:
    """Return the Page in a response, or the error as which it must be handled; the error is not raised.

    `token` is the token of the request. It is removed from the texts of errors.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        return PageResult(error=_build_malformed_error(status))
    if "error" in content:
        return _parse_error(status, content["error"], token)
    return PageResult(content) if status == 200 else PageResult(error=_build_malformed_error(status))


def _build_malformed_error(status: int) -> Exception:
    reason = f"the platform answered {status} in no known form"
    return ThrottledError(reason, limit=APP) if status == 429 else TransientError(reason)


def _parse_error(status: int, envelope: object, token: str) -> PageResult:
    try:
        error = _Error.model_validate(envelope)
    except ValidationError:
        return PageResult(error=_build_malformed_error(status))
    if error.code == ALIAS_NOT_FOUND_CODE:
        return PageResult()
    if error.code == PARAMETER_CODE and error.error_subcode == NOT_FOUND_SUBCODE:
        return PageResult()
    return _interpret_code(status, error, _build_reason(error, token))


def _interpret_code(status: int, error: _Error, reason: str) -> PageResult:
    """Return how an error of Graph must be handled, by its code.

    A known code takes precedence over the error's field `is_transient`. `reason` is the text for the exception in the
    result; it is not used for an invalid token.
    """
    if error.code in INVALID_TOKEN_CODES:  # its message may contain the token
        return PageResult(error=TokenRejectedError(f"error {error.code}, {error.error_subcode}"))
    if error.code in APP_THROTTLED_CODES:
        return PageResult(error=ThrottledError(reason, limit=APP))
    if error.code in PAGE_THROTTLED_CODES:
        return PageResult(error=ThrottledError(reason, limit=PAGE))
    if error.code == BLOCKED_CODE:
        return PageResult(error=AccountBlockedError(f"restricted for a while: {reason}"))
    if error.code in TRANSIENT_CODES or error.is_transient or status >= 500:
        return PageResult(error=TransientError(reason))
    if error.code in DENIED_CODES:
        return PageResult(error=AccessDeniedError(_prepend_missing_permission(reason)))
    unknown = UNKNOWN_FIELD.search(error.message)
    if unknown:
        return PageResult(unknown_field=unknown[1] or unknown[2])
    return PageResult(error=ThrottledError(reason, limit=APP) if status == 429 else PermanentError(reason))


def _prepend_missing_permission(reason: str) -> str:
    """Return `reason` preceded by the missing permission: the one named in `reason`, or else READ_PERMISSION."""
    permission = PERMISSION.search(reason)
    return f"permission {permission[0] if permission else READ_PERMISSION} is needed: {reason}"[:300]


def _build_reason(error: _Error, token: str) -> str:
    """Return Facebook's message with the error's code, in at most 250 characters and without the token."""
    message = error.message.replace(token, "[left out]")
    return (message if message.startswith("(#") else f"(#{error.code}) {message}")[:250]
