"""An answer means what its error's code says, whatever its status."""

import json
from typing import Any

import pytest

from facebook_fetcher.answers import Denied, FieldRefused, Throttled, TokenRefused, Unwell, understand
from platform_sdk.errors import PermanentError, RetryLaterError

TOKEN = "page-token-of-the-merchant"


def said(code: int, message: str = "", *, status: int = 400, **more: Any) -> Any:
    body = {"error": {"message": message or f"(#{code}) x", "type": "OAuthException", "code": code, **more}}
    return understand(status, json.dumps(body).encode(), TOKEN)


def test_a_page_is_given_as_it_came() -> None:
    assert understand(200, b'{"id": "1", "new_thing": [1]}', TOKEN) == ({"id": "1", "new_thing": [1]}, None)


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (803, None)])
def test_a_page_that_is_not_there_is_no_fault(code: int, subcode: int | None) -> None:
    assert said(code, error_subcode=subcode) == (None, None)
    assert said(code, error_subcode=subcode, status=404) == (None, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(code, TokenRefused) for code in (190, 102)],
        *[(code, Denied) for code in (3, 10, 200, 210, 283, 299)],
        *[(code, Throttled) for code in (4, 17, 32, 341, 613, 80000, 80001, 80002, 80006, 80014)],
        *[(code, Unwell) for code in (1, 2)],
        (368, RetryLaterError),
        (100, PermanentError),
        (300, PermanentError),
        (0, PermanentError),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_each_code_has_its_consequence(code: int, kind: type[Exception], status: int) -> None:
    page, fault = said(code, status=status)
    assert page is None
    assert type(fault) is kind


@pytest.mark.parametrize(
    ("code", "app"), [(4, True), (341, True), (17, False), (32, False), (613, False), (80001, False)]
)
def test_a_throttle_is_the_apps_or_the_pages(code: int, app: bool) -> None:
    assert said(code, is_transient=True)[1].app is app


def test_what_goes_by_itself_is_told_by_the_envelope_or_the_status() -> None:
    assert type(said(99, is_transient=True)[1]) is Unwell
    assert type(said(99, status=503)[1]) is Unwell
    assert type(said(190, status=500)[1]) is TokenRefused, "a code that is known comes first"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"false", b"[]", b'{"error": "odd"}', b'{"error": {"code": "x"}}']
)
@pytest.mark.parametrize("status", [200, 400, 502])
def test_an_answer_in_no_known_form_may_be_better_the_next_time(body: bytes, status: int) -> None:
    page, fault = understand(status, body, TOKEN)
    assert page is None
    assert type(fault) is Unwell


def test_too_many_requests_throttle_the_app_in_whatever_form() -> None:
    assert isinstance(understand(429, b"slow down", TOKEN)[1], Throttled)
    assert isinstance(said(99, status=429)[1], Throttled)


@pytest.mark.parametrize(
    ("code", "message", "word"),
    [
        (100, "(#100) Tried accessing nonexisting field (email) on node type (Page)", "email"),
        (100, "(#100) Tried accessing nonexisting field (uri) on node type (ProfilePictureSource)", "uri"),
        (12, "(#12) bio field is deprecated for versions v28.0 and higher", "bio"),
    ],
)
def test_an_unknown_field_is_named(code: int, message: str, word: str) -> None:
    fault = said(code, message)[1]
    assert isinstance(fault, FieldRefused)
    assert fault.word == word


def test_a_missing_permission_is_named() -> None:
    fault = said(10, "(#10) This endpoint requires the 'pages_read_user_content' permission")[1]
    assert fault.reason.startswith("permission pages_read_user_content is needed: (#10)")
    assert "permission pages_read_engagement is needed" in said(200, "(#200) Permissions error")[1].reason


def test_a_policy_block_waits_for_long() -> None:
    fault = said(368, "The action attempted has been deemed abusive", is_transient=True)[1]
    assert (fault.seconds, fault.grows, fault.throttled) == (3600, True, False)
    assert "(#368) The action" in fault.reason


@pytest.mark.parametrize("code", [190, 102, 1, 4, 10, 100, 368, 80001])
def test_no_reason_has_the_token_in_it(code: int) -> None:
    fault = said(code, f"Malformed access token {TOKEN}", error_subcode=463)[1]
    assert TOKEN not in f"{fault} {fault!r} {vars(fault)}"
