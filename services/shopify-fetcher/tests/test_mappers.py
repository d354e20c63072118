"""Responses are mapped to records in the form of the document."""

from typing import Any
from uuid import UUID

import pytest

from linking.records import ExtractOptions
from platforms.shopify.linking import extract_record
from shopify_fetcher.chunked_records import Continuation
from shopify_fetcher.mappers.collections import map_collection
from shopify_fetcher.mappers.discounts import map_discount
from shopify_fetcher.mappers.inventory import map_inventory_item
from shopify_fetcher.mappers.locations import map_location
from shopify_fetcher.mappers.mapped_records import MappedRecords, ResponseInfo
from shopify_fetcher.mappers.products import map_product

READ_ID = UUID(int=1)
AT = "2026-11-01T00:00:00Z"


def build_info(*, includes_inventory: bool = True) -> ResponseInfo:
    return ResponseInfo(READ_ID, 1_000, includes_inventory)


def build_page(*nodes: Any, after: str | None = None) -> Any:
    return {
        "edges": [{"node": node} for node in nodes],
        "pageInfo": {"hasNextPage": after is not None, "endCursor": after},
    }


def build_level(place: int, item: int, available: int) -> Any:
    return {
        "id": f"gid://shopify/InventoryLevel/{place}?inventory_item_id={item}",
        "location": {"id": f"gid://shopify/Location/{place}"},
        "quantities": [{"name": "available", "quantity": available}],
    }


def build_variant(number: int, *levels: Any, more_levels: str | None = None, **fields: Any) -> Any:
    item = {
        "id": f"gid://shopify/InventoryItem/{number + 100}",
        "tracked": True,
        "updatedAt": AT,
        "inventoryLevels": build_page(*levels, after=more_levels),
    }
    return {
        "id": f"gid://shopify/ProductVariant/{number}",
        "title": f"Variant {number}",
        "price": "9.90",
        "availableForSale": True,
        "sku": None,
        "barcode": None,
        "compareAtPrice": None,
        "position": number,
        "inventoryPolicy": "DENY",
        "selectedOptions": [{"name": "Size", "value": "M"}],
        "inventoryItem": item,
        **fields,
    }


def build_product(**fields: Any) -> Any:
    return {
        "__typename": "Product",
        "id": "gid://shopify/Product/1",
        "title": "Shirt",
        "description": "",
        "descriptionHtml": "",
        "handle": "shirt",
        "productType": "",
        "vendor": "",
        "tags": ["b", "a"],
        "status": "A_STATUS_OF_2027",
        "onlineStoreUrl": None,
        "updatedAt": AT,
        "category": {"fullName": "Apparel"},
        "options": [{"name": "Size", "optionValues": [{"name": "M"}]}],
        "variants": build_page(build_variant(1, build_level(20, 101, 3), build_level(9, 101, 4))),
        "media": build_page(),
        "metafields": build_page(
            {"namespace": "custom", "key": "z", "type": "x", "value": "1"},
            {"namespace": "custom", "key": "b", "type": "x", "value": "2"},
        ),
        **fields,
    }


def select(mapped: MappedRecords, resource: str) -> list[Any]:
    return [record for record in mapped.records if record.resource == resource]


def test_a_product_and_its_inventory_are_records_of_their_own() -> None:
    mapped = map_product(build_product(), build_info())
    (shirt,), (item,) = select(mapped, "products"), select(mapped, "inventory")
    assert shirt.body["variants"]["edges"][0]["node"]["inventoryItem"] == {"id": item.id}
    assert shirt.body["variants"].keys() == {"edges"}
    assert "updatedAt" not in shirt.body
    assert shirt.updated_at.isoformat() == "2026-11-01T00:00:00+00:00"
    assert shirt.lookup_fields == {"title": "Shirt", "handle": "shirt"}
    assert (shirt.sort_key, shirt.chunk) == (1, None)
    assert [edge["node"]["key"] for edge in shirt.body["metafields"]["edges"]] == ["b", "z"]
    assert item.parent == shirt.id
    assert item.body["variants"] == {"gid://shopify/ProductVariant/1": True}
    assert [entry["location"] for entry in item.body["levels"]] == [
        "gid://shopify/Location/9",
        "gid://shopify/Location/20",
    ]


def test_the_record_of_a_product_is_one_that_links_read() -> None:
    (shirt,) = select(map_product(build_product(), build_info()), "products")
    linked = extract_record("products", shirt.id, shirt.body, ExtractOptions())
    assert linked is not None
    assert (linked.values["title"], linked.children[0].values["price"]) == ("Shirt", "9.90")


