"""Costs against the published rules, and against captures of real answers where somebody has put them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate
from graphql.execution.values import get_variable_values

from sandbox.shopify import schema
from sandbox.shopify.query_cost import Terms, sized
from sandbox.shopify.query_plan import Planner, fragments_of
from sandbox.shopify.tenants import Tenant

Ask = Callable[..., dict[str, Any]]
LEVELS = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on InventoryItem {
  variant { selectedOptions { name } product { id } }
  inventoryLevels(first: 50) { nodes { location { id } quantities(names: ["available"]) { quantity } } } } } }"""


def requested(query: str, variables: dict[str, Any] | None = None) -> int | None:
    """The static price of a document, or None if the schema does not hold it."""
    found, document = schema.load(), parse(query)
    if validate(found, document, max_errors=1, hide_suggestions=True):
        return None
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    values = get_variable_values(found, operation.variable_definitions or (), variables or {})
    if isinstance(values, list):
        return None
    plan = Planner(found, fragments_of(document), values, frozenset()).plan(operation)
    return plan.price.requested(Terms(plan.coerce(values)))


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
        ("{ __schema { queryType { fields { name } } } }", 3),
        ("{ a: shop { id } b: shop { id } }", 2),
        ("query { shop { id ... on Shop { id } primaryDomain @skip(if: true) { url } } }", 1),
    ],
)
def test_a_document_requests_what_the_rules_say(query: str, points: int) -> None:
    assert requested(query) == points


def test_nested_connections_multiply_and_the_dearest_type_counts() -> None:
    assert requested(LEVELS, {"ids": []}) == 1 + 3 + 2 + 7 * 3


def test_pages_are_sized_by_twice_the_logarithm() -> None:
    assert [sized(n) for n in (0, 1, 3, 5, 8, 13, 21, 34, 55, 91, 149, 245)] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_ids_are_free_or_not_as_the_control_says(make_tenant: Callable[..., Tenant], ask: Ask) -> None:
    tenant = make_tenant(products=20)
    ids = [f"gid://shopify/Product/{p.number}" for p in tenant.shop.products]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Product { category { fullName } } } }"
    flat = ask(tenant, query, ids=ids)["extensions"]["cost"]["requestedQueryCost"]
    tenant.faults.nodes_cost = "linear"
    linear = ask(tenant, query, ids=ids)["extensions"]["cost"]["requestedQueryCost"]
    assert (flat, linear) == (2, 21)


def test_a_full_page_pays_what_it_requested_and_an_empty_one_nearly_nothing(
    make_tenant: Callable[..., Tenant], ask: Ask
) -> None:
    tenant = make_tenant(products=20)
    full = ask(tenant, "{ products(first: 20) { nodes { id } } }")["extensions"]["cost"]
    nodes = ask(tenant, '{ products(first: 250, query: "id:1") { nodes { id } } }')["extensions"]["cost"]
    edges = ask(tenant, '{ products(first: 250, query: "id:1") { edges { node { id } } } }')["extensions"]["cost"]
    assert full["actualQueryCost"] == full["requestedQueryCost"] == 7
    assert (nodes["actualQueryCost"], edges["actualQueryCost"]) == (13, 2)


def test_requested_costs_match_captures(references: Path) -> None:
    known, matched, wrong = 0, 0, []
    for line in (references / "shopify-costs/given.jsonl").read_text().splitlines():
        given = json.loads(line)
        found = requested(given["query"], given["variables"])
        if found is None:
            continue
        known += 1
        matched += found == given["requested"]
        wrong += [given["query"]] if found != given["requested"] else []
    print(f"\n{matched} of {known} captured costs match")
    assert known > 100 and all("InventoryLevelRead(" in query for query in wrong)
