"""Discounts of all eight types and what they apply to."""

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.shopify.expected_document import summary
from sandbox.shopify.fields.context import Args, Context, Resolver, Typed, always, by_number, listed, money, sorted_page
from sandbox.shopify.gids import gid
from sandbox.shopify.model import Discount, Items, Value
from sandbox.shopify.pagination import Page, count, page
from sandbox.shopify.search import Reader, parse
from sandbox.shopify.shops import now

_SEARCHABLE: dict[str, Reader] = {
    "title": lambda d: d.title,
    "status": lambda d: d.status(now()),
    "updated_at": lambda d: d.updated_at,
    "created_at": lambda d: d.created_at,
    "starts_at": lambda d: d.starts_at,
    "ends_at": lambda d: d.ends_at or "",
    "method": lambda d: d.family,
    "type": lambda d: d.kind,
    "discount_type": lambda d: d.kind,
    "code": lambda d: list(d.codes.values()),
}
_AUTOMATIC_SEARCHABLE = {name: read for name, read in _SEARCHABLE.items() if name not in ("updated_at", "code")}
_SORTS: dict[str, Reader] = {
    "TITLE": lambda d: d.title,
    "UPDATED_AT": lambda d: d.updated_at,
    "CREATED_AT": lambda d: d.created_at,
    "STARTS_AT": lambda d: d.starts_at,
    "ENDS_AT": lambda d: d.ends_at or "",
}


def nodes(name: str, family: str | None) -> Callable[[Any, Context, Args], Page]:
    """The root field `name`, which lists the discounts of one family or of both."""
    readers = _AUTOMATIC_SEARCHABLE if family == "Automatic" else _SEARCHABLE

    def read(_: Any, c: Context, a: Args) -> Page:
        found = listed(c, name, c.shop.discounts, readers, a.get("query"))
        kept = found if family is None else [d for d in found if d.family == family]
        return sorted_page(kept, a, _SORTS.get(a["sortKey"]))

    return read


