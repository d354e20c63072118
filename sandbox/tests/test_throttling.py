from collections.abc import Callable
from typing import Any

import pytest

from sandbox.shopify.faults import Faults
from sandbox.shopify.rate_limit import LeakyBucket, build_bucket
from sandbox.shopify.tenants import Tenant

Execute = Callable[..., dict[str, Any]]
EXPENSIVE_QUERY = "{ products(first: 250) { nodes { id variants(first: 50) { nodes { id inventoryItem { id } } } } } }"


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("plan", "rate", "size"),
    [("standard", 100, 2_000), ("advanced", 200, 4_000), ("plus", 1_000, 20_000), ("enterprise", 2_000, 40_000)],
)
def test_the_plan_of_a_shop_decides_the_size_and_rate_of_its_bucket(plan: str, rate: int, size: int) -> None:
    status = {"maximumAvailable": size, "currentlyAvailable": size, "restoreRate": rate}
    assert build_bucket(plan).build_throttle_status() == status


def test_a_bucket_is_refilled_at_its_rate_and_accepts_refunds() -> None:
    clock = Clock()
    bucket = LeakyBucket(100, 2_000, clock)
    assert bucket.reserve_points(1_500) and not bucket.reserve_points(600)
    clock.at = 1.0
    assert bucket.reserve_points(600) and bucket.build_throttle_status()["currentlyAvailable"] == 0
    bucket.refund_points(450)
    assert bucket.build_throttle_status()["currentlyAvailable"] == 450


def test_an_empty_bucket_throttles_with_http_200_errors(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    tenant = make_tenant()
    tenant.bucket = LeakyBucket(100, 2_000, Clock())
    tenant.bucket.level = 100
    body = execute(tenant, EXPENSIVE_QUERY)
    assert "data" not in body and body["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = body["extensions"]["cost"]
    assert cost["actualQueryCost"] is None and cost["requestedQueryCost"] == 189
    assert cost["throttleStatus"]["currentlyAvailable"] == 100
    assert tenant.statistics.throttled == 1


def test_points_that_were_not_needed_are_refunded(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    tenant = make_tenant(products=2)
    tenant.bucket = LeakyBucket(100, 2_000, Clock())
    cost = execute(tenant, EXPENSIVE_QUERY)["extensions"]["cost"]
    assert cost["actualQueryCost"] < cost["requestedQueryCost"]
    assert cost["throttleStatus"]["currentlyAvailable"] == 2_000 - cost["actualQueryCost"]


def test_a_query_that_costs_more_than_1000_is_refused(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    levels = "{ id inventoryLevels(first: 250) { nodes { location { id } } } }"
    body = execute(make_tenant(), EXPENSIVE_QUERY.replace("{ id }", levels))
    extensions = body["errors"][0]["extensions"]
    assert extensions["code"] == "MAX_COST_EXCEEDED" and extensions["cost"] > extensions["maxCost"] == 1_000
    assert "data" not in body


def test_faults_throttle_calls_and_set_the_restore_rate(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    tenant = make_tenant()
    tenant.apply_faults(Faults(throttle_calls=2, restore_rate=25))
    bodies = [execute(tenant, "{ shop { id } }") for _ in range(3)]
    codes = [body.get("errors", [{}])[0].get("extensions", {}).get("code") for body in bodies]
    assert codes == ["THROTTLED", "THROTTLED", None]
    assert tenant.bucket.build_throttle_status()["restoreRate"] == 25
    tenant.apply_faults(Faults())
    assert tenant.bucket.build_throttle_status()["restoreRate"] == 2_000