def test_a_product_is_found_by_the_skus_of_its_variants_and_by_fields_of_its_own() -> None:
    variants = build_page(*(build_variant(number, sku=sku) for number, sku in enumerate(("S", None, "", "M"), 1)))
    raw = build_product(variants=variants, status="ACTIVE", vendor="Acme", productType="Shirts")
    assert select(map_product(raw, build_info()), "products")[0].lookup_values == {
        "sku": ("S", "M"),
        "status": ("ACTIVE",),
        "vendor": ("Acme",),
        "product_type": ("Shirts",),
    }


def test_an_unknown_enumeration_value_is_kept() -> None:
    assert select(map_product(build_product(), build_info()), "products")[0].body["status"] == "A_STATUS_OF_2027"


def test_without_the_inventory_scope_a_product_comes_alone() -> None:
    bare = build_variant(1)
    bare["inventoryItem"] = {"id": "gid://shopify/InventoryItem/101"}
    mapped = map_product(build_product(variants=build_page(bare)), build_info(includes_inventory=False))
    assert select(mapped, "inventory") == []
    assert mapped.incomplete_items == {}


def test_an_item_with_incomplete_levels_is_read_by_itself() -> None:
    mapped = map_product(
        build_product(variants=build_page(build_variant(1, build_level(1, 101, 1), more_levels="x"))), build_info()
    )
    assert mapped.incomplete_items == {"gid://shopify/InventoryItem/101": "gid://shopify/Product/1"}
    assert select(mapped, "inventory") == []


def test_a_product_longer_than_the_response_is_the_first_chunk_of_a_record() -> None:
    mapped = map_product(
        build_product(variants=build_page(build_variant(1), after="v"), media=build_page(after="m")), build_info()
    )
    (first,) = select(mapped, "products")
    (chunked,) = mapped.chunked_records
    assert chunked.continuations == (Continuation("variants", "v"), Continuation("media", "m"))
    assert first.chunk == chunked.build_first_chunk_info()
    assert (first.chunk.cursor, first.chunk.next_cursor, first.chunk.path) == (None, "variants:v", ())
    assert chunked.reading_id == f"{READ_ID}:{first.id}:1000"
    assert chunked.read_at == first.read_at


def build_collection(order: str, *numbers: int, after: str | None = None) -> Any:
    return {
        "__typename": "Collection",
        "id": "gid://shopify/Collection/5",
        "title": "All",
        "handle": "all",
        "description": "",
        "descriptionHtml": "",
        "sortOrder": order,
        "updatedAt": AT,
        "image": None,
        "products": build_page(*({"id": f"gid://shopify/Product/{n}"} for n in numbers), after=after),
    }


def list_numbers(mapped: MappedRecords) -> list[int]:
    return [int(gid.rpartition("/")[2]) for gid in mapped.records[0].body["products"]]  # type: ignore[index]


def test_a_merchants_own_order_is_kept_and_any_other_is_by_id() -> None:
    assert list_numbers(map_collection(build_collection("MANUAL", 10, 9, 30), build_info())) == [10, 9, 30]
    assert list_numbers(map_collection(build_collection("BEST_SELLING", 10, 9, 30), build_info())) == [9, 10, 30]


def test_a_collection_is_found_by_title_and_handle() -> None:
    (record,) = map_collection(build_collection("MANUAL"), build_info()).records
    assert (record.lookup_fields, record.lookup_values) == ({"title": "All"}, {"handle": ("all",)})


def test_a_long_collection_continues_in_its_own_order_or_starts_over_by_id() -> None:
    manual = map_collection(build_collection("MANUAL", 10, 9, after="c"), build_info())
    assert (list_numbers(manual), manual.chunked_records[0].continuations) == (
        [10, 9],
        (Continuation("products-in-own-order", "c"),),
    )
    sorted_otherwise = map_collection(build_collection("PRICE_ASC", 10, 9, after="c"), build_info())
    assert (list_numbers(sorted_otherwise), sorted_otherwise.chunked_records[0].continuations) == (
        [],
        (Continuation("products-by-id", None),),
    )


COMMON = {
    "title": "Ten off",
    "status": "ACTIVE",
    "startsAt": AT,
    "endsAt": None,
    "updatedAt": AT,
    "combinesWith": {"orderDiscounts": False, "productDiscounts": True, "shippingDiscounts": False},
}
PERCENT = {"__typename": "DiscountPercentage", "percentage": 0.1}


