"""The truth about a shop is what a patient client reads through GraphQL, page by page, and puts in order."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sandbox.shopify import discount_edits, edits, expected_document
from sandbox.shopify.edits import Ledger
from sandbox.shopify.tenants import Tenant

Ask = Callable[..., dict[str, Any]]
SCOPES = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
NAMED = "edges { node { id title } }"
ITEMS = f"""items {{ __typename ... on AllDiscountItems {{ allItems }}
  ... on DiscountProducts {{ products(first: 20) {{ {NAMED} }} productVariants(first: 20) {{ {NAMED} }} }}
  ... on DiscountCollections {{ collections(first: 20) {{ {NAMED} }} }} }}"""
GIVEN = (
    """__typename ... on DiscountAmount { amount { amount currencyCode } } ... on DiscountPercentage { percentage }"""
)
GETS = f"""customerGets {{ {ITEMS} value {{ {GIVEN}
  ... on DiscountOnQuantity {{ quantity {{ quantity }} effect {{ {GIVEN} }} }} }} }}"""
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


def _discount(family: str) -> str:
    more = CODE if family == "Code" else ""
    return "__typename " + " ".join(
        f"... on Discount{family}{kind} {{ {COMMON} {more} {terms} }}" for kind, terms in TERMS.items()
    )


LEVELS = """inventoryLevels(first: 50) { edges { node {
  id location { id name } quantities(names: ["available"]) { name quantity } } } }"""
PRODUCT = f"""id title description handle productType vendor tags status onlineStoreUrl category {{ fullName }}
  options {{ name optionValues {{ name }} }}
  variants(first: 40) {{ edges {{ node {{ id title price availableForSale sku barcode compareAtPrice position
    inventoryPolicy
    selectedOptions {{ name value }} inventoryItem {{ id tracked {LEVELS} }} }} }} }}
  metafields(first: 50, namespace: "custom") {{ edges {{ node {{ namespace key type value }} }} }}
  media(first: 50) {{ edges {{ node {{ id alt mediaContentType status preview {{ image {{ url }} }} }} }} }}"""
COLLECTION = """id title handle description sortOrder image { url altText }
  own: products(first: 200, sortKey: MANUAL) { edges { node { id title handle } } }
  products(first: 200, sortKey: ID) { edges { node { id title handle } } }"""


def _walk(ask: Ask, tenant: Tenant, root: str, node: str, first: int = 9) -> list[dict[str, Any]]:
    query = f"""query($after: String) {{ {root}(first: {first}, after: $after) {{
      nodes {{ {node} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        body = ask(tenant, query, after=after)
        assert "errors" not in body, body["errors"]
        page = body["data"][root]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def _number(node: dict[str, Any]) -> int:
    return int(node["id"].rsplit("/", 1)[-1])


def _top(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"edges": [{"node": node} for node in nodes], "pageInfo": {"hasNextPage": False, "endCursor": None}}


def _read(ask: Ask, tenant: Tenant) -> dict[str, Any]:
    shop = "shop { id name myshopifyDomain currencyCode ianaTimezone primaryDomain { url } }"
    products = _walk(ask, tenant, "products", PRODUCT)
    for product in products:
        product["metafields"]["edges"].sort(key=lambda edge: edge["node"]["key"])
    collections = _walk(ask, tenant, "collections", COLLECTION)
    for collection in collections:
        own = collection.pop("own")
        collection["products"] = own if collection["sortOrder"] == "MANUAL" else collection["products"]
    codes = _walk(ask, tenant, "codeDiscountNodes", f"id codeDiscount {{ {_discount('Code')} }}", 5)
    automatic = _walk(ask, tenant, "automaticDiscountNodes", f"id automaticDiscount {{ {_discount('Automatic')} }}", 5)
    return {
        "shop": ask(tenant, f"{{ {shop} }}")["data"]["shop"],
        "products": _top(products),
        "collections": _top(sorted(collections, key=lambda node: (node["title"], _number(node)))),
        "codeDiscountNodes": _top(sorted(codes, key=lambda node: (node["codeDiscount"]["title"], _number(node)))),
        "automaticDiscountNodes": _top(
            sorted(automatic, key=lambda node: (node["automaticDiscount"]["title"], _number(node)))
        ),
    }


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant(products=40, variants=4, locations=3, discounts=40, collections=13, metafields=6, media=6)


def test_the_truth_is_what_a_walk_reads(tenant: Tenant, ask: Ask) -> None:
    read = orjson.dumps({"data": _read(ask, tenant)}, option=orjson.OPT_SORT_KEYS)
    assert expected_document.document(tenant.shop, SCOPES) == read


def test_the_truth_follows_edits(tenant: Tenant, ask: Ask) -> None:
    shop, ledger = tenant.shop, Ledger()
    doomed = next(c for c in shop.collections if c.members).members[0]
    edits.delete_product(shop, ledger, doomed)
    product = edits.create_product(shop, ledger, {"title": "Neu", "tags": ["vegan", "bio"], "price": "1.50"})
    discount_edits.update_collection(
        shop, ledger, next(iter(shop.collections)).number, {"title": "Ä", "add": [product.number]}
    )
    discount_edits.create_discount(shop, ledger, {"title": "Ω", "codes": ["B", "A"]})
    edits.update_location(shop, ledger, next(iter(shop.locations)).number, {"name": "Lager"})
    edits.set_inventory(shop, ledger, product.variants[0].item, next(iter(shop.locations)).number, None)
    document = expected_document.document(shop, SCOPES)
    assert str(doomed).encode() not in document
    assert orjson.dumps({"data": _read(ask, tenant)}, option=orjson.OPT_SORT_KEYS) == document


def test_the_truth_is_canonical(tenant: Tenant) -> None:
    document = expected_document.document(tenant.shop, SCOPES)
    assert orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS) == document
    assert "Görlitz".encode() in document


def test_a_touch_is_not_in_the_document(tenant: Tenant) -> None:
    before = expected_document.document(tenant.shop, SCOPES)
    edits.touch_product(tenant.shop, Ledger(), next(iter(tenant.shop.products)).number)
    assert expected_document.document(tenant.shop, SCOPES) == before


def test_what_is_not_granted_is_null_or_empty(tenant: Tenant) -> None:
    data = orjson.loads(expected_document.document(tenant.shop, frozenset({"read_products"})))["data"]
    assert data["codeDiscountNodes"]["edges"] == data["automaticDiscountNodes"]["edges"] == []
    item = data["products"]["edges"][0]["node"]["variants"]["edges"][0]["node"]["inventoryItem"]
    assert item["tracked"] is None and item["inventoryLevels"] == {"edges": []}
    nameless = orjson.loads(expected_document.document(tenant.shop, frozenset({"read_products", "read_inventory"})))["data"]
    item = nameless["products"]["edges"][0]["node"]["variants"]["edges"][0]["node"]["inventoryItem"]
    assert item["inventoryLevels"]["edges"][0]["node"]["location"] == {"id": None, "name": None}
    nothing = orjson.loads(expected_document.document(tenant.shop, frozenset()))["data"]
    assert nothing["products"]["edges"] == nothing["collections"]["edges"] == [] and nothing["shop"]["name"]
