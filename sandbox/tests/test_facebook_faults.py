"""Budgets and faults: the sandbox's Facebook refuses and fails exactly as it was told."""

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


def test_a_page_is_over_its_budget_until_its_calls_have_left_the_window() -> None:
    clock = Clock()
    usage = Usage(Limits(page_calls=2), clock)
    verdicts = []
    for _ in range(3):
        verdicts.append(usage.spend("7"))
        clock.at += 60
    assert verdicts == [None, None, "page"]
    said = orjson.loads(usage.headers("7")["x-business-use-case-usage"])["7"][0]
    assert (said["type"], said["call_count"]) == ("pages", 150)
    assert said["estimated_time_to_regain_access"] == 24 * 60 - 2
    clock.at = 24 * 3_600 + 61
    assert usage.spend("7") is None


def test_a_refused_call_extends_the_block() -> None:
    clock = Clock()
    usage = Usage(Limits(app_calls=1), clock)
    assert usage.spend(None) is None
    clock.at = 3_599
    assert usage.spend(None) == "app"
    clock.at = 3_601
    assert usage.spend(None) == "app"


def test_a_scale_makes_hours_seconds() -> None:
    clock = Clock()
    usage = Usage(Limits(page_calls=1, scale=1 / 86_400), clock)
    usage.spend("7")
    said = orjson.loads(usage.headers("7")["x-business-use-case-usage"])["7"][0]
    assert said["estimated_time_to_regain_access"] == pytest.approx(1 / 60, abs=0.001)


async def test_usage_is_said_and_too_many_calls_are_refused_by_whose_budget_it_is(graph: Any) -> None:
    user = await graph.sign_in()
    found = (await graph.get("me/accounts", user))["data"][0]
    page, token = found["id"], found["access_token"]
    await graph.control("PUT", "/limits", {"page_calls": 2, "app_calls": 6})
    first = await graph.ask("GET", page, token)
    assert orjson.loads(first.headers["x-business-use-case-usage"])[page][0]["call_count"] == 50
    assert orjson.loads(first.headers["x-app-usage"])["call_count"] == 16
    answers = [
        await graph.ask("GET", *call)
        for call in ((page, token), (page, token), (page, user), ("me", user), ("me", user), ("me", user))
    ]
    codes = [answer.json().get("error", {}).get("code") for answer in answers]
    assert codes == [None, 80001, 32, None, None, 4]
    assert [answer.status_code for answer in answers] == [200, 400, 403, 200, 200, 403]
    assert (await graph.control("GET", "/statistics"))["throttled"] == 3


async def test_each_call_of_a_batch_counts(graph: Any) -> None:
    user = await graph.sign_in()
    await graph.control("PUT", "/limits", {"app_calls": 4})
    items = orjson.dumps([{"method": "GET", "relative_url": "me"}] * 5).decode()
    answer = await graph.ask("POST", "", user, batch=items)
    assert [item["code"] for item in answer.json()] == [200, 200, 200, 200, 403]
    assert orjson.loads(answer.headers["x-app-usage"])["call_count"] == 125
    assert (await graph.control("GET", "/statistics"))["peak_app_percent"] == 125


@pytest.mark.parametrize(("code", "status"), [(4, 403), (17, 403), (32, 403), (613, 403), (80001, 400)])
async def test_throttles_are_told_with_their_minutes(graph: Any, code: int, status: int) -> None:
    page, token = next(iter((await graph.pages()).items()))
    await graph.control("PUT", "/faults", {"throttle_calls": 1, "throttle_code": code, "throttle_minutes": 7})
    answer = await graph.ask("GET", page, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    said = orjson.loads(answer.headers["x-business-use-case-usage"])[page][0]
    assert (said["call_count"], said["estimated_time_to_regain_access"]) == (100, 7)
    assert (await graph.ask("GET", page, token)).status_code == 200


@pytest.mark.parametrize(
    ("code", "subcode", "status", "transient"), [(1, None, 500, True), (2, None, 500, True), (190, 459, 400, None)]
)
async def test_errors_are_made_as_told(
    graph: Any, code: int, subcode: int | None, status: int, transient: bool | None
) -> None:
    page, token = next(iter((await graph.pages()).items()))
    await graph.control("PUT", "/faults", {"error_calls": 1, "error_code": code, "error_subcode": subcode})
    answer = await graph.ask("GET", page, token)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("is_transient")) == (status, code, transient)
    assert error.get("error_subcode") == subcode


async def test_faults_can_be_those_of_some_pages(graph: Any) -> None:
    pages = await graph.pages()
    bad = next(iter(pages))
    await graph.control("PUT", "/faults", {"pages": [bad], "fail_calls": -1, "fail_status": 502})
    statuses = [(await graph.ask("GET", page, token)).status_code for page, token in pages.items()]
    assert statuses == [502, 200, 200]


async def test_what_comes_may_be_no_json_or_half_of_it(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    await graph.control("PUT", "/faults", {"html_body": True})
    assert (await graph.ask("GET", page, token)).headers["content-type"].startswith("text/html")
    await graph.control("PUT", "/faults", {"truncate_body": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await graph.ask("GET", page, token)
    await graph.control("PUT", "/faults", {"token_endpoint_status": 502})
    assert (await graph.token(code="x")).status_code == 502


async def test_names_and_versions_can_go_away(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    faults = {"refuse_fields": ["bio"], "refuse_subscribed_fields": ["phone"], "version": "v26.0", "reduce_above": 50}
    await graph.control("PUT", "/faults", faults)
    answer = await graph.ask("GET", page, token, fields="name,bio")
    assert "nonexisting field (bio)" in answer.json()["error"]["message"]
    assert answer.headers["facebook-api-version"] == "v26.0"
    answer = await graph.ask("POST", f"{page}/subscribed_apps", token, subscribed_fields="name,phone")
    assert 'got "phone"' in answer.json()["error"]["message"]
    answer = await graph.ask("GET", "me/accounts", await graph.sign_in(), limit=100)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1)


async def test_an_unknown_fault_is_refused(graph: Any) -> None:
    assert (await graph.http.put("/control/facebook/faults", json={"sulk": True})).status_code == 400
