"""The resolvers of discounts of all eight types, and of the items to which discounts apply."""

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.shopify.expected_document import build_summary
from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    TypedValue,
    build_money,
    build_sorted_page,
    count_visible_records,
    get_number_key,
    list_visible_records,
    return_constant,
)
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Discount, Items, Value
from sandbox.shopify.pagination import NodePage, build_count, build_page
from sandbox.shopify.search import Reader, parse_search
from sandbox.shopify.shops import get_current_time

_SEARCHABLE: dict[str, Reader] = {
    "title": lambda d: d.title,
    "status": lambda d: d.get_status(get_current_time()),
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


def build_lister(name: str, family: str | None) -> Callable[[Any, Context, Args], NodePage]:
    """Build the resolver of the root field `name`, which lists discounts.

    `family` is Code or Automatic. If it is None, the resolver lists the discounts of both families.
    """
    readers = _AUTOMATIC_SEARCHABLE if family == "Automatic" else _SEARCHABLE

    def list_discounts(_: Any, context: Context, args: Args) -> NodePage:
        discounts = list_visible_records(context, name, context.shop.discounts, readers, args.get("query"))
        if family is not None:
            discounts = [d for d in discounts if d.family == family]
        return build_sorted_page(discounts, args, _SORTS.get(args["sortKey"]))

    return list_discounts


def count_discounts(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.discountNodesCount`."""
    total = count_visible_records(context, "discountNodesCount", context.shop.discounts, _SEARCHABLE, args.get("query"))
    return build_count(total, args.get("limit"))


def _wrap_discount(d: Discount, _: Context) -> TypedValue:
    return TypedValue(d.typename, d)


def _list_codes(d: Discount, context: Context, args: Args) -> NodePage:
    search = parse_search(args.get("query"), {"code": lambda o: o[1], "title": lambda o: o[1]})
    if search.warnings:
        context.search.append({"path": ["codes"], "query": args.get("query"), "warnings": search.warnings})
    codes: Iterable[tuple[int, str]] = d.codes.items()
    if search.low is not None or search.high is not None or search.predicates:
        low, high = search.low or 0, search.high or 1 << 62
        codes = [o for o in codes if low <= o[0] <= high and search.has_matching_fields(o)]
    if args["sortKey"] == "CODE":
        return build_page(sorted(codes, key=lambda o: (o[1], o[0])), lambda o: (o[1], o[0]), args)
    return build_page(list(codes), lambda o: (o[0], o[0]), args)


def _read_amount(name: str) -> Callable[[Any, Context], dict[str, str] | None]:
    """Build a resolver that returns the attribute `name` of an object as a GraphQL MoneyV2.

    The resolver returns None if the attribute is None.
    """

    def read(o: Any, context: Context) -> dict[str, str] | None:
        amount = getattr(o, name)
        return build_money(context, amount) if amount is not None else None

    return read


def _wrap_minimum(d: Discount, _: Context) -> TypedValue | None:
    if d.minimum_quantity is not None:
        return TypedValue("DiscountMinimumQuantity", d)
    return TypedValue("DiscountMinimumSubtotal", d) if d.minimum_subtotal is not None else None


def _wrap_destination(d: Discount, _: Context) -> TypedValue:
    return TypedValue("DiscountCountryAll" if d.countries is None else "DiscountCountries", d)


def _wrap_items(items: Items) -> TypedValue:
    types = {"all": "AllDiscountItems", "products": "DiscountProducts", "collections": "DiscountCollections"}
    return TypedValue(types[items.kind], items)


def _wrap_value(value: Value) -> TypedValue:
    types = {"amount": "DiscountAmount", "percentage": "DiscountPercentage", "quantity": "DiscountOnQuantity"}
    return TypedValue(types[value.kind], value)


def _wrap_required_purchase(d: Discount, _: Context) -> TypedValue:
    return TypedValue("DiscountPurchaseAmount" if d.buys_quantity is None else "DiscountQuantity", d)


def _list_items(kind: str) -> Callable[[Items, Context, Args], NodePage]:
    """Build a resolver that lists the records to which a discount applies. Deleted records are left out.

    `kind` is the name of the shop's table: products, variants or collections.
    """

    def list_existing(o: Items, context: Context, args: Args) -> NodePage:
        table = getattr(context.shop, kind)
        records = [table.get(number) for number in sorted(getattr(o, kind))]
        return build_page([record for record in records if record is not None], get_number_key, args)

    return list_existing


_COMMON: dict[str, Resolver] = {
    "status": lambda d, context: d.get_status(context.now),
    "summary": lambda d, _: build_summary(d),
    "shortSummary": lambda d, _: build_summary(d),
    "asyncUsageCount": return_constant(0),
    "discountClasses": lambda d, _: ["SHIPPING"] if d.kind == "FreeShipping" else ["PRODUCT"],
    "tags": return_constant([]),
    "appliesOncePerCustomer": "once_per_customer",
    "codes": _list_codes,
    "codesCount": lambda d, _: build_count(len(d.codes), None),
    "hasTimelineComment": return_constant(False),
    "totalSales": return_constant(None),
    "recurringCycleLimit": return_constant(1),
    "customerGets": lambda d, _: d,
    "customerBuys": lambda d, _: d,
    "minimumRequirement": _wrap_minimum,
    "destinationSelection": _wrap_destination,
    "maximumShippingPrice": _read_amount("maximum_shipping_price"),
    "appliesOnOneTimePurchase": return_constant(True),
    "appliesOnSubscription": return_constant(False),
    "appDiscountType": lambda d, _: d,
    "discountId": lambda d, _: build_gid(d.node_type, d.number),
    "id": lambda d, _: build_gid("DiscountAutomaticBxgy", d.number),
}


def _build_node_fields(field_name: str) -> dict[str, Resolver]:
    return {"id": lambda d, _: build_gid(d.node_type, d.number), field_name: _wrap_discount}


FIELDS: dict[str, dict[str, Resolver]] = {
    "DiscountNode": _build_node_fields("discount"),
    "DiscountCodeNode": _build_node_fields("codeDiscount"),
    "DiscountAutomaticNode": _build_node_fields("automaticDiscount"),
    **{f"Discount{f}{k}": _COMMON for f in ("Code", "Automatic") for k in ("Basic", "Bxgy", "FreeShipping", "App")},
    "DiscountRedeemCode": {
        "id": lambda o, _: build_gid("DiscountRedeemCode", o[0]),
        "code": lambda o, _: o[1],
        "asyncUsageCount": return_constant(0),
    },
    "DiscountCombinesWith": {
        f"{name}Discounts": (lambda key: lambda o, _: o.get(key, False))(name)
        for name in ("order", "product", "shipping")
    },
    "DiscountCustomerGets": {
        "items": lambda d, _: _wrap_items(d.gets_items),
        "value": lambda d, _: _wrap_value(d.gets),
        "appliesOnOneTimePurchase": return_constant(True),
        "appliesOnSubscription": return_constant(False),
    },
    "DiscountCustomerBuys": {
        "items": lambda d, _: _wrap_items(d.buys_items),
        "value": _wrap_required_purchase,
        "isOneTimePurchase": return_constant(True),
        "isSubscription": return_constant(False),
    },
    "AllDiscountItems": {"allItems": return_constant(True)},
    "DiscountProducts": {"products": _list_items("products"), "productVariants": _list_items("variants")},
    "DiscountCollections": {"collections": _list_items("collections")},
    "DiscountAmount": {"amount": _read_amount("amount"), "appliesOnEachItem": return_constant(False)},
    "DiscountOnQuantity": {"quantity": lambda o, _: o, "effect": lambda o, _: _wrap_value(o.effect)},
    "DiscountQuantity": {"quantity": lambda o, _: str(o.buys_quantity if isinstance(o, Discount) else o.quantity)},
    "DiscountPurchaseAmount": {"amount": "buys_amount"},
    "DiscountMinimumQuantity": {"greaterThanOrEqualToQuantity": lambda d, _: str(d.minimum_quantity)},
    "DiscountMinimumSubtotal": {"greaterThanOrEqualToSubtotal": _read_amount("minimum_subtotal")},
    "DiscountCountryAll": {"allCountries": return_constant(True)},
    "DiscountCountries": {"includeRestOfWorld": "rest_of_world"},
    "AppDiscountType": {
        "title": "app_title",
        "description": return_constant(None),
        "appKey": lambda _, context: context.api_key,
        "functionId": lambda d, _: f"function-{d.number}",
        "discountClasses": return_constant(["PRODUCT"]),
    },
}
