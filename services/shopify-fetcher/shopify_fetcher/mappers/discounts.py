"""Maps discounts to records: those that need a code, and automatic ones.

Codes are sorted alphabetically. The products and collections that a discount applies to are gids (Shopify's global
ids) in the body, and the snapshot document shows their titles.
"""

from collections.abc import Iterator
from typing import Any

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.chunked_records import Continuation
from shopify_fetcher.generated.fragments import (
    AutomaticDiscountBody,
    CodeDiscountBody,
    CodePage,
    CollectionIdPage,
    ProductIdPage,
    VariantTitlePage,
)
from shopify_fetcher.mappers.mapped_records import (
    MappedRecords,
    Node,
    ResponseInfo,
    build_continuations,
    sort_by_number,
)

FAMILIES = {"DiscountCodeNode": "codeDiscount", "DiscountAutomaticNode": "automaticDiscount"}
SIDES = ("customerGets", "customerBuys")
ITEM_LISTS = ("products", "productVariants", "collections")
CODES = "codes"


def build_list_name(family: str, side: str, item_list: str) -> str:
    """Return the key in `continuations.NESTED_LISTS` of a list of items that a discount applies to.

    `family` is a value of `FAMILIES`, `side` is one of `SIDES`, and `item_list` is one of `ITEM_LISTS`. An example is
    `codeDiscount.customerGets.products`.
    """
    return f"{family}.{side}.{item_list}"


def map_discount(raw: Node, info: ResponseInfo) -> MappedRecords:
    """Map a discount to its record. The node's `__typename` says whether it is a code or an automatic discount."""
    family = FAMILIES[raw["__typename"]]
    node: CodeDiscountBody | AutomaticDiscountBody
    if family == "codeDiscount":
        node = CodeDiscountBody.model_validate(raw)
        discount: Any = node.codeDiscount
    else:
        node = AutomaticDiscountBody.model_validate(raw)
        discount = node.automaticDiscount
    record = Record(
        resource="discounts",
        id=node.id,
        read_at=info.read_at,
        updated_at=discount.updatedAt,
        body={"id": node.id, family: _map_terms(discount)},
        sort_key=parse_number(node.id),
        lookup_fields={"title": discount.title},
        lookup_values={"status": (discount.status,), **_find_codes(discount)},
    )
    continuations = tuple(_find_continuations(family, discount))
    mapped = MappedRecords()
    mapped.add_record(record, info.build_unfinished_record("discounts", node.id, continuations))
    return mapped


def _find_codes(discount: Any) -> dict[str, tuple[str, ...]]:
    return {"code": list_codes(discount.codes)} if hasattr(discount, "codes") else {}


def _map_terms(discount: Any) -> Node:
    terms: Node = discount.model_dump(by_alias=True, exclude={"updatedAt", "codes"})
    if hasattr(discount, "codes"):
        terms["codes"] = {"edges": map_codes(discount.codes)}
    for side in SIDES:
        if terms.get(side):
            terms[side]["items"] = _map_items(getattr(discount, side).items)
    countries = (terms.get("destinationSelection") or {}).get("countries")
    if countries is not None:
        countries.sort()
    return terms


def _map_items(items: Any) -> Node:
    match items.typename__:
        case "DiscountProducts":
            return {
                "__typename": "DiscountProducts",
                "products": map_gids(items.products),
                "productVariants": map_variant_titles(items.productVariants),
            }
        case "DiscountCollections":
            return {"__typename": "DiscountCollections", "collections": map_gids(items.collections)}
    whole: Node = items.model_dump(by_alias=True)
    return whole


def _find_continuations(family: str, discount: Any) -> Iterator[Continuation]:
    """Yield those of the discount's nested lists that are longer than the response.

    The order is: the codes, then what the customer gets, then what the customer must buy.
    """
    if hasattr(discount, "codes"):
        yield from build_continuations(CODES, discount.codes.pageInfo)
    for side in SIDES:
        items = getattr(getattr(discount, side, None), "items", None)
        for item_list in ITEM_LISTS:
            page = getattr(items, item_list, None)
            if page is not None:
                yield from build_continuations(build_list_name(family, side, item_list), page.pageInfo)


def map_codes(page: CodePage) -> list[Node]:
    """Map a page of a discount's codes to items of the discount's record, in alphabetical order."""
    return [{"node": {"code": code}} for code in sorted(list_codes(page))]


def list_codes(page: CodePage) -> tuple[str, ...]:
    """Return the codes on a page of a discount's codes."""
    return tuple(edge.node.code for edge in page.edges)


def map_gids(page: ProductIdPage | CollectionIdPage | None) -> list[str]:
    """Return the gids (Shopify's global ids) on a page of products or collections, in the order of their numbers.

    `page` is None where the scopes do not allow products; the result is then an empty list.
    """
    return sort_by_number([edge.node.id for edge in page.edges]) if page is not None else []


def map_variant_titles(page: VariantTitlePage | None) -> list[list[str]]:
    """Map a page of variants to pairs of gid (Shopify's global id) and title, in the order of the gids' numbers.

    `page` is None where the scopes do not allow products; the result is then an empty list.
    """
    variants = [[edge.node.id, edge.node.title] for edge in page.edges] if page is not None else []
    return sorted(variants, key=lambda variant: parse_number(variant[0]))
