"""The expected document of a shop equals what a client reads through GraphQL, page by page, and then sorts."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sandbox.shopify import collection_edits, discount_edits, edits, expected_document
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.tenants import Tenant

Execute = Callable[..., dict[str, Any]]
SCOPES = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
TITLES = "edges { node { id title } }"
ITEMS = f"""items {{ __typename ... on AllDiscountItems {{ allItems }}
  ... on DiscountProducts {{ products(first: 20) {{ {TITLES} }} productVariants(first: 20) {{ {TITLES} }} }}
  ... on DiscountCollections {{ collections(first: 20) {{ {TITLES} }} }} }}"""
VALUE = (
    """__typename ... on DiscountAmount { amount { amount currencyCode } } ... on DiscountPercentage { percentage }"""
)
GETS = f"""customerGets {{ {ITEMS} value {{ {VALUE}
  ... on DiscountOnQuantity {{ quantity {{ quantity }} effect {{ {VALUE} }} }} }} }}"""
BUYS = f"""customerBuys {{ {ITEMS} value {{ __typename ... on DiscountQuantity {{ quantity }}
  ... on DiscountPurchaseAmount {{ amount }} }} }} usesPerOrderLimit"""
MINIMUM = """minimumRequirement { __typename ... on DiscountMinimumQuantity { greaterThanOrEqualToQuantity }
  ... on DiscountMinimumSubtotal { greaterThanOrEqualToSubtotal { amount currencyCode } } }"""
SHIPPING = """maximumShippingPrice { amount currencyCode } destinationSelection { __typename
  ... on DiscountCountryAll { allCountries } ... on DiscountCountries { countries includeRestOfWorld } }"""
COMMON = "title status startsAt endsAt combinesWith { orderDiscounts productDiscounts shippingDiscounts }"
CODE = "usageLimit appliesOncePerCustomer codes(first: 100, sortKey: CODE) { edges { node { code } } }"
TERMS = {
    "Basic": f"summary {GETS} {MINIMUM}",
    "Bxgy": f"summary {GETS} {BUYS}",
    "FreeShipping": f"summary {MINIMUM} {SHIPPING}",
    "App": "appDiscountType { title }",
}


def _select_discount(family: str) -> str:
    more = CODE if family == "Code" else ""
    return "__typename " + " ".join(
        f"... on Discount{family}{kind} {{ {COMMON} {more} {terms} }}" for kind, terms in TERMS.items()
    )


LEVELS = """inventoryLevels(first: 50) { edges { node {
  id location { id name } quantities(names: ["available"]) { name quantity } } } }"""
PRODUCT = f"""id title description descriptionHtml handle productType vendor tags status onlineStoreUrl
  category {{ fullName }} options {{ name optionValues {{ name }} }}
  variants(first: 40) {{ edges {{ node {{ id title price availableForSale sku barcode compareAtPrice position
    inventoryPolicy
    selectedOptions {{ name value }} inventoryItem {{ id tracked {LEVELS} }} }} }} }}
  metafields(first: 50, namespace: "custom") {{ edges {{ node {{ namespace key type value }} }} }}
  media(first: 50) {{ edges {{ node {{ id alt mediaContentType status preview {{ image {{ url }} }} }} }} }}"""
COLLECTION = """id title handle description sortOrder image { url altText }
  own: products(first: 200, sortKey: MANUAL) { edges { node { id title handle } } }
  products(first: 200, sortKey: ID) { edges { node { id title handle } } }"""


def _read_all(execute: Execute, tenant: Tenant, root: str, node: str, first: int = 9) -> list[dict[str, Any]]:
    query = f"""query($after: String) {{ {root}(first: {first}, after: $after) {{
      nodes {{ {node} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        body = execute(tenant, query, after=after)
        assert "errors" not in body, body["errors"]
        page = body["data"][root]
        nodes += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["pageInfo"]["endCursor"]


def _parse_number(node: dict[str, Any]) -> int:
    return int(node["id"].rsplit("/", 1)[-1])


def _build_connection(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"edges": [{"node": node} for node in nodes], "pageInfo": {"hasNextPage": False, "endCursor": None}}


def _read_document(execute: Execute, tenant: Tenant) -> dict[str, Any]:
    shop = "shop { id name myshopifyDomain currencyCode ianaTimezone primaryDomain { url } }"
    products = _read_all(execute, tenant, "products", PRODUCT)
    for product in products:
        product["metafields"]["edges"].sort(key=lambda edge: edge["node"]["key"])
    collections = _read_all(execute, tenant, "collections", COLLECTION)
    for collection in collections:
        own = collection.pop("own")
        collection["products"] = own if collection["sortOrder"] == "MANUAL" else collection["products"]
    codes = _read_all(execute, tenant, "codeDiscountNodes", f"id codeDiscount {{ {_select_discount('Code')} }}", 5)
    automatic_selection = f"id automaticDiscount {{ {_select_discount('Automatic')} }}"
    automatic = _read_all(execute, tenant, "automaticDiscountNodes", automatic_selection, 5)
    return {
        "shop": execute(tenant, f"{{ {shop} }}")["data"]["shop"],
        "products": _build_connection(products),
        "collections": _build_connection(sorted(collections, key=lambda node: (node["title"], _parse_number(node)))),
        "codeDiscountNodes": _build_connection(
            sorted(codes, key=lambda node: (node["codeDiscount"]["title"], _parse_number(node)))
        ),
        "automaticDiscountNodes": _build_connection(
            sorted(automatic, key=lambda node: (node["automaticDiscount"]["title"], _parse_number(node)))
        ),
    }


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant(products=40, variants=4, locations=3, discounts=40, collections=13, metafields=6, media=6)


def test_the_expected_document_equals_what_a_full_read_returns(tenant: Tenant, execute: Execute) -> None:
    read = orjson.dumps({"data": _read_document(execute, tenant)}, option=orjson.OPT_SORT_KEYS)
    assert expected_document.build_document(tenant.shop, SCOPES) == read


def test_the_expected_document_follows_edits(tenant: Tenant, execute: Execute) -> None:
    shop, changes = tenant.shop, ChangeSet()
    deleted_number = next(c for c in shop.collections if c.members).members[0]
    edits.delete_product(shop, changes, deleted_number)
    product = edits.create_product(shop, changes, {"title": "Neu", "tags": ["vegan", "bio"], "price": "1.50"})
    collection_edits.update_collection(
        shop, changes, next(iter(shop.collections)).number, {"title": "Ä", "add": [product.number]}
    )
    discount_edits.create_discount(shop, changes, {"title": "Ω", "codes": ["B", "A"]})
    edits.update_location(shop, changes, next(iter(shop.locations)).number, {"name": "Lager"})
    edits.set_stock_or_disconnect(shop, changes, product.variants[0].item, next(iter(shop.locations)).number, None)
    document = expected_document.build_document(shop, SCOPES)
    assert str(deleted_number).encode() not in document
    assert orjson.dumps({"data": _read_document(execute, tenant)}, option=orjson.OPT_SORT_KEYS) == document


def test_the_expected_document_is_canonical_json(tenant: Tenant) -> None:
    document = expected_document.build_document(tenant.shop, SCOPES)
    assert orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS) == document
    assert "Görlitz".encode() in document


def test_a_touch_is_not_in_the_document(tenant: Tenant) -> None:
    before = expected_document.build_document(tenant.shop, SCOPES)
    edits.touch_product(tenant.shop, ChangeSet(), next(iter(tenant.shop.products)).number)
    assert expected_document.build_document(tenant.shop, SCOPES) == before


def test_fields_without_a_granted_scope_are_null_or_empty(tenant: Tenant) -> None:
    data = orjson.loads(expected_document.build_document(tenant.shop, frozenset({"read_products"})))["data"]
    assert data["codeDiscountNodes"]["edges"] == data["automaticDiscountNodes"]["edges"] == []
    item = data["products"]["edges"][0]["node"]["variants"]["edges"][0]["node"]["inventoryItem"]
    assert item["tracked"] is None and item["inventoryLevels"] == {"edges": []}
    scopes = frozenset({"read_products", "read_inventory"})
    nameless = orjson.loads(expected_document.build_document(tenant.shop, scopes))["data"]
    item = nameless["products"]["edges"][0]["node"]["variants"]["edges"][0]["node"]["inventoryItem"]
    assert item["inventoryLevels"]["edges"][0]["node"]["location"] == {"id": None, "name": None}
    nothing = orjson.loads(expected_document.build_document(tenant.shop, frozenset()))["data"]
    assert nothing["products"]["edges"] == nothing["collections"]["edges"] == [] and nothing["shop"]["name"]
