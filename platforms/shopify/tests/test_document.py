"""The document of a shop, built from records that refer to each other."""

from typing import Any

import orjson

from contracts.events import Record
from memory_records import MemoryRecordsView
from platform_sdk.documents import canonicalize
from platforms.shopify.document import build_document, parse_numeric_id


def make_gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def make_record(resource: str, gid: str, body: dict[str, Any], *, read_at: int = 10, **fields: Any) -> Record:
    sort_key = parse_numeric_id(gid)
    return Record(resource=resource, id=gid, read_at=read_at, body={"id": gid, **body}, sort_key=sort_key, **fields)


def make_product(number: int, title: str) -> Record:
    variant = {
        "id": make_gid("ProductVariant", number),
        "title": f"{title} variant",
        "availableForSale": True,
        "inventoryItem": {"id": make_gid("InventoryItem", number)},
    }
    body = {"title": title, "handle": title.lower(), "variants": {"edges": [{"node": variant}]}}
    lookup_fields = {"title": title, "handle": title.lower()}
    return make_record("products", make_gid("Product", number), body, lookup_fields=lookup_fields)


def make_inventory(number: int, *, read_at: int) -> Record:
    level = {
        "id": make_gid("InventoryLevel", number),
        "location": make_gid("Location", 1),
        "quantities": [{"name": "available", "quantity": 0}],
    }
    body = {"tracked": True, "levels": [level], "variants": {make_gid("ProductVariant", number): False}}
    return make_record(
        "inventory", make_gid("InventoryItem", number), body, read_at=read_at, parent=make_gid("Product", number)
    )


def make_collection(number: int, title: str, *products: int) -> Record:
    body = {"title": title, "products": [make_gid("Product", product) for product in products]}
    return make_record("collections", make_gid("Collection", number), body, lookup_fields={"title": title})


def make_discount(kind: str, number: int, title: str, items: dict[str, Any]) -> Record:
    family = "codeDiscount" if kind == "DiscountCodeNode" else "automaticDiscount"
    body = {family: {"title": title, "customerGets": {"items": items}}}
    return make_record("discounts", make_gid(kind, number), body, lookup_fields={"title": title})


LOCATION = make_record("locations", make_gid("Location", 1), {}, lookup_fields={"name": "Berlin"})
SHOP = make_record("shop", make_gid("Shop", 1), {"name": "Acme"})


async def build(*records: Record) -> dict[str, Any]:
    """Build the document, check that it is canonical, and return its data."""
    document = b"".join([piece async for piece in build_document(MemoryRecordsView(*records))])
    parsed: dict[str, Any] = orjson.loads(document)
    assert document == canonicalize(parsed)
    data: dict[str, Any] = parsed["data"]
    return data


def list_nodes(connection: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]


async def test_an_empty_shop_has_all_keys() -> None:
    data = await build()
    assert list(data) == ["automaticDiscountNodes", "codeDiscountNodes", "collections", "products", "shop"]
    assert data["products"] == {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}
    assert data["shop"] is None


async def test_the_shop_is_shown_as_it_is_stored() -> None:
    assert (await build(SHOP))["shop"] == {"id": make_gid("Shop", 1), "name": "Acme"}


async def test_products_are_in_the_order_of_their_ids() -> None:
    data = await build(make_product(10, "A"), make_product(2, "B"), make_product(1, "C"))
    assert [node["title"] for node in list_nodes(data["products"])] == ["C", "B", "A"]


async def test_a_variant_shows_stock_and_location_of_its_inventory_record() -> None:
    data = await build(make_product(1, "Mug"), make_inventory(1, read_at=20), LOCATION)
    (variant,) = list_nodes(list_nodes(data["products"])[0]["variants"])
    (level,) = list_nodes(variant["inventoryItem"]["inventoryLevels"])
    assert level["location"] == {"id": make_gid("Location", 1), "name": "Berlin"}
    assert level["quantities"] == [{"name": "available", "quantity": 0}]
    assert variant["inventoryItem"]["tracked"] is True
    assert variant["availableForSale"] is False


async def test_an_inventory_record_older_than_the_product_does_not_change_its_availability() -> None:
    data = await build(make_product(1, "Mug"), make_inventory(1, read_at=5), LOCATION)
    (variant,) = list_nodes(list_nodes(data["products"])[0]["variants"])
    assert variant["availableForSale"] is True


async def test_collections_show_current_titles_without_deleted_products() -> None:
    data = await build(make_collection(1, "Sale", 1, 2), make_collection(2, "All", 1), make_product(1, "Mug"))
    first, second = list_nodes(data["collections"])
    assert (first["title"], second["title"]) == ("All", "Sale")
    assert list_nodes(second["products"]) == [{"id": make_gid("Product", 1), "title": "Mug", "handle": "mug"}]


async def test_discounts_are_split_by_kind_and_show_titles_of_living_records() -> None:
    items = {
        "__typename": "DiscountProducts",
        "products": [make_gid("Product", 2), make_gid("Product", 1), make_gid("Product", 9)],
        "productVariants": [[make_gid("ProductVariant", 1), make_gid("Product", 1)]],
    }
    collections = {"__typename": "DiscountCollections", "collections": [make_gid("Collection", 1)]}
    data = await build(
        make_discount("DiscountCodeNode", 1, "Code", items),
        make_discount("DiscountAutomaticNode", 2, "Automatic", collections),
        make_product(1, "Mug"),
        make_product(2, "Cup"),
        make_collection(1, "Sale"),
    )
    (code,) = list_nodes(data["codeDiscountNodes"])
    (automatic,) = list_nodes(data["automaticDiscountNodes"])
    shown = code["codeDiscount"]["customerGets"]["items"]
    assert [node["title"] for node in list_nodes(shown["products"])] == ["Mug", "Cup"]
    assert [node["title"] for node in list_nodes(shown["productVariants"])] == ["Mug variant"]
    shown = automatic["automaticDiscount"]["customerGets"]["items"]
    assert [node["title"] for node in list_nodes(shown["collections"])] == ["Sale"]
