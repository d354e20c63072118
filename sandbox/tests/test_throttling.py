from collections.abc import Callable
from typing import Any

import pytest

from sandbox.shopify.faults import Faults
from sandbox.shopify.rate_limit import Bucket, for_plan
from sandbox.shopify.tenants import Tenant

Ask = Callable[..., dict[str, Any]]
DEAR = "{ products(first: 250) { nodes { id variants(first: 50) { nodes { id inventoryItem { id } } } } } }"


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("plan", "rate", "size"),
    [("standard", 100, 2_000), ("advanced", 200, 4_000), ("plus", 1_000, 20_000), ("enterprise", 2_000, 40_000)],
)
def test_each_plan_has_its_bucket(plan: str, rate: int, size: int) -> None:
    assert for_plan(plan).status() == {"maximumAvailable": size, "currentlyAvailable": size, "restoreRate": rate}


def test_a_bucket_leaks_at_its_rate_and_takes_refunds() -> None:
    clock = Clock()
    bucket = Bucket(100, 2_000, clock)
    assert bucket.reserve(1_500) and not bucket.reserve(600)
    clock.at = 1.0
    assert bucket.reserve(600) and bucket.status()["currentlyAvailable"] == 0
    bucket.refund(450)
    assert bucket.status()["currentlyAvailable"] == 450


def test_an_empty_bucket_throttles_with_http_200_errors(make_tenant: Callable[..., Tenant], ask: Ask) -> None:
    tenant = make_tenant()
    tenant.bucket = Bucket(100, 2_000, Clock())
    tenant.bucket.level = 100
    body = ask(tenant, DEAR)
    assert "data" not in body and body["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = body["extensions"]["cost"]
    assert cost["actualQueryCost"] is None and cost["requestedQueryCost"] == 189
    assert cost["throttleStatus"]["currentlyAvailable"] == 100
    assert tenant.statistics.throttled == 1


def test_what_was_not_used_is_given_back(make_tenant: Callable[..., Tenant], ask: Ask) -> None:
    tenant = make_tenant(products=2)
    tenant.bucket = Bucket(100, 2_000, Clock())
    cost = ask(tenant, DEAR)["extensions"]["cost"]
    assert cost["actualQueryCost"] < cost["requestedQueryCost"]
    assert cost["throttleStatus"]["currentlyAvailable"] == 2_000 - cost["actualQueryCost"]


def test_no_document_may_cost_more_than_1000(make_tenant: Callable[..., Tenant], ask: Ask) -> None:
    body = ask(
        make_tenant(), DEAR.replace("{ id }", "{ id inventoryLevels(first: 250) { nodes { location { id } } } }")
    )
    extensions = body["errors"][0]["extensions"]
    assert extensions["code"] == "MAX_COST_EXCEEDED" and extensions["cost"] > extensions["maxCost"] == 1_000
    assert "data" not in body


def test_throttling_can_be_ordered(make_tenant: Callable[..., Tenant], ask: Ask) -> None:
    tenant = make_tenant()
    tenant.misbehave(Faults(throttle_calls=2, restore_rate=25))
    codes = [ask(tenant, "{ shop { id } }").get("errors", [{}])[0].get("extensions", {}).get("code") for _ in range(3)]
    assert codes == ["THROTTLED", "THROTTLED", None]
    assert tenant.bucket.status()["restoreRate"] == 25
    tenant.misbehave(Faults())
    assert tenant.bucket.status()["restoreRate"] == 2_000
