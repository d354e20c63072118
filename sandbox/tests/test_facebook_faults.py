"""Rate limits and faults of the simulated Facebook."""

from typing import Any

import httpx
import orjson
import pytest

from sandbox.facebook.model import Limits
from sandbox.facebook.usage import Usage


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_page_exceeds_its_limit_until_its_calls_leave_the_window() -> None:
    clock = Clock()
    usage = Usage(Limits(page_calls=2), clock)
    limit_owners = []
    for _ in range(3):
        limit_owners.append(usage.record_call_and_check_limits("7"))
        clock.at += 60
    assert limit_owners == [None, None, "page"]
    usage_header = orjson.loads(usage.build_headers("7")["x-business-use-case-usage"])["7"][0]
    assert (usage_header["type"], usage_header["call_count"]) == ("pages", 150)
    assert usage_header["estimated_time_to_regain_access"] == 24 * 60 - 2
    clock.at = 24 * 3_600 + 61
    assert usage.record_call_and_check_limits("7") is None


def test_a_refused_call_extends_the_throttle() -> None:
    clock = Clock()
    usage = Usage(Limits(app_calls=1), clock)
    assert usage.record_call_and_check_limits(None) is None
    clock.at = 3_599
    assert usage.record_call_and_check_limits(None) == "app"
    clock.at = 3_601
    assert usage.record_call_and_check_limits(None) == "app"


def test_a_small_scale_turns_hours_into_seconds() -> None:
    clock = Clock()
    usage = Usage(Limits(page_calls=1, scale=1 / 86_400), clock)
    usage.record_call_and_check_limits("7")
    usage_header = orjson.loads(usage.build_headers("7")["x-business-use-case-usage"])["7"][0]
    assert usage_header["estimated_time_to_regain_access"] == pytest.approx(1 / 60, abs=0.001)


async def test_usage_is_reported_and_the_error_code_names_the_exceeded_limit(graph: Any) -> None:
    user = await graph.sign_in()
    account = (await graph.get("me/accounts", user))["data"][0]
    page, token = account["id"], account["access_token"]
    await graph.call_control("PUT", "/limits", {"page_calls": 2, "app_calls": 6})
    first = await graph.request("GET", page, token)
    assert orjson.loads(first.headers["x-business-use-case-usage"])[page][0]["call_count"] == 50
    assert orjson.loads(first.headers["x-app-usage"])["call_count"] == 16
    answers = [
        await graph.request("GET", *call)
        for call in ((page, token), (page, token), (page, user), ("me", user), ("me", user), ("me", user))
    ]
    codes = [answer.json().get("error", {}).get("code") for answer in answers]
    assert codes == [None, 80001, 32, None, None, 4]
    assert [answer.status_code for answer in answers] == [200, 400, 403, 200, 200, 403]
    assert (await graph.call_control("GET", "/statistics"))["throttled"] == 3


async def test_each_call_of_a_batch_counts_for_the_limit(graph: Any) -> None:
    user = await graph.sign_in()
    await graph.call_control("PUT", "/limits", {"app_calls": 4})
    items = orjson.dumps([{"method": "GET", "relative_url": "me"}] * 5).decode()
    answer = await graph.request("POST", "", user, batch=items)
    assert [item["code"] for item in answer.json()] == [200, 200, 200, 200, 403]
    assert orjson.loads(answer.headers["x-app-usage"])["call_count"] == 125
    assert (await graph.call_control("GET", "/statistics"))["peak_app_percent"] == 125


@pytest.mark.parametrize(("code", "status"), [(4, 403), (17, 403), (32, 403), (613, 403), (80001, 400)])
async def test_a_throttle_reports_its_minutes(graph: Any, code: int, status: int) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    await graph.call_control("PUT", "/faults", {"throttle_calls": 1, "throttle_code": code, "throttle_minutes": 7})
    answer = await graph.request("GET", page, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    usage_header = orjson.loads(answer.headers["x-business-use-case-usage"])[page][0]
    assert (usage_header["call_count"], usage_header["estimated_time_to_regain_access"]) == (100, 7)
    assert (await graph.request("GET", page, token)).status_code == 200


@pytest.mark.parametrize(
    ("code", "subcode", "status", "transient"), [(1, None, 500, True), (2, None, 500, True), (190, 459, 400, None)]
)
async def test_an_error_fault_returns_the_configured_error(
    graph: Any, code: int, subcode: int | None, status: int, transient: bool | None
) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    await graph.call_control("PUT", "/faults", {"error_calls": 1, "error_code": code, "error_subcode": subcode})
    answer = await graph.request("GET", page, token)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("is_transient")) == (status, code, transient)
    assert error.get("error_subcode") == subcode


async def test_faults_can_be_limited_to_some_pages(graph: Any) -> None:
    pages = await graph.connect_pages()
    faulty = next(iter(pages))
    await graph.call_control("PUT", "/faults", {"pages": [faulty], "fail_calls": -1, "fail_status": 502})
    statuses = [(await graph.request("GET", page, token)).status_code for page, token in pages.items()]
    assert statuses == [502, 200, 200]


async def test_a_response_can_be_html_or_truncated(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    await graph.call_control("PUT", "/faults", {"html_body": True})
    assert (await graph.request("GET", page, token)).headers["content-type"].startswith("text/html")
    await graph.call_control("PUT", "/faults", {"truncate_body": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await graph.request("GET", page, token)
    await graph.call_control("PUT", "/faults", {"token_endpoint_status": 502})
    assert (await graph.request_token(code="x")).status_code == 502


async def test_fields_and_versions_can_be_removed(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    faults = {"refuse_fields": ["bio"], "refuse_subscribed_fields": ["phone"], "version": "v26.0", "reduce_above": 50}
    await graph.call_control("PUT", "/faults", faults)
    answer = await graph.request("GET", page, token, fields="name,bio")
    assert "nonexisting field (bio)" in answer.json()["error"]["message"]
    assert answer.headers["facebook-api-version"] == "v26.0"
    answer = await graph.request("POST", f"{page}/subscribed_apps", token, subscribed_fields="name,phone")
    assert 'got "phone"' in answer.json()["error"]["message"]
    answer = await graph.request("GET", "me/accounts", await graph.sign_in(), limit=100)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1)


async def test_an_unknown_fault_is_refused(graph: Any) -> None:
    assert (await graph.http.put("/control/facebook/faults", json={"sulk": True})).status_code == 400
