"""Every kind of response has one meaning."""

from typing import Any

import orjson
import pytest

from platform_sdk.errors import (
    AccountBlockedError,
    PermanentError,
    QueryTooExpensiveError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platforms.shopify.errors import GraphqlResponse, parse_response

COST = {
    "requestedQueryCost": 202,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 10, "restoreRate": 100},
}


def parse(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> GraphqlResponse:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return parse_response(status, {"x-shopify-api-version": "2026-10", **(headers or {})}, body, 5)


def build_error(code: str, *path: str | int) -> dict[str, Any]:
    return {"message": "so it is", "path": list(path), "extensions": {"code": code}}


def test_data_is_parsed_with_its_cost() -> None:
    response = parse({"data": {"a": 1}, "extensions": {"cost": {**COST, "actualQueryCost": 7}}})
    assert (response.data, response.read_at) == ({"a": 1}, 5)
    assert response.cost is not None
    assert (response.cost.requested, response.cost.actual, response.cost.status.available) == (202, 7, 10)


def test_partial_data_is_parsed_with_its_errors() -> None:
    response = parse({"data": {"nodes": [None]}, "errors": [build_error("ACCESS_DENIED", "nodes", 0)]})
    assert response.errors[0].path == ("nodes", 0)
    assert not response.errors[0].is_transient


def test_a_throttled_response_reports_how_empty_the_bucket_is() -> None:
    response = parse({"errors": [build_error("THROTTLED")], "extensions": {"cost": COST}})
    assert response.is_throttled
    assert response.cost is not None
    assert (response.cost.requested, response.cost.status.available) == (202, 10)


def test_a_query_that_is_too_expensive_is_an_exception_of_its_own() -> None:
    with pytest.raises(QueryTooExpensiveError):
        parse({"errors": [build_error("MAX_COST_EXCEEDED")]})


@pytest.mark.parametrize("code", ["INTERNAL_SERVER_ERROR", "TIMEOUT"])
def test_a_transient_error_without_data_may_be_tried_again(code: str) -> None:
    with pytest.raises(TransientError):
        parse({"errors": [build_error(code)]})


@pytest.mark.parametrize("code", ["ACCESS_DENIED", "undefinedField", ""])
def test_any_other_error_without_data_is_permanent(code: str) -> None:
    with pytest.raises(PermanentError):
        parse({"data": None, "errors": [build_error(code)]})


@pytest.mark.parametrize(
    ("status", "reason"), [(402, "frozen"), (403, "not open to this app"), (404, "not reachable"), (423, "locked")]
)
def test_a_closed_shop_is_blocked_and_says_why(status: int, reason: str) -> None:
    with pytest.raises(AccountBlockedError) as raised:
        parse({"errors": "Not today"}, status)
    assert raised.value.reason == reason


def test_an_inactive_shop_is_blocked() -> None:
    with pytest.raises(AccountBlockedError, match="not active"):
        parse({"data": None, "errors": [build_error("SHOP_INACTIVE")]})


def test_a_request_that_is_refused_is_a_permanent_error() -> None:
    with pytest.raises(PermanentError):
        parse({"errors": "Not today"}, 400)


def test_status_401_rejects_the_token() -> None:
    with pytest.raises(TokenRejectedError):
        parse({"errors": "[API] Invalid API key or access token"}, 401)


@pytest.mark.parametrize(
    ("status", "header", "seconds"), [(429, "4", 4), (429, None, 1), (430, None, 30), (429, "soon", 1)]
)
def test_too_many_requests_name_the_wait(status: int, header: str | None, seconds: float) -> None:
    with pytest.raises(ThrottledError) as raised:
        parse(b"", status, {"retry-after": header} if header else {})
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_platform_that_is_down_is_a_transient_error(status: int) -> None:
    with pytest.raises(TransientError):
        parse(b"<html>", status)


@pytest.mark.parametrize("body", [b"<html>oh no</html>", b'{"data": {"a"', b"", b"[]"])
def test_a_malformed_response_is_a_transient_error(body: bytes) -> None:
    with pytest.raises(TransientError):
        parse(body)


def test_a_search_that_was_not_understood_matches_everything_and_is_refused() -> None:
    with pytest.raises(PermanentError, match="search"):
        parse({"data": {}, "extensions": {"search": [{"path": ["products"], "warnings": [{"field": "x"}]}]}})


def test_an_old_version_would_lose_collections_and_blocks_the_shop() -> None:
    with pytest.raises(AccountBlockedError, match="2026-04"):
        parse({"data": {}}, headers={"x-shopify-api-version": "2026-04"})
    assert parse({"data": {}}, headers={"x-shopify-api-version": "2026-07"}).version == "2026-07"
