"""Records are built in the document's own form, from answers as the platform gives them."""

from typing import Any
from uuid import UUID

import pytest

from shopify_fetcher.building import Built, Moment
from shopify_fetcher.chains import Rest
from shopify_fetcher.collections import built_collection
from shopify_fetcher.discounts import built_discount
from shopify_fetcher.places import built_location
from shopify_fetcher.products import built_product
from shopify_fetcher.stock import built_item

SOURCE = UUID(int=1)
AT = "2026-11-01T00:00:00Z"


def moment(*, stock: bool = True) -> Moment:
    return Moment(SOURCE, 1_000, stock)


def page(*nodes: Any, after: str | None = None) -> Any:
    return {
        "edges": [{"node": node} for node in nodes],
        "pageInfo": {"hasNextPage": after is not None, "endCursor": after},
    }


def level(place: int, item: int, available: int) -> Any:
    return {
        "id": f"gid://shopify/InventoryLevel/{place}?inventory_item_id={item}",
        "location": {"id": f"gid://shopify/Location/{place}"},
        "quantities": [{"name": "available", "quantity": available}],
    }


def variant(number: int, *levels: Any, more_levels: str | None = None, **fields: Any) -> Any:
    item = {
        "id": f"gid://shopify/InventoryItem/{number + 100}",
        "tracked": True,
        "updatedAt": AT,
        "inventoryLevels": page(*levels, after=more_levels),
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


def product(**fields: Any) -> Any:
    return {
        "__typename": "Product",
        "id": "gid://shopify/Product/1",
        "title": "Shirt",
        "description": "",
        "handle": "shirt",
        "productType": "",
        "vendor": "",
        "tags": ["b", "a"],
        "status": "A_STATUS_OF_2027",
        "onlineStoreUrl": None,
        "updatedAt": AT,
        "category": {"fullName": "Apparel"},
        "options": [{"name": "Size", "optionValues": [{"name": "M"}]}],
        "variants": page(variant(1, level(20, 101, 3), level(9, 101, 4))),
        "media": page(),
        "metafields": page(
            {"namespace": "custom", "key": "z", "type": "x", "value": "1"},
            {"namespace": "custom", "key": "b", "type": "x", "value": "2"},
        ),
        **fields,
    }


def by_resource(built: Built, resource: str) -> list[Any]:
    return [record for record in built.records if record.resource == resource]


def test_a_product_and_its_stock_are_records_of_their_own() -> None:
    built = built_product(product(), moment())
    (shirt,), (item,) = by_resource(built, "products"), by_resource(built, "inventory")
    assert shirt.body["variants"]["edges"][0]["node"]["inventoryItem"] == {"id": item.id}
    assert shirt.body["variants"].keys() == {"edges"}
    assert "updatedAt" not in shirt.body
    assert shirt.updated_at.isoformat() == "2026-11-01T00:00:00+00:00"
    assert shirt.facts == {"title": "Shirt", "handle": "shirt"}
    assert (shirt.rank, shirt.part) == (1, None)
    assert [edge["node"]["key"] for edge in shirt.body["metafields"]["edges"]] == ["b", "z"]
    assert item.parent == shirt.id
    assert item.body["variants"] == {"gid://shopify/ProductVariant/1": True}
    assert [entry["location"] for entry in item.body["levels"]] == [
        "gid://shopify/Location/9",
        "gid://shopify/Location/20",
    ]


def test_a_value_that_is_not_known_yet_is_kept() -> None:
    assert by_resource(built_product(product(), moment()), "products")[0].body["status"] == "A_STATUS_OF_2027"


def test_without_the_right_to_stock_a_product_comes_alone() -> None:
    bare = variant(1)
    bare["inventoryItem"] = {"id": "gid://shopify/InventoryItem/101"}
    built = built_product(product(variants=page(bare)), moment(stock=False))
    assert by_resource(built, "inventory") == []
    assert built.short == {}


def test_an_item_with_more_levels_than_came_is_read_by_itself() -> None:
    built = built_product(product(variants=page(variant(1, level(1, 101, 1), more_levels="x"))), moment())
    assert built.short == {"gid://shopify/InventoryItem/101": "gid://shopify/Product/1"}
    assert by_resource(built, "inventory") == []


def test_a_product_longer_than_the_answer_is_the_first_piece_of_a_chain() -> None:
    built = built_product(product(variants=page(variant(1), after="v"), media=page(after="m")), moment())
    (first,) = by_resource(built, "products")
    (chain,) = built.chains
    assert chain.rests == (Rest("variants", "v"), Rest("media", "m"))
    assert first.part == chain.opening
    assert (first.part.start, first.part.end, first.part.path) == (None, "variants:v", ())
    assert chain.name == f"{SOURCE}:{first.id}:1000"
    assert chain.read_at == first.read_at


def collection(order: str, *numbers: int, after: str | None = None) -> Any:
    return {
        "__typename": "Collection",
        "id": "gid://shopify/Collection/5",
        "title": "All",
        "handle": "all",
        "description": "",
        "sortOrder": order,
        "updatedAt": AT,
        "image": None,
        "products": page(*({"id": f"gid://shopify/Product/{n}"} for n in numbers), after=after),
    }


def shown(built: Built) -> list[int]:
    return [int(gid.rpartition("/")[2]) for gid in built.records[0].body["products"]]  # type: ignore[index]


def test_a_merchants_own_order_is_kept_and_any_other_is_by_id() -> None:
    assert shown(built_collection(collection("MANUAL", 10, 9, 30), moment())) == [10, 9, 30]
    assert shown(built_collection(collection("BEST_SELLING", 10, 9, 30), moment())) == [9, 10, 30]


def test_a_long_collection_goes_on_in_its_own_order_or_begins_anew_by_id() -> None:
    manual = built_collection(collection("MANUAL", 10, 9, after="c"), moment())
    assert (shown(manual), manual.chains[0].rests) == ([10, 9], (Rest("products-in-own-order", "c"),))
    sorted_otherwise = built_collection(collection("PRICE_ASC", 10, 9, after="c"), moment())
    assert (shown(sorted_otherwise), sorted_otherwise.chains[0].rests) == ([], (Rest("products-by-id", None),))


COMMON = {
    "title": "Ten off",
    "status": "ACTIVE",
    "startsAt": AT,
    "endsAt": None,
    "updatedAt": AT,
    "combinesWith": {"orderDiscounts": False, "productDiscounts": True, "shippingDiscounts": False},
}
PERCENT = {"__typename": "DiscountPercentage", "percentage": 0.1}


def code_discount(**fields: Any) -> Any:
    return {
        "__typename": "DiscountCodeNode",
        "id": "gid://shopify/DiscountCodeNode/7",
        "codeDiscount": {
            **COMMON,
            "__typename": "DiscountCodeBasic",
            "summary": "10 % off",
            "usageLimit": None,
            "appliesOncePerCustomer": True,
            "codes": page({"code": "b"}, {"code": "A"}),
            "minimumRequirement": None,
            "customerGets": {"value": PERCENT, "items": {"__typename": "AllDiscountItems", "allItems": True}},
            **fields,
        },
    }


def test_codes_are_by_code_and_everything_as_the_document_shows_it() -> None:
    (record,) = built_discount(code_discount(), moment()).records
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


def test_what_a_discount_applies_to_is_plain_ids_and_goes_on_list_by_list() -> None:
    items = {
        "__typename": "DiscountProducts",
        "products": page({"id": "gid://shopify/Product/20"}, {"id": "gid://shopify/Product/3"}, after="p"),
        "productVariants": page({"id": "gid://shopify/ProductVariant/4", "title": "M"}, after="v"),
    }
    raw = code_discount(customerGets={"value": PERCENT, "items": items}, codes=page({"code": "A"}, after="c"))
    built = built_discount(raw, moment())
    assert built.records[0].body["codeDiscount"]["customerGets"]["items"] == {  # type: ignore[index]
        "__typename": "DiscountProducts",
        "products": ["gid://shopify/Product/3", "gid://shopify/Product/20"],
        "productVariants": [["gid://shopify/ProductVariant/4", "M"]],
    }
    assert [rest.listing for rest in built.chains[0].rests] == [
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
    body = built_discount(raw, moment()).records[0].body
    assert body is not None
    assert body["automaticDiscount"]["destinationSelection"]["countries"] == ["DE", "FR"]
    assert "codes" not in body["automaticDiscount"]


def test_an_item_asked_for_by_itself_belongs_to_its_product() -> None:
    raw = {
        "__typename": "InventoryItem",
        "id": "gid://shopify/InventoryItem/101",
        "tracked": False,
        "updatedAt": AT,
        "inventoryLevels": page(level(2, 101, 5)),
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
    (record,) = built_item(raw, moment()).records
    assert (record.resource, record.parent) == ("inventory", "gid://shopify/Product/1")
    assert record.body is not None
    assert (record.body["tracked"], record.body["variants"]) == (False, {"gid://shopify/ProductVariant/1": False})


def test_a_location_gives_others_its_name() -> None:
    raw = {"__typename": "Location", "id": "gid://shopify/Location/2", "name": "Köln", "updatedAt": AT}
    assert built_location(raw, moment()).records[0].lookup_fields == {"name": "Köln"}


def test_a_field_that_is_missing_is_noticed() -> None:
    raw = product()
    del raw["handle"]
    with pytest.raises(ValueError, match="handle"):
        built_product(raw, moment())
