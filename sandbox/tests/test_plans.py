"""Compiled plans answer, byte for byte, what graphql-core's own executor answers over the same resolvers."""

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

from sandbox.shopify import schema
from sandbox.shopify.edits import Ledger
from sandbox.shopify.engine import Engine, Request
from sandbox.shopify.fields.context import Context
from sandbox.shopify.shops import now
from sandbox.shopify.tenants import Tenant

ALL = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
ROOTS = [name for name in schema.load().query_type.fields if name not in ("webhookSubscription",)]


def _arguments(tenant: Tenant, parent: str, name: str, args: dict[str, Any]) -> str:
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
    given = {
        "first": "3",
        "ids": orjson.dumps([*ids.values(), "gid://shopify/Product/1"]).decode(),
        "id": f'"{ids.get(name, ids["product"])}"',
        "key": '"care"',
        "names": '["available", "on_hand", "committed"]',
        "locationId": f'"{ids["location"]}"',
    }
    if (parent, name) == ("Product", "inCollection"):
        given["id"] = f'"{ids["collection"]}"'
    found = [f"{arg}: {given[arg]}" for arg in args if arg in given]
    return f"({', '.join(found)})" if found else ""


def _selection(tenant: Tenant, kind: Any, depth: int) -> str:
    """Every field of a type down to a depth."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        types = schema.load().get_possible_types(kind)
        parts = [f"... on {t.name} {{ {_fields(tenant, t, depth, t.name)} }}" for t in types]
        return "__typename " + " ".join(parts)
    return _fields(tenant, kind, depth, "")


def _fields(tenant: Tenant, kind: GraphQLObjectType, depth: int, alias: str) -> str:
    parts = ["__typename"]
    for name, field in kind.fields.items():
        named = get_named_type(field.type)
        prefix = f"{alias}_{name}: {name}" if alias else name
        call = prefix + _arguments(tenant, kind.name, name, field.args)
        if is_leaf_type(named):
            parts.append(call)
        elif depth > 0:
            parts.append(f"{call} {{ {_selection(tenant, named, depth - 1)} }}")
    return " ".join(parts)


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    from sandbox.shopify import grants, rate_limit
    from sandbox.shopify.generator import Recipe, generate
    from sandbox.shopify.webhooks import Subscriptions

    recipe = Recipe(shop="acme.myshopify.com", products=12, media=5, metafields=5, discounts=24, collections=8)
    shop = generate(recipe)
    listeners = Subscriptions([], shop.next_number, lambda _: None)
    for topic in ("PRODUCTS_UPDATE", "SHOP_UPDATE"):
        listeners.create(topic, {"uri": "https://app.example/hooks"}, ALL)
    listeners.create("PRODUCTS_CREATE", {"uri": "pubsub://project:topic"}, ALL)
    return Tenant(recipe, shop, rate_limit.for_plan("enterprise"), grants.Grants(), listeners)


def both(tenant: Tenant, query: str, scopes: frozenset[str] = ALL, **variables: Any) -> tuple[Any, Any]:
    """What the plan answers, and what graphql-core does."""
    engine = Engine()
    request = Request(query, variables, None, "2026-10", "key", scopes)
    document = engine._document(query)
    operation = document.definitions[0]
    values = engine._variables(operation, variables)
    plan = engine._plan(request, document, operation, values)

    def context() -> Context:
        return Context(
            tenant.shop,
            scopes,
            now(),
            "key",
            "2026-10",
            tenant.subscriptions,
            Ledger(),
            tenant.faults,
            plan.coerce(values),
        )

    assert plan.answer is not None
    result = execute(schema.load(), parse(query), None, context(), variables)
    assert result.errors is None
    return orjson.dumps(plan.answer(None, context())), orjson.dumps(result.data)


@pytest.mark.parametrize("root", ROOTS)
def test_every_field_answers_the_same_by_plan(tenant: Tenant, root: str) -> None:
    field = schema.load().query_type.fields[root]
    kind = get_named_type(field.type)
    depth = 3 if root in ("nodes", "node") else 5
    query = f"{{ {root}{_arguments(tenant, 'QueryRoot', root, field.args)} {{ {_selection(tenant, kind, depth)} }} }}"
    planned, executed = both(tenant, query)
    assert planned == executed


def test_fragments_aliases_and_switches_answer_the_same_by_plan(tenant: Tenant) -> None:
    query = """query Q($first: Int!, $with: Boolean!, $names: [String!]!) {
      here: products(first: $first, reverse: true) { edges { cursor node { ...P
        variants(first: 2) { nodes { id } } } } }
      products(first: 1, sortKey: TITLE) { nodes { ...P title } pageInfo { endCursor hasPreviousPage } } }
    fragment P on Product { id title @include(if: $with) media(first: 5) { nodes { ... on MediaImage { image { url } }
      ... on Node { id } alt } } variants(first: 2) { nodes { sku inventoryItem { inventoryLevels(first: 5) { nodes {
      quantities(names: $names) { name quantity } } } } } } }"""
    for switch in (True, False):
        planned, executed = both(tenant, query, first=3, names=["available"], **{"with": switch})
        assert planned == executed


def test_introspection_is_answered_by_graphql_core(make_tenant: Callable[..., Tenant], ask: Callable[..., Any]) -> None:
    body = ask(make_tenant(), '{ __type(name: "Product") { name fields { name } } shop { name } }')
    assert body["data"]["__type"]["name"] == "Product" and body["data"]["shop"]["name"] == "Acme"
