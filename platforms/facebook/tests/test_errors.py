"""A response means what its error's code says, whatever its status."""

import json
from typing import Any

import pytest

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platforms.facebook.errors import APP, PAGE, PageResult, parse_page_or_error

TOKEN = "page-token-of-the-merchant"


def parse_error(code: int, message: str = "", *, status: int = 400, **more: Any) -> Any:
    body = {"error": {"message": message or f"(#{code}) x", "type": "OAuthException", "code": code, **more}}
    return parse_page_or_error(status, json.dumps(body).encode(), TOKEN)


def test_a_page_is_returned_unchanged() -> None:
    assert parse_page_or_error(200, b'{"id": "1", "new_thing": [1]}', TOKEN) == PageResult(
        {"id": "1", "new_thing": [1]}
    )


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (803, None)])
def test_a_page_that_does_not_exist_is_no_error(code: int, subcode: int | None) -> None:
    assert parse_error(code, error_subcode=subcode) == PageResult()
    assert parse_error(code, error_subcode=subcode, status=404) == PageResult()


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        *[(code, TokenRejectedError) for code in (190, 102)],
        *[(code, AccessDeniedError) for code in (3, 10, 200, 210, 283, 299)],
        *[(code, ThrottledError) for code in (4, 17, 32, 341, 613, 80000, 80001, 80002, 80006, 80014)],
        *[(code, TransientError) for code in (1, 2)],
        (368, AccountBlockedError),
        (100, PermanentError),
        (300, PermanentError),
        (0, PermanentError),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_each_code_has_its_consequence(code: int, error_type: type[Exception], status: int) -> None:
    result = parse_error(code, status=status)
    assert result.page is None
    assert type(result.error) is error_type


@pytest.mark.parametrize(("code", "limit"), [(4, APP), (341, APP), (17, PAGE), (32, PAGE), (613, PAGE), (80001, PAGE)])
def test_a_throttle_belongs_to_the_app_or_to_the_page(code: int, limit: str) -> None:
    assert parse_error(code, is_transient=True).error.limit == limit


def test_transient_errors_are_recognised_by_the_envelope_or_the_status() -> None:
    assert type(parse_error(99, is_transient=True).error) is TransientError
    assert type(parse_error(99, status=503).error) is TransientError
    assert type(parse_error(190, status=500).error) is TokenRejectedError, "a known code takes precedence"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"false", b"[]", b'{"error": "odd"}', b'{"error": {"code": "x"}}']
)
@pytest.mark.parametrize("status", [200, 400, 502])
def test_a_malformed_response_is_a_transient_error(body: bytes, status: int) -> None:
    result = parse_page_or_error(status, body, TOKEN)
    assert result.page is None
    assert type(result.error) is TransientError


def test_status_429_throttles_the_app_with_any_body() -> None:
    assert isinstance(parse_page_or_error(429, b"slow down", TOKEN).error, ThrottledError)
    assert isinstance(parse_error(99, status=429).error, ThrottledError)


@pytest.mark.parametrize(
    ("code", "message", "word"),
    [
        (100, "(#100) Tried accessing nonexisting field (email) on node type (Page)", "email"),
        (100, "(#100) Tried accessing nonexisting field (uri) on node type (ProfilePictureSource)", "uri"),
        (12, "(#12) bio field is deprecated for versions v28.0 and higher", "bio"),
    ],
)
def test_an_unknown_field_is_named(code: int, message: str, word: str) -> None:
    result = parse_error(code, message)
    assert result.error is None
    assert result.unknown_field == word


def test_a_missing_permission_is_named() -> None:
    error = parse_error(10, "(#10) This endpoint requires the 'pages_read_user_content' permission").error
    assert error.reason.startswith("permission pages_read_user_content is needed: (#10)")
    assert "permission pages_read_engagement is needed" in parse_error(200, "(#200) Permissions error").error.reason


def test_a_policy_block_blocks_the_page() -> None:
    error = parse_error(368, "The action attempted has been deemed abusive", is_transient=True).error
    assert error.reason == "restricted for a while: (#368) The action attempted has been deemed abusive"


@pytest.mark.parametrize("code", [190, 102, 1, 4, 10, 100, 368, 80001])
def test_no_reason_contains_the_token(code: int) -> None:
    error = parse_error(code, f"Malformed access token {TOKEN}", error_subcode=463).error
    assert TOKEN not in f"{error} {error!r} {vars(error)}"
