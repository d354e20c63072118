"""What an HTTP answer of the Graph API means: the page, or one fault per consequence, told by the error's code.

The status says little: errors, throttling too, come with 400 or 403. Source: the platform's lists of error codes and
rate limits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from facebook_fetcher.usage import Usage
from platform_sdk.errors import PermanentError, RetryLaterError

DEAD_TOKEN = (190, 102)
APP_THROTTLED = (4, 341)
PAGE_THROTTLED = (17, 32, 613, *range(80_000, 80_015))
TRANSIENT = (1, 2)
DENIED = (3, 10, *range(200, 300))
BLOCKED, BLOCKED_SECONDS = 368, 3600.0
GONE, PARAMETER, NOT_THERE = 803, 100, 33
FIELD_REFUSED = re.compile(r"nonexisting field \((\w+)\)|\(#12\) (\w+) field is deprecated")
PERMISSION = re.compile(r"\b(?:pages_[a-z_]+|business_management)\b")
NEEDED = "pages_read_engagement"
"""What reading a page needs."""


class TokenRefused(Exception):
    """The access token is not accepted; the gateway decides what that means."""


class Denied(PermanentError):
    """The access token does not have the permission for what was asked for."""


class FieldRefused(Exception):
    """Pages have no field `word`."""

    def __init__(self, word: str) -> None:
        super().__init__(f"there is no field {word}")
        self.word = word


class Throttled(Exception):
    """A budget is used up: the whole app's, or this page's."""

    def __init__(self, reason: str, *, app: bool) -> None:
        super().__init__(reason)
        self.app = app


class Unwell(Exception):
    """The platform did not answer properly; it may the next time."""


@dataclass(frozen=True)
class Answer:
    """What came of a call that was sent at `read_at` (ms); without page and fault, the page is not there.

    A fault is a value here, for what the answer says of usage and version is of use all the same.
    """

    read_at: int
    page: Mapping[str, Any] | None = None
    fault: Exception | None = None
    usage: Usage = field(default_factory=Usage)
    version: str | None = None


class _Error(BaseModel):
    code: int = 0
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False


def understand(status: int, body: bytes, token: str) -> tuple[Mapping[str, Any] | None, Exception | None]:
    """The page, or the fault, or neither where the page is not there. No reason has `token` in it."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        return None, _formless(status)
    if "error" in content:
        return None, _fault(status, content["error"], token)
    return (content, None) if status == 200 else (None, _formless(status))


def _formless(status: int) -> Exception:
    reason = f"the platform answered {status} in no known form"
    return Throttled(reason, app=True) if status == 429 else Unwell(reason)


def _fault(status: int, envelope: object, token: str) -> Exception | None:
    try:
        error = _Error.model_validate(envelope)
    except ValidationError:
        return _formless(status)
    if error.code == GONE or (error.code == PARAMETER and error.error_subcode == NOT_THERE):
        return None
    return _by_code(status, error, _reason(error, token))


def _by_code(status: int, error: _Error, reason: str) -> Exception:
    """The consequence; codes that are known come before what the envelope says of passing by itself."""
    if error.code in DEAD_TOKEN:  # its message may have the token in it
        return TokenRefused(f"error {error.code}, {error.error_subcode}")
    if error.code in APP_THROTTLED + PAGE_THROTTLED:
        return Throttled(reason, app=error.code in APP_THROTTLED)
    if error.code == BLOCKED:
        return RetryLaterError(reason, seconds=BLOCKED_SECONDS, escalates=True)
    if error.code in TRANSIENT or error.is_transient or status >= 500:
        return Unwell(reason)
    if error.code in DENIED:
        return Denied(_denied(reason))
    refused = FIELD_REFUSED.search(error.message)
    if refused:
        return FieldRefused(refused[1] or refused[2])
    return Throttled(reason, app=True) if status == 429 else PermanentError(reason)


def _denied(reason: str) -> str:
    """Names the permission: the one in the platform's words, or else the one that reading needs."""
    named = PERMISSION.search(reason)
    return f"permission {named[0] if named else NEEDED} is needed: {reason}"[:300]


def _reason(error: _Error, token: str) -> str:
    """For people: the platform's words with its code."""
    words = error.message.replace(token, "[left out]")
    return (words if words.startswith("(#") else f"(#{error.code}) {words}")[:250]
