"""A shop has exactly the faults that the control API gave it, and none after they are removed."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

SHOP_QUERY = "{ shop { name } }"


@pytest.fixture
async def token(sandbox: Any) -> str:
    await sandbox.create_shop(products=5)
    return str(await sandbox.install())


@pytest.mark.parametrize("status", [429, 430, 500, 503])
async def test_as_many_calls_fail_as_the_fault_says(sandbox: Any, token: str, status: int) -> None:
    await sandbox.control("PUT", "/faults", {"fail_calls": 2, "fail_status": status, "retry_after": 3})
    answers = [await sandbox.query(token, SHOP_QUERY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "3"


async def test_a_ratio_of_calls_fails(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"fail_ratio": 1.0})
    assert (await sandbox.query(token, SHOP_QUERY)).status_code == 503
    await sandbox.control("PUT", "/faults", {})
    assert (await sandbox.query(token, SHOP_QUERY)).status_code == 200


async def test_a_fault_answers_html_instead_of_json(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"html_body": True})
    answer = await sandbox.query(token, SHOP_QUERY)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


async def test_a_fault_truncates_the_body(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"truncate_body": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.query(token, SHOP_QUERY)


async def test_an_answer_hangs_before_its_body_or_in_the_middle(sandbox: Any, token: str) -> None:
    for fault in ("hang_seconds", "hang_mid_body_seconds"):
        await sandbox.control("PUT", "/faults", {fault: 0.2})
        started = time.monotonic()
        assert (await sandbox.query(token, SHOP_QUERY)).json()["data"]
        assert time.monotonic() - started >= 0.2


async def test_calls_are_held_once_so_many_ids_were_read_until_the_fault_is_removed(sandbox: Any, token: str) -> None:
    gid = (await sandbox.query(token, "{ products(first: 1) { nodes { id } } }")).json()["data"]["products"]["nodes"][0]
    await sandbox.control("PUT", "/faults", {"hold_after_ids": 1})
    await sandbox.query(token, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[gid["id"]])
    held = asyncio.create_task(sandbox.query(token, SHOP_QUERY))
    async with asyncio.timeout(10):
        while (await sandbox.control("GET", "/statistics"))["held_calls"] != 1:
            await asyncio.sleep(0.01)
    assert not held.done()
    await sandbox.control("PUT", "/faults", {})
    assert (await held).json()["data"]
    assert (await sandbox.control("GET", "/statistics"))["held_calls"] == 0


async def test_an_internal_error_is_http_200(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"internal_error_calls": 1})
    answer = await sandbox.query(token, SHOP_QUERY)
    assert answer.status_code == 200 and answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_an_old_version_falls_forward_and_a_fault_forces_one(sandbox: Any, token: str) -> None:
    versions = [
        (await sandbox.query(token, SHOP_QUERY, version=v)).headers["x-shopify-api-version"]
        for v in ("2025-04", "2026-07")
    ]
    await sandbox.control("PUT", "/faults", {"version": "2026-04"})
    forced = (await sandbox.query(token, SHOP_QUERY, version="2026-10")).headers["x-shopify-api-version"]
    assert [*versions, forced] == ["2026-01", "2026-07", "2026-04"]


async def test_a_fault_denies_a_granted_scope(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"deny_scopes": ["read_locations"]})
    query = """{ products(first: 1) { nodes { variants(first: 1) { nodes {
      inventoryItem { inventoryLevels(first: 1) { nodes { location { name } } } } } } } } }"""
    body = (await sandbox.query(token, query)).json()
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert body["errors"][0]["path"][-1] == "location"


async def test_a_fault_skews_the_date_header(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"clock_skew_seconds": 3_600})
    date = parsedate_to_datetime((await sandbox.query(token, SHOP_QUERY)).headers["date"])
    assert 3_500 < (date - datetime.now(UTC)).total_seconds() < 3_700


async def test_faults_refuse_topics_and_add_search_warnings(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"refuse_topics": ["SHOP_UPDATE"], "search_warnings": True})
    payload = await sandbox.subscribe(token, "SHOP_UPDATE", "https://app.example/hooks")
    assert "shop/update" in payload["userErrors"][0]["message"]
    assert (await sandbox.query(token, SHOP_QUERY)).json()["extensions"]["search"][0]["warnings"]


async def test_a_fault_breaks_the_token_endpoint(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"token_endpoint_status": 502})
    answer = await sandbox.http.post("/shops/acme.myshopify.com/admin/oauth/access_token", data={})
    assert answer.status_code == 502


async def test_an_unknown_fault_is_refused(sandbox: Any, token: str) -> None:
    answer = await sandbox.http.put("/control/shops/acme.myshopify.com/faults", json={"sulk": True})
    assert answer.status_code == 400


async def test_products_come_and_go_before_as_many_calls_as_the_fault_says(sandbox: Any, token: str) -> None:
    query = "{ products(first: 50) { nodes { id } } productsCount { count } }"

    async def list_ids() -> tuple[set[str], int]:
        data = (await sandbox.query(token, query)).json()["data"]
        return {node["id"] for node in data["products"]["nodes"]}, data["productsCount"]["count"]

    before, _ = await list_ids()
    await sandbox.control("PUT", "/faults", {"churn_after_calls": 1, "churn_calls": 1, "churn_pairs": 2})
    assert (await list_ids())[0] == before
    changed, count = await list_ids()
    assert (len(before - changed), len(changed - before), count) == (2, 2, 5)
    assert (await list_ids())[0] == changed
