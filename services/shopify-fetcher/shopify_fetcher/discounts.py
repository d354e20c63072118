"""Discount records of both families: codes by code; what they apply to as plain gids, which the document names."""

from collections.abc import Iterator
from typing import Any

from contracts.events import Record
from shopify_fetcher.building import Built, Moment, Node, by_number, rest
from shopify_fetcher.chains import Rest
from shopify_fetcher.generated.fragments import (
    AutomaticDiscountBody,
    CodeDiscountBody,
    CodePage,
    CollectionIdPage,
    ProductIdPage,
    VariantTitlePage,
)
from shopify_fetcher.gids import number

FAMILIES = {"DiscountCodeNode": "codeDiscount", "DiscountAutomaticNode": "automaticDiscount"}
SIDES = ("customerGets", "customerBuys")
LISTS = ("products", "productVariants", "collections")
CODES = "codes"


def listing(family: str, side: str, listed: str) -> str:
    """The name of a list of what a discount applies to."""
    return f"{family}.{side}.{listed}"


def built_discount(raw: Node, moment: Moment) -> Built:
    """A discount of either family, by the node's own type."""
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
        read_at=moment.read_at,
        updated_at=discount.updatedAt,
        body={"id": node.id, family: _terms(discount)},
        sort_key=number(node.id),
        lookup_fields={"title": discount.title},
    )
    built = Built()
    built.add(record, moment.chain("discounts", node.id, tuple(_rests(family, discount))))
    return built


def _terms(discount: Any) -> Node:
    terms: Node = discount.model_dump(by_alias=True, exclude={"updatedAt", "codes"})
    if hasattr(discount, "codes"):
        terms["codes"] = {"edges": codes(discount.codes)}
    for side in SIDES:
        if terms.get(side):
            terms[side]["items"] = _items(getattr(discount, side).items)
    countries = (terms.get("destinationSelection") or {}).get("countries")
    if countries is not None:
        countries.sort()
    return terms


def _items(items: Any) -> Node:
    match items.typename__:
        case "DiscountProducts":
            return {
                "__typename": "DiscountProducts",
                "products": gids(items.products),
                "productVariants": variants(items.productVariants),
            }
        case "DiscountCollections":
            return {"__typename": "DiscountCollections", "collections": gids(items.collections)}
    whole: Node = items.model_dump(by_alias=True)
    return whole


def _rests(family: str, discount: Any) -> Iterator[Rest]:
    """Codes first, then what is got, then what must be bought."""
    if hasattr(discount, "codes"):
        yield from rest(CODES, discount.codes.pageInfo)
    for side in SIDES:
        items = getattr(getattr(discount, side, None), "items", None)
        for listed in LISTS:
            page = getattr(items, listed, None)
            if page is not None:
                yield from rest(listing(family, side, listed), page.pageInfo)


def codes(page: CodePage) -> list[Node]:
    """Codes by code."""
    return [{"node": {"code": code}} for code in sorted(edge.node.code for edge in page.edges)]


def gids(page: ProductIdPage | CollectionIdPage | None) -> list[str]:
    """The gids of a page by number; none where products may not be read."""
    return by_number([edge.node.id for edge in page.edges]) if page is not None else []


def variants(page: VariantTitlePage | None) -> list[list[str]]:
    """Variants with their titles, by number; none where products may not be read."""
    found = [[edge.node.id, edge.node.title] for edge in page.edges] if page is not None else []
    return sorted(found, key=lambda pair: number(pair[0]))
