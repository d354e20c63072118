"""The cost of queries, compared with the published rules and, where they exist, with captured answers of Shopify."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate
from graphql.execution.values import get_variable_values

from sandbox.shopify import schema
from sandbox.shopify.query_cost import CostParameters, compute_page_factor
from sandbox.shopify.query_plan import Planner, collect_fragments
from sandbox.shopify.tenants import Tenant

Execute = Callable[..., dict[str, Any]]
LEVELS = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on InventoryItem {
  variant { selectedOptions { name } product { id } }
  inventoryLevels(first: 50) { nodes { location { id } quantities(names: ["available"]) { quantity } } } } } }"""


def compute_requested_cost(query: str, variables: dict[str, Any] | None = None) -> int | None:
    """The requested cost of a query, or None if it is not valid in the sandbox's part of the schema."""
    sandbox_schema, document = schema.load_schema(), parse(query)
    if validate(sandbox_schema, document, max_errors=1, hide_suggestions=True):
        return None
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    values = get_variable_values(sandbox_schema, operation.variable_definitions or (), variables or {})
    if isinstance(values, list):
        return None
    plan = Planner(sandbox_schema, collect_fragments(document), values, frozenset()).build_plan(operation)
    return plan.cost.compute_requested(CostParameters(plan.coerce_arguments(values)))


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ shop { currencyCode } }", 1),
        ("{ productsCount { count precision } }", 10),
        ("{ products(first: 0) { nodes { id } } }", 2),
        ("{ products(first: 250) { nodes { id updatedAt } pageInfo { endCursor } } }", 13),
        ("{ locations(first: 20) { nodes { id name } } }", 7),
        ("{ webhookSubscriptions(first: 2) { nodes { id } edges { node { id } } } }", 4),
        ("{ collections(first: 250) { nodes { productsCount { count } } } }", 24),
        (
            'mutation { productDelete(input: {id: "gid://shopify/Product/1"}) { deletedProductId } }',
            10,
        ),
        (
            'mutation { a: productDelete(input: {id: "gid://shopify/Product/1"}) { deletedProductId } '
            'b: productDelete(input: {id: "gid://shopify/Product/2"}) { deletedProductId } }',
            20,
        ),
        ("{ __schema { queryType { fields { name } } } }", 3),
        ("{ a: shop { id } b: shop { id } }", 2),
        ("query { shop { id ... on Shop { id } primaryDomain @skip(if: true) { url } } }", 1),
    ],
)
def test_the_requested_cost_follows_the_published_rules(query: str, points: int) -> None:
    assert compute_requested_cost(query) == points


def test_nested_connections_multiply_and_the_most_expensive_type_counts() -> None:
    assert compute_requested_cost(LEVELS, {"ids": []}) == 1 + 3 + 2 + 7 * 3


def test_the_factor_of_a_page_is_twice_the_logarithm_of_its_size() -> None:
    sizes = (0, 1, 3, 5, 8, 13, 21, 34, 55, 91, 149, 245)
    assert [compute_page_factor(n) for n in sizes] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_a_fault_decides_whether_every_id_costs(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    tenant = make_tenant(products=20)
    ids = [f"gid://shopify/Product/{p.number}" for p in tenant.shop.products]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Product { category { fullName } } } }"
    flat = execute(tenant, query, ids=ids)["extensions"]["cost"]["requestedQueryCost"]
    tenant.faults.nodes_cost = "linear"
    linear = execute(tenant, query, ids=ids)["extensions"]["cost"]["requestedQueryCost"]
    assert (flat, linear) == (2, 21)


def test_a_full_page_costs_what_was_requested_and_an_empty_one_nearly_nothing(
    make_tenant: Callable[..., Tenant], execute: Execute
) -> None:
    tenant = make_tenant(products=20)
    full = execute(tenant, "{ products(first: 20) { nodes { id } } }")["extensions"]["cost"]
    nodes = execute(tenant, '{ products(first: 250, query: "id:1") { nodes { id } } }')["extensions"]["cost"]
    edges = execute(tenant, '{ products(first: 250, query: "id:1") { edges { node { id } } } }')["extensions"]["cost"]
    assert full["actualQueryCost"] == full["requestedQueryCost"] == 7
    assert (nodes["actualQueryCost"], edges["actualQueryCost"]) == (13, 2)


def test_requested_costs_match_captures(references: Path) -> None:
    # What an answer says was requested is never less than what was spent, which some inputs with lists make more.
    compared, matched, wrong = 0, 0, []
    for line in (references / "shopify-costs/given.jsonl").read_text().splitlines():
        capture = json.loads(line)
        cost = compute_requested_cost(capture["query"], capture["variables"])
        if cost is None:
            continue
        compared += 1
        expected = max(cost, capture["actual"] or 0)
        matched += expected == capture["requested"]
        wrong += [capture["query"]] if expected != capture["requested"] else []
    print(f"\n{matched} of {compared} captured costs match")
    assert compared > 100 and all("InventoryLevelRead(" in query for query in wrong)
