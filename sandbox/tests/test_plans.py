"""Compiled plans compute, byte for byte, the same data as graphql-core's own executor with the same resolvers."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    execute,
    get_named_type,
    is_leaf_type,
    parse,
)

from sandbox.shopify import grants, rate_limit, schema
from sandbox.shopify.bulk_operations import BulkOperation
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.engine import Engine, GraphQLRequest, PreparedRequest
from sandbox.shopify.fields.context import Context
from sandbox.shopify.generator import Recipe, generate_shop
from sandbox.shopify.model import MetafieldDefinition
from sandbox.shopify.shops import get_current_time
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhooks import Subscriptions

ALL = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
ROOTS = [name for name in schema.load_schema().query_type.fields if name not in ("webhookSubscription",)]


def _build_arguments(tenant: Tenant, parent: str, name: str, args: dict[str, Any]) -> str:
    shop = tenant.shop
    product, variant = next(iter(shop.products)), next(iter(shop.variants))
    discounts = {d.family: d.number for d in shop.discounts}
    level = f"gid://shopify/InventoryLevel/{variant.levels[0].location}?inventory_item_id={variant.item}"
    ids = {
        "product": f"gid://shopify/Product/{product.number}",
        "productVariant": f"gid://shopify/ProductVariant/{variant.number}",
        "inventoryItem": f"gid://shopify/InventoryItem/{variant.item}",
        "inventoryLevel": level,
        "location": f"gid://shopify/Location/{next(iter(shop.locations)).number}",
        "collection": f"gid://shopify/Collection/{next(iter(shop.collections)).number}",
        "node": level,
        "discountNode": f"gid://shopify/DiscountNode/{discounts['Code']}",
        "codeDiscountNode": f"gid://shopify/DiscountCodeNode/{discounts['Code']}",
        "automaticDiscountNode": f"gid://shopify/DiscountAutomaticNode/{discounts['Automatic']}",
    }
    others = {
        "metafieldDefinition": f"gid://shopify/MetafieldDefinition/{next(iter(shop.definitions)).number}",
        "bulkOperation": f"gid://shopify/BulkOperation/{next(iter(tenant.bulk.by_number))}",
        "productOperation": f"gid://shopify/ProductSetOperation/{next(iter(shop.operations))}",
    }
    values = {
        "first": "3",
        "ids": orjson.dumps([*ids.values(), "gid://shopify/Product/1"]).decode(),
        "id": f'"{(ids | others).get(name, ids["product"])}"',
        "ownerType": "PRODUCT",
        "type": "MUTATION",
        "key": '"care"',
        "names": '["available", "on_hand", "committed"]',
        "locationId": f'"{ids["location"]}"',
    }
    if name == "productByIdentifier":
        values["identifier"] = f'{{handle: "{product.handle}"}}'
    if (parent, name) == ("Product", "inCollection"):
        values["id"] = f'"{ids["collection"]}"'
    arguments = [f"{arg}: {values[arg]}" for arg in args if arg in values]
    return f"({', '.join(arguments)})" if arguments else ""


def _build_selection(tenant: Tenant, kind: Any, depth: int) -> str:
    """The selection of all fields of a type, down to a depth."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        types = schema.load_schema().get_possible_types(kind)
        parts = [f"... on {t.name} {{ {_build_fields(tenant, t, depth, t.name)} }}" for t in types]
        return "__typename " + " ".join(parts)
    return _build_fields(tenant, kind, depth, "")


def _build_fields(tenant: Tenant, kind: GraphQLObjectType, depth: int, alias: str) -> str:
    parts = ["__typename"]
    for name, field in kind.fields.items():
        returned = get_named_type(field.type)
        prefix = f"{alias}_{name}: {name}" if alias else name
        call = prefix + _build_arguments(tenant, kind.name, name, field.args)
        if is_leaf_type(returned):
            parts.append(call)
        elif depth > 0:
            parts.append(f"{call} {{ {_build_selection(tenant, returned, depth - 1)} }}")
    return " ".join(parts)


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    recipe = Recipe(shop="acme.myshopify.com", products=12, media=5, metafields=5, discounts=24, collections=8)
    shop = generate_shop(recipe)
    subscriptions = Subscriptions([], shop.allocate_number, lambda _: None)
    for topic in ("PRODUCTS_UPDATE", "SHOP_UPDATE"):
        subscriptions.create(topic, {"uri": "https://app.example/hooks"}, ALL)
    subscriptions.create("PRODUCTS_CREATE", {"uri": "pubsub://project:topic"}, ALL)
    tenant = Tenant(recipe, shop, rate_limit.build_bucket("enterprise"), grants.Grants(), subscriptions)
    shop.definitions.put(MetafieldDefinition(1, "PRODUCT", "custom", "care", "Care", "single_line_text_field"))
    tenant.bulk.put([BulkOperation(2, "mutation", [], get_current_time(), ALL, "key", "2026-10")])
    shop.operations[3] = {"number": 3, "status": "CREATED", "product": None, "userErrors": []}
    return tenant


def execute_both_ways(tenant: Tenant, query: str, scopes: frozenset[str] = ALL, **variables: Any) -> tuple[Any, Any]:
    """The data that the plan computes, and the data that graphql-core computes."""
    engine = Engine()
    request = GraphQLRequest(query, variables, None, "2026-10", "key", scopes)
    prepared = engine.prepare_request(request)
    assert isinstance(prepared, PreparedRequest)

    def build_context() -> Context:
        return engine.build_context(tenant, request, ChangeSet(), prepared.parameters)

    plan = prepared.plan
    assert plan.execute is not None
    result = execute(schema.load_schema(), parse(query), None, build_context(), variables)
    assert result.errors is None
    return orjson.dumps(plan.execute(None, build_context())), orjson.dumps(result.data)


@pytest.mark.parametrize("root", ROOTS)
def test_a_plan_computes_every_field_as_graphql_core_does(tenant: Tenant, root: str) -> None:
    field = schema.load_schema().query_type.fields[root]
    kind = get_named_type(field.type)
    depth = 3 if root in ("nodes", "node") else 5
    arguments = _build_arguments(tenant, "QueryRoot", root, field.args)
    query = f"{{ {root}{arguments} {{ {_build_selection(tenant, kind, depth)} }} }}"
    planned, executed = execute_both_ways(tenant, query)
    assert planned == executed


def test_a_plan_computes_fragments_aliases_and_directives_as_graphql_core_does(tenant: Tenant) -> None:
    query = """query Q($first: Int!, $with: Boolean!, $names: [String!]!) {
      here: products(first: $first, reverse: true) { edges { cursor node { ...P
        variants(first: 2) { nodes { id } } } } }
      products(first: 1, sortKey: TITLE) { nodes { ...P title } pageInfo { endCursor hasPreviousPage } } }
    fragment P on Product { id title @include(if: $with) media(first: 5) { nodes { ... on MediaImage { image { url } }
      ... on Node { id } alt } } variants(first: 2) { nodes { sku inventoryItem { inventoryLevels(first: 5) { nodes {
      quantities(names: $names) { name quantity } } } } } } }"""
    for switch in (True, False):
        planned, executed = execute_both_ways(tenant, query, first=3, names=["available"], **{"with": switch})
        assert planned == executed


def test_graphql_core_answers_introspection(make_tenant: Callable[..., Tenant], execute: Callable[..., Any]) -> None:
    body = execute(make_tenant(), '{ __type(name: "Product") { name fields { name } } shop { name } }')
    assert body["data"]["__type"]["name"] == "Product" and body["data"]["shop"]["name"] == "Acme"
