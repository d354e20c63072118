"""A shop misbehaves exactly as it was told, and stops when it is told to."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

SHOP_QUERY = "{ shop { name } }"


@pytest.fixture
async def token(sandbox: Any) -> str:
    await sandbox.make(products=5)
    return str(await sandbox.install())


@pytest.mark.parametrize("status", [429, 430, 500, 503])
async def test_calls_fail_as_often_as_told(sandbox: Any, token: str, status: int) -> None:
    await sandbox.control("PUT", "/faults", {"fail_calls": 2, "fail_status": status, "retry_after": 3})
    answers = [await sandbox.ask(token, SHOP_QUERY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "3"


async def test_the_calls_of_a_ratio_fail(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"fail_ratio": 1.0})
    assert (await sandbox.ask(token, SHOP_QUERY)).status_code == 503
    await sandbox.control("PUT", "/faults", {})
    assert (await sandbox.ask(token, SHOP_QUERY)).status_code == 200


async def test_html_comes_instead_of_json(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"html_body": True})
    answer = await sandbox.ask(token, SHOP_QUERY)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


async def test_a_body_breaks_off(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"truncate_body": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.ask(token, SHOP_QUERY)


async def test_an_answer_hangs_before_and_in_its_body(sandbox: Any, token: str) -> None:
    for fault in ("hang_seconds", "hang_mid_body_seconds"):
        await sandbox.control("PUT", "/faults", {fault: 0.2})
        started = time.monotonic()
        assert (await sandbox.ask(token, SHOP_QUERY)).json()["data"]
        assert time.monotonic() - started >= 0.2


async def test_an_internal_error_is_http_200(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"internal_error_calls": 1})
    answer = await sandbox.ask(token, SHOP_QUERY)
    assert answer.status_code == 200 and answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_versions_fall_forward_and_can_be_forced(sandbox: Any, token: str) -> None:
    served = [
        (await sandbox.ask(token, SHOP_QUERY, version=v)).headers["x-shopify-api-version"]
        for v in ("2025-04", "2026-07")
    ]
    await sandbox.control("PUT", "/faults", {"version": "2026-04"})
    forced = (await sandbox.ask(token, SHOP_QUERY, version="2026-10")).headers["x-shopify-api-version"]
    assert [*served, forced] == ["2026-01", "2026-07", "2026-04"]


async def test_scopes_can_be_denied_in_mid_life(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"deny_scopes": ["read_locations"]})
    query = """{ products(first: 1) { nodes { variants(first: 1) { nodes {
      inventoryItem { inventoryLevels(first: 1) { nodes { location { name } } } } } } } } }"""
    body = (await sandbox.ask(token, query)).json()
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert body["errors"][0]["path"][-1] == "location"


async def test_the_clock_can_be_wrong(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"clock_skew_seconds": 3_600})
    date = parsedate_to_datetime((await sandbox.ask(token, SHOP_QUERY)).headers["date"])
    assert 3_500 < (date - datetime.now(UTC)).total_seconds() < 3_700


async def test_topics_can_be_refused_and_searches_can_warn(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"refuse_topics": ["SHOP_UPDATE"], "search_warnings": True})
    refused = await sandbox.subscribe(token, "SHOP_UPDATE", "https://app.example/hooks")
    assert "shop/update" in refused["userErrors"][0]["message"]
    assert (await sandbox.ask(token, SHOP_QUERY)).json()["extensions"]["search"][0]["warnings"]


async def test_the_token_endpoint_can_be_down(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"token_endpoint_status": 502})
    answer = await sandbox.http.post("/shops/acme.myshopify.com/admin/oauth/access_token", data={})
    assert answer.status_code == 502


async def test_an_unknown_fault_is_refused(sandbox: Any, token: str) -> None:
    answer = await sandbox.http.put("/control/shops/acme.myshopify.com/faults", json={"sulk": True})
    assert answer.status_code == 400