def build_code_discount(**fields: Any) -> Any:
    return {
        "__typename": "DiscountCodeNode",
        "id": "gid://shopify/DiscountCodeNode/7",
        "codeDiscount": {
            **COMMON,
            "__typename": "DiscountCodeBasic",
            "summary": "10 % off",
            "usageLimit": None,
            "appliesOncePerCustomer": True,
            "codes": build_page({"code": "b"}, {"code": "A"}),
            "minimumRequirement": None,
            "customerGets": {"value": PERCENT, "items": {"__typename": "AllDiscountItems", "allItems": True}},
            **fields,
        },
    }


def test_codes_are_by_code_and_everything_as_the_document_shows_it() -> None:
    (record,) = map_discount(build_code_discount(), build_info()).records
    assert record.body == {
        "id": "gid://shopify/DiscountCodeNode/7",
        "codeDiscount": {
            **{key: value for key, value in COMMON.items() if key != "updatedAt"},
            "__typename": "DiscountCodeBasic",
            "summary": "10 % off",
            "usageLimit": None,
            "appliesOncePerCustomer": True,
            "codes": {"edges": [{"node": {"code": "A"}}, {"node": {"code": "b"}}]},
            "minimumRequirement": None,
            "customerGets": {"value": PERCENT, "items": {"__typename": "AllDiscountItems", "allItems": True}},
        },
    }
    assert (record.lookup_fields, record.sort_key) == ({"title": "Ten off"}, 7)
    assert record.lookup_values == {"status": ("ACTIVE",), "code": ("b", "A")}


def test_what_a_discount_applies_to_is_plain_ids_and_continues_list_by_list() -> None:
    items = {
        "__typename": "DiscountProducts",
        "products": build_page({"id": "gid://shopify/Product/20"}, {"id": "gid://shopify/Product/3"}, after="p"),
        "productVariants": build_page({"id": "gid://shopify/ProductVariant/4", "title": "M"}, after="v"),
    }
    raw = build_code_discount(
        customerGets={"value": PERCENT, "items": items}, codes=build_page({"code": "A"}, after="c")
    )
    mapped = map_discount(raw, build_info())
    assert mapped.records[0].body["codeDiscount"]["customerGets"]["items"] == {  # type: ignore[index]
        "__typename": "DiscountProducts",
        "products": ["gid://shopify/Product/3", "gid://shopify/Product/20"],
        "productVariants": [["gid://shopify/ProductVariant/4", "M"]],
    }
    assert [continuation.nested_list for continuation in mapped.chunked_records[0].continuations] == [
        "codes",
        "codeDiscount.customerGets.products",
        "codeDiscount.customerGets.productVariants",
    ]


def test_an_automatic_discount_is_of_the_other_family_and_its_countries_are_sorted() -> None:
    raw = {
        "__typename": "DiscountAutomaticNode",
        "id": "gid://shopify/DiscountAutomaticNode/8",
        "automaticDiscount": {
            **COMMON,
            "__typename": "DiscountAutomaticFreeShipping",
            "summary": "Free shipping",
            "minimumRequirement": {"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": "2"},
            "maximumShippingPrice": {"amount": "5.0", "currencyCode": "EUR"},
            "destinationSelection": {
                "__typename": "DiscountCountries",
                "countries": ["FR", "DE"],
                "includeRestOfWorld": False,
            },
        },
    }
    (record,) = map_discount(raw, build_info()).records
    body = record.body
    assert body is not None and record.lookup_values == {"status": ("ACTIVE",)}
    assert body["automaticDiscount"]["destinationSelection"]["countries"] == ["DE", "FR"]
    assert "codes" not in body["automaticDiscount"]


def test_an_item_requested_by_itself_belongs_to_its_product() -> None:
    raw = {
        "__typename": "InventoryItem",
        "id": "gid://shopify/InventoryItem/101",
        "tracked": False,
        "updatedAt": AT,
        "inventoryLevels": build_page(build_level(2, 101, 5)),
        "variants": {
            "edges": [
                {
                    "node": {
                        "id": "gid://shopify/ProductVariant/1",
                        "availableForSale": False,
                        "product": {"id": "gid://shopify/Product/1"},
                    }
                }
            ]
        },
    }
    (record,) = map_inventory_item(raw, build_info()).records
    assert (record.resource, record.parent) == ("inventory", "gid://shopify/Product/1")
    assert record.body is not None
    assert (record.body["tracked"], record.body["variants"]) == (False, {"gid://shopify/ProductVariant/1": False})


def test_a_location_gives_others_its_name() -> None:
    raw = {"__typename": "Location", "id": "gid://shopify/Location/2", "name": "Köln", "updatedAt": AT}
    assert map_location(raw, build_info()).records[0].lookup_fields == {"name": "Köln"}


def test_a_missing_field_is_an_error() -> None:
    raw = build_product()
    del raw["handle"]
    with pytest.raises(ValueError, match="handle"):
        map_product(raw, build_info())
