"""Lists: their pages, cursors, search, sort orders and counts, and the faults that change them."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.shopify import edits
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.faults import Faults
from sandbox.shopify.pagination import encode_cursor
from sandbox.shopify.tenants import Tenant

Execute = Callable[..., dict[str, Any]]
PAGE = """query($q: String, $after: String, $first: Int, $key: ProductSortKeys, $reverse: Boolean) {
  products(first: $first, after: $after, query: $q, sortKey: $key, reverse: $reverse) {
    nodes { id title status updatedAt } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""


def parse_numbers(nodes: list[dict[str, Any]]) -> list[int]:
    return [int(node["id"].rsplit("/", 1)[-1]) for node in nodes]


def read_all(execute: Execute, tenant: Tenant, first: int = 7, **variables: Any) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = execute(tenant, PAGE, first=first, after=after, **variables)["data"]["products"]
        nodes += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["pageInfo"]["endCursor"]


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant(products=40)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("key", ["ID", "TITLE", "UPDATED_AT"])
def test_pages_return_every_product_once_in_order(tenant: Tenant, execute: Execute, key: str, reverse: bool) -> None:
    nodes = read_all(execute, tenant, key=key, reverse=reverse)
    field = {"ID": "id", "TITLE": "title", "UPDATED_AT": "updatedAt"}[key]
    expected = sorted(nodes, key=lambda node: (node[field], node["id"]), reverse=reverse)
    assert nodes == expected
    assert sorted(parse_numbers(nodes)) == [p.number for p in tenant.shop.products]


def test_pages_by_id_lose_nothing_while_products_are_deleted(tenant: Tenant, execute: Execute) -> None:
    first = execute(tenant, PAGE, first=10)["data"]["products"]
    for number in parse_numbers(first["nodes"])[-3:]:
        edits.delete_product(tenant.shop, ChangeSet(), number)
    after = first["pageInfo"]["endCursor"]
    others = execute(tenant, PAGE, first=250, after=after)["data"]["products"]["nodes"]
    assert len(others) == 30


def test_last_and_before_read_backwards(tenant: Tenant, execute: Execute) -> None:
    query = """query($before: String) { products(last: 5, before: $before) {
      nodes { id } pageInfo { startCursor hasPreviousPage hasNextPage } } }"""
    end = execute(tenant, query)["data"]["products"]
    earlier = execute(tenant, query, before=end["pageInfo"]["startCursor"])["data"]["products"]
    everything = [p.number for p in tenant.shop.products]
    assert parse_numbers(end["nodes"]) == everything[-5:] and parse_numbers(earlier["nodes"]) == everything[-10:-5]
    assert end["pageInfo"]["hasPreviousPage"] and not end["pageInfo"]["hasNextPage"]


def test_filters_combine(tenant: Tenant, execute: Execute) -> None:
    everything = list(tenant.shop.products)
    low, high = everything[5].number, everything[30].number
    nodes = read_all(execute, tenant, q=f"id:>{low} id:<={high} AND status:active,draft")
    expected = [p.number for p in everything if low < p.number <= high and p.status in ("ACTIVE", "DRAFT")]
    assert parse_numbers(nodes) == expected


def test_search_by_id_and_by_time(tenant: Tenant, execute: Execute) -> None:
    product = list(tenant.shop.products)[7]
    assert parse_numbers(read_all(execute, tenant, q=f"id:{product.number}")) == [product.number]
    since = read_all(execute, tenant, q=f"updated_at:>='{product.updated_at}'")
    assert product.number in parse_numbers(since) and all(node["updatedAt"] >= product.updated_at for node in since)


def test_an_unknown_field_matches_everything_and_warns(tenant: Tenant, execute: Execute) -> None:
    body = execute(tenant, PAGE, first=50, q="colour:red")
    assert len(body["data"]["products"]["nodes"]) == 40
    assert body["extensions"]["search"][0]["path"] == ["products"]
    assert body["extensions"]["search"][0]["warnings"][0]["code"] == "invalid_field"


def test_neither_first_nor_last_is_an_error(tenant: Tenant, execute: Execute) -> None:
    body = execute(tenant, "{ products { nodes { id } } }")
    assert body["errors"][0]["message"] == "you must provide one of first or last"
    assert body["errors"][0]["path"] == ["products"]


@pytest.mark.parametrize(
    "query", ["{ products(first: 251) { nodes { id } } }", "{ products(last: 251) { nodes { id } } }"]
)
def test_a_page_of_more_than_250_is_an_error(tenant: Tenant, execute: Execute, query: str) -> None:
    assert execute(tenant, query)["errors"]


def test_more_than_250_ids_are_an_error(tenant: Tenant, execute: Execute) -> None:
    body = execute(tenant, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["gid://shopify/Product/1"] * 251)
    assert body["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"


def test_missing_nodes_are_null_and_malformed_ids_an_error(tenant: Tenant, execute: Execute) -> None:
    product = next(iter(tenant.shop.products)).number
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [f"gid://shopify/Product/{product}", "gid://shopify/Product/1", "gid://shopify/Nonsense/1"]
    assert execute(tenant, query, ids=ids)["data"]["nodes"] == [{"id": ids[0]}, None, None]
    assert execute(tenant, query, ids=["Product/1"])["errors"][0]["message"] == "Invalid global id 'Product/1'"


def test_counts_are_exact_to_25000_and_pages_end_there(make_tenant: Callable[..., Tenant], execute: Execute) -> None:
    tenant = make_tenant(products=25_010, variants=1, locations=1, media=0, metafields=0)
    query = "{ a: productsCount { count precision } b: productsCount(limit: null) { count precision } }"
    counts = execute(tenant, query)["data"]
    assert counts["a"] == {"count": 10_000, "precision": "AT_LEAST"}
    assert counts["b"] == {"count": 25_001, "precision": "AT_LEAST"}
    numbers = [p.number for p in tenant.shop.products]
    page = execute(tenant, PAGE, first=250, after=encode_cursor((numbers[24_899], numbers[24_899])))["data"]["products"]
    assert len(page["nodes"]) == 100 and not page["pageInfo"]["hasNextPage"]
    later = execute(tenant, PAGE, first=250, q=f"id:>{numbers[24_999]}")["data"]["products"]["nodes"]
    assert len(later) == 10


def test_collections_keep_their_own_order_and_smart_ones_follow_edits(tenant: Tenant, execute: Execute) -> None:
    query = """query($id: ID!) { collection(id: $id) { updatedAt productsCount { count }
      own: products(first: 50) { nodes { id } } byId: products(first: 50, sortKey: ID) { nodes { id } } } }"""
    manual = next(c for c in tenant.shop.collections if c.sort_order == "MANUAL" and c.rule is None)
    collection = execute(tenant, query, id=f"gid://shopify/Collection/{manual.number}")["data"]["collection"]
    assert parse_numbers(collection["own"]["nodes"]) == manual.members
    assert parse_numbers(collection["byId"]["nodes"]) == sorted(manual.members)
    smart = next(c for c in tenant.shop.collections if c.rule is not None and c.rule.column == "TAG")
    before = execute(tenant, query, id=f"gid://shopify/Collection/{smart.number}")["data"]["collection"]
    outsider = next(p for p in tenant.shop.products if smart.rule.condition not in p.tags)
    changes = ChangeSet(subscribed_topics=frozenset({"COLLECTIONS_UPDATE", "PRODUCTS_UPDATE"}))
    edits.update_product(tenant.shop, changes, outsider.number, {"tags": [*outsider.tags, smart.rule.condition]})
    after = execute(tenant, query, id=f"gid://shopify/Collection/{smart.number}")["data"]["collection"]
    assert after["productsCount"]["count"] == before["productsCount"]["count"] + 1
    assert after["updatedAt"] == before["updatedAt"] and [topic for topic, _ in changes.events] == ["PRODUCTS_UPDATE"]


def test_faults_cut_lists_and_distort_counts(tenant: Tenant, execute: Execute) -> None:
    tenant.apply_faults(Faults(lists="half", count_offset=-3))
    body = execute(tenant, "{ products(first: 50) { nodes { id } } productsCount { count } }")["data"]
    assert len(body["products"]["nodes"]) == 20 and body["productsCount"]["count"] == 37
    tenant.apply_faults(Faults(lists="empty"))
    assert execute(tenant, "{ products(first: 50) { nodes { id } } }")["data"]["products"]["nodes"] == []


def test_lists_and_counts_lie_apart_and_together(tenant: Tenant, execute: Execute) -> None:
    query = "{ products(first: 50) { nodes { id } } productsCount { count } }"

    def show(faults: Faults) -> tuple[int, int]:
        tenant.apply_faults(faults)
        data = execute(tenant, query)["data"]
        return len(data["products"]["nodes"]), data["productsCount"]["count"]

    hidden = frozenset(p.number for p in list(tenant.shop.products)[:3])
    assert show(Faults(lists="half")) == (20, 40)
    assert show(Faults(counts="half")) == (40, 20)
    assert show(Faults(lists="empty", counts="empty")) == (0, 0)
    assert show(Faults(hidden_from_lists=hidden)) == (37, 40)
    assert show(Faults(hidden_from_lists=hidden, hidden_from_counts=hidden)) == (37, 37)


def test_a_field_without_its_scope_is_denied_and_the_others_are_answered(tenant: Tenant, execute: Execute) -> None:
    query = "{ shop { name } products(first: 1) { nodes { id } } locationsCount { count } }"
    body = execute(tenant, query, scopes=frozenset({"read_products"}))
    assert body["data"]["locationsCount"] is None and body["data"]["products"]["nodes"]
    error = body["errors"][0]
    assert error["path"] == ["locationsCount"] and error["extensions"]["code"] == "ACCESS_DENIED"
    assert error["message"] == "Access denied for locationsCount field. Required access: `read_locations` access scope."