def nodes_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.discountNodesCount."""
    found = listed(c, "discountNodesCount", c.shop.discounts, _SEARCHABLE, a.get("query"))
    return count(c.faults.counted(len(found)), a.get("limit"))


def _itself(d: Discount, _: Context) -> Typed:
    return Typed(d.typename, d)


def _codes(d: Discount, c: Context, a: Args) -> Page:
    search = parse(a.get("query"), {"code": lambda o: o[1], "title": lambda o: o[1]})
    if search.warnings:
        c.search.append({"path": ["codes"], "query": a.get("query"), "warnings": search.warnings})
    found: Iterable[tuple[int, str]] = d.codes.items()
    if search.low is not None or search.high is not None or search.predicates:
        low, high = search.low or 0, search.high or 1 << 62
        found = [o for o in found if low <= o[0] <= high and search.matches(o)]
    if a["sortKey"] == "CODE":
        return page(sorted(found, key=lambda o: (o[1], o[0])), lambda o: (o[1], o[0]), a)
    return page(list(found), lambda o: (o[0], o[0]), a)


def _amount(name: str) -> Callable[[Any, Context], dict[str, str] | None]:
    def read(d: Any, c: Context) -> dict[str, str] | None:
        value = getattr(d, name)
        return money(c, value) if value is not None else None

    return read


def _minimum(d: Discount, _: Context) -> Typed | None:
    if d.minimum_quantity is not None:
        return Typed("DiscountMinimumQuantity", d)
    return Typed("DiscountMinimumSubtotal", d) if d.minimum_subtotal is not None else None


def _destination(d: Discount, _: Context) -> Typed:
    return Typed("DiscountCountryAll" if d.countries is None else "DiscountCountries", d)


def _items(items: Items) -> Typed:
    kinds = {"all": "AllDiscountItems", "products": "DiscountProducts", "collections": "DiscountCollections"}
    return Typed(kinds[items.kind], items)


def _value(value: Value) -> Typed:
    kinds = {"amount": "DiscountAmount", "percentage": "DiscountPercentage", "quantity": "DiscountOnQuantity"}
    return Typed(kinds[value.kind], value)


def _bought(d: Discount, _: Context) -> Typed:
    return Typed("DiscountPurchaseAmount" if d.buys_quantity is None else "DiscountQuantity", d)


def _named(kind: str) -> Callable[[Items, Context, Args], Page]:
    def read(o: Items, c: Context, a: Args) -> Page:
        table = getattr(c.shop, kind)
        found = [table.get(number) for number in sorted(getattr(o, kind))]
        return page([record for record in found if record is not None], by_number, a)

    return read


_COMMON: dict[str, Resolver] = {
    "status": lambda d, c: d.status(c.now),
    "summary": lambda d, _: summary(d),
    "shortSummary": lambda d, _: summary(d),
    "asyncUsageCount": always(0),
    "discountClasses": lambda d, _: ["SHIPPING"] if d.kind == "FreeShipping" else ["PRODUCT"],
    "tags": always([]),
    "appliesOncePerCustomer": "once_per_customer",
    "codes": _codes,
    "codesCount": lambda d, _: count(len(d.codes), None),
    "hasTimelineComment": always(False),
    "totalSales": always(None),
    "recurringCycleLimit": always(1),
    "customerGets": lambda d, _: d,
    "customerBuys": lambda d, _: d,
    "minimumRequirement": _minimum,
    "destinationSelection": _destination,
    "maximumShippingPrice": _amount("maximum_shipping_price"),
    "appliesOnOneTimePurchase": always(True),
    "appliesOnSubscription": always(False),
    "appDiscountType": lambda d, _: d,
    "discountId": lambda d, _: gid(d.node_type, d.number),
    "id": lambda d, _: gid("DiscountAutomaticBxgy", d.number),
}


def _node(field_name: str) -> dict[str, Resolver]:
    return {"id": lambda d, _: gid(d.node_type, d.number), field_name: _itself}


FIELDS: dict[str, dict[str, Resolver]] = {
    "DiscountNode": _node("discount"),
    "DiscountCodeNode": _node("codeDiscount"),
    "DiscountAutomaticNode": _node("automaticDiscount"),
    **{f"Discount{f}{k}": _COMMON for f in ("Code", "Automatic") for k in ("Basic", "Bxgy", "FreeShipping", "App")},
    "DiscountRedeemCode": {
        "id": lambda o, _: gid("DiscountRedeemCode", o[0]),
        "code": lambda o, _: o[1],
        "asyncUsageCount": always(0),
    },
    "DiscountCombinesWith": {
        f"{name}Discounts": (lambda key: lambda o, _: o.get(key, False))(name)
        for name in ("order", "product", "shipping")
    },
    "DiscountCustomerGets": {
        "items": lambda d, _: _items(d.gets_items),
        "value": lambda d, _: _value(d.gets),
        "appliesOnOneTimePurchase": always(True),
        "appliesOnSubscription": always(False),
    },
    "DiscountCustomerBuys": {
        "items": lambda d, _: _items(d.buys_items),
        "value": _bought,
        "isOneTimePurchase": always(True),
        "isSubscription": always(False),
    },
    "AllDiscountItems": {"allItems": always(True)},
    "DiscountProducts": {"products": _named("products"), "productVariants": _named("variants")},
    "DiscountCollections": {"collections": _named("collections")},
    "DiscountAmount": {"amount": _amount("amount"), "appliesOnEachItem": always(False)},
    "DiscountOnQuantity": {"quantity": lambda o, _: o, "effect": lambda o, _: _value(o.effect)},
    "DiscountQuantity": {"quantity": lambda o, _: str(o.buys_quantity if isinstance(o, Discount) else o.quantity)},
    "DiscountPurchaseAmount": {"amount": "buys_amount"},
    "DiscountMinimumQuantity": {"greaterThanOrEqualToQuantity": lambda d, _: str(d.minimum_quantity)},
    "DiscountMinimumSubtotal": {"greaterThanOrEqualToSubtotal": _amount("minimum_subtotal")},
    "DiscountCountryAll": {"allCountries": always(True)},
    "DiscountCountries": {"includeRestOfWorld": "rest_of_world"},
    "AppDiscountType": {
        "title": "app_title",
        "description": always(None),
        "appKey": lambda _, c: c.api_key,
        "functionId": lambda d, _: f"function-{d.number}",
        "discountClasses": always(["PRODUCT"]),
    },
}
