"""Every kind of answer has one meaning."""

from typing import Any

import orjson
import pytest

from platform_sdk.errors import PermanentError
from shopify_fetcher.answers import Answer, Pause, Throttled, TokenRefused, TooCostly, Unwell, understand

COST = {
    "requestedQueryCost": 202,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 10, "restoreRate": 100},
}


def said(content: Any, status: int = 200, **headers: str) -> Answer:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return understand(status, {"x-shopify-api-version": "2026-10", **headers}, body, 5)


def error(code: str, *path: str | int) -> dict[str, Any]:
    return {"message": "so it is", "path": list(path), "extensions": {"code": code}}


def test_data_comes_with_its_price() -> None:
    answer = said({"data": {"a": 1}, "extensions": {"cost": {**COST, "actualQueryCost": 7}}})
    assert (answer.data, answer.read_at) == ({"a": 1}, 5)
    assert answer.cost is not None
    assert (answer.cost.requested, answer.cost.actual, answer.cost.status.available) == (202, 7, 10)


def test_partial_data_comes_with_its_errors() -> None:
    answer = said({"data": {"nodes": [None]}, "errors": [error("ACCESS_DENIED", "nodes", 0)]})
    assert answer.errors[0].path == ("nodes", 0)
    assert not answer.errors[0].passes


def test_throttled_says_how_empty_the_bucket_is() -> None:
    with pytest.raises(Throttled) as raised:
        said({"errors": [error("THROTTLED")], "extensions": {"cost": COST}})
    assert raised.value.cost == 202
    assert raised.value.status is not None


def test_too_costly_is_an_exception_of_its_own() -> None:
    with pytest.raises(TooCostly):
        said({"errors": [error("MAX_COST_EXCEEDED")]})


@pytest.mark.parametrize("code", ["INTERNAL_SERVER_ERROR", "TIMEOUT"])
def test_an_error_without_data_that_passes_may_be_tried_again(code: str) -> None:
    with pytest.raises(Unwell):
        said({"errors": [error(code)]})


@pytest.mark.parametrize("code", ["ACCESS_DENIED", "SHOP_INACTIVE", "undefinedField", ""])
def test_any_other_error_without_data_is_final(code: str) -> None:
    with pytest.raises(PermanentError):
        said({"data": None, "errors": [error(code)]})


@pytest.mark.parametrize("status", [402, 403, 404, 423, 400])
def test_a_shop_that_is_closed_refuses(status: int) -> None:
    with pytest.raises(PermanentError):
        said({"errors": "Not today"}, status)


def test_401_is_about_the_token() -> None:
    with pytest.raises(TokenRefused):
        said({"errors": "[API] Invalid API key or access token"}, 401)


@pytest.mark.parametrize(
    ("status", "header", "seconds"), [(429, "4", 4), (429, None, 1), (430, None, 30), (429, "soon", 1)]
)
def test_too_many_requests_say_how_long(status: int, header: str | None, seconds: float) -> None:
    with pytest.raises(Pause) as raised:
        said(b"", status, **({"retry-after": header} if header else {}))
    assert raised.value.seconds == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_platform_that_is_down_is_unwell(status: int) -> None:
    with pytest.raises(Unwell):
        said(b"<html>", status)


@pytest.mark.parametrize("body", [b"<html>oh no</html>", b'{"data": {"a"', b"", b"[]"])
def test_what_is_no_answer_is_unwell(body: bytes) -> None:
    with pytest.raises(Unwell):
        said(body)


def test_a_search_that_was_not_understood_matches_everything_and_is_refused() -> None:
    with pytest.raises(PermanentError, match="search"):
        said({"data": {}, "extensions": {"search": [{"path": ["products"], "warnings": [{"field": "x"}]}]}})


def test_an_old_version_would_lose_collections_and_is_refused() -> None:
    with pytest.raises(PermanentError, match="2026-04"):
        said({"data": {}}, **{"x-shopify-api-version": "2026-04"})
    assert said({"data": {}}, **{"x-shopify-api-version": "2026-07"}).version == "2026-07"
