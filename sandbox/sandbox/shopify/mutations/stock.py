"""The mutations of stock: inventorySetQuantities, inventoryAdjustQuantities and inventoryActivate.

A call is made as a whole or not at all. `changeFromQuantity` is compared with the stock at that moment; null is never
compared. As at Shopify, a call that leaves every quantity as it is changes nothing, and has no group of changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.shopify import edits
from sandbox.shopify.errors import build_field_error
from sandbox.shopify.fields.context import Args, Context, Resolver, parse_gid_number
from sandbox.shopify.model import Level, Product, Variant
from sandbox.shopify.mutations.user_errors import Path, UserError, build_user_error
from sandbox.shopify.product_edit import ProductEdit

REASONS = (
    "correction", "cycle_count_available", "damaged", "movement_canceled", "movement_created", "movement_received",
    "movement_updated", "other", "promotion", "quality_control", "received", "reservation_created",
    "reservation_deleted", "reservation_updated", "restock", "safety_stock", "shrinkage",
)  # fmt: skip
_ADJUSTABLE = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")
_LIMIT = 1_000_000_000
_MAXIMUM_ROWS = 250


@dataclass(slots=True)
class _Row:
    """One quantity of a call: the item and the location it is about, and the stock before and after."""

    variant: Variant | None
    location: int | None
    level: Level | None
    expected: int | None
    after: int

    @property
    def before(self) -> int:
        return self.level.available if self.level is not None and self.level.active else 0


def check_required_arguments(version: str, rows: Sequence[Mapping[str, Any]], input_type: str) -> None:
    """Raise GraphQLError if a quantity does not say from which it changes, as the API requires since 2026-04."""
    if len(rows) > _MAXIMUM_ROWS:
        message = f"The input array size of {len(rows)} is greater than the maximum allowed of {_MAXIMUM_ROWS}."
        raise build_field_error(message, "MAX_INPUT_SIZE_EXCEEDED")
    if version >= "2026-04" and any("changeFromQuantity" not in row for row in rows):
        message = f"{input_type} must include the following argument: changeFromQuantity."
        raise build_field_error(message, "INVALID_FIELD_ARGUMENTS")


def _set_quantities(_: Any, context: Context, args: Args) -> dict[str, Any]:
    fields = args["input"]
    errors = _find_reason_errors(fields)
    if fields["name"] not in ("available", "on_hand"):
        message = "The quantity name must be either 'available' or 'on_hand'."
        errors.append(build_user_error(["input", "name"], message, "INVALID_NAME"))
    rows = [_parse_row(context, row, row["quantity"]) for row in fields["quantities"]]
    path: Path = ["input", "quantities"]
    if not errors:
        errors = _find_duplicates(rows, path) or _find_row_errors(context, rows, path, "quantity")
        if fields["name"] == "on_hand" and not errors:
            errors = _find_negative_rows(rows, path)
    return _apply(context, fields, rows, errors)


def _adjust_quantities(_: Any, context: Context, args: Args) -> dict[str, Any]:
    fields = args["input"]
    errors = _find_reason_errors(fields) + _find_adjust_errors(fields)
    if not errors and fields["name"] != "available":
        raise build_field_error("The sandbox keeps the quantity `available` only.", "NOT_SIMULATED")
    rows = [_parse_row(context, row, 0) for row in fields["changes"]]
    # Changes of the same stock add up.
    totals: dict[tuple[Any, int | None], int] = {}
    for row, change in zip(rows, fields["changes"], strict=True):
        stock = (change["inventoryItemId"], row.location)
        row.after = totals[stock] = totals.get(stock, row.before) + change["delta"]
    errors = errors or _find_row_errors(context, rows, ["input", "changes"], "delta")
    return _apply(context, fields, rows, errors)


def _find_reason_errors(fields: Mapping[str, Any]) -> list[UserError]:
    errors = []
    if fields["reason"] not in REASONS:
        message = f"The specified reason is invalid. Valid values are: {', '.join(REASONS)}."
        errors.append(build_user_error(["input", "reason"], message, "INVALID_REASON"))
    uri = fields.get("referenceDocumentUri")
    if uri is not None and ":" not in uri:
        message = "The specified reference document is invalid."
        errors.append(build_user_error(["input", "referenceDocumentUri"], message, "INVALID_REFERENCE_DOCUMENT"))
    return errors


def _find_adjust_errors(fields: Mapping[str, Any]) -> list[UserError]:
    name = fields["name"]
    errors = []
    if name not in _ADJUSTABLE:
        message = f"The specified quantity name is invalid. Valid values are: {', '.join(_ADJUSTABLE)}."
        errors.append(build_user_error(["input", "name"], message, "INVALID_QUANTITY_NAME"))
    for index, change in enumerate(fields["changes"]):
        path: Path = ["input", "changes", index, "ledgerDocumentUri"]
        if name == "available" and change.get("ledgerDocumentUri"):
            message = "A ledger document URI is not allowed when adjusting available."
            errors.append(build_user_error(path, message, "INVALID_AVAILABLE_DOCUMENT"))
        elif name != "available" and not change.get("ledgerDocumentUri"):
            message = "A ledger document URI is required except when adjusting available."
            errors.append(build_user_error(path, message, "INVALID_QUANTITY_DOCUMENT"))
    return errors


def _parse_row(context: Context, fields: Mapping[str, Any], after: int) -> _Row:
    variant = context.shop.items.get(parse_gid_number(fields["inventoryItemId"], "InventoryItem"))
    location = context.shop.locations.get(parse_gid_number(fields["locationId"], "Location"))
    number = location.number if location is not None else None
    levels = variant.levels if variant is not None else []
    level = next((level for level in levels if level.location == number), None)
    return _Row(variant, number, level, fields.get("changeFromQuantity"), after)


def _find_duplicates(rows: list[_Row], path: Path) -> list[UserError]:
    pairs = [(row.variant.item, row.location) if row.variant is not None else None for row in rows]
    message = "The combination of inventoryItemId and locationId must be unique."
    code = "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"
    return [
        build_user_error([*path, index, "locationId"], message, code)
        for index, pair in enumerate(pairs)
        if pair is not None and pairs.count(pair) > 1
    ]


def _find_row_errors(context: Context, rows: list[_Row], path: Path, name: str) -> list[UserError]:
    return [error for index, row in enumerate(rows) for error in _check_row(context, row, [*path, index], name)]


def _check_row(context: Context, row: _Row, path: Path, name: str) -> list[UserError]:
    errors = []
    if row.variant is None:
        message = "The specified inventory item could not be found."
        errors.append(build_user_error([*path, "inventoryItemId"], message, "INVALID_INVENTORY_ITEM"))
    if row.location is None:
        message = "The specified location could not be found."
        errors.append(build_user_error([*path, "locationId"], message, "INVALID_LOCATION"))
    if errors:
        return errors
    if row.after > _LIMIT:
        message = f"The quantity can't be higher than {_LIMIT:,}."
        return [build_user_error([*path, name], message, "INVALID_QUANTITY_TOO_HIGH")]
    if row.after < -_LIMIT:
        message = f"The quantity can't be lower than -{_LIMIT:,}."
        return [build_user_error([*path, name], message, "INVALID_QUANTITY_TOO_LOW")]
    # Since 2026-10, an item is connected to a location by giving it stock there.
    if (row.level is None or not row.level.active) and context.version < "2026-10":
        message = "The specified inventory item is not stocked at the location."
        return [build_user_error([*path, "locationId"], message, "ITEM_NOT_STOCKED_AT_LOCATION")]
    if row.expected is not None and row.expected != row.before:
        message = "The changeFromQuantity argument no longer matches the persisted quantity."
        return [build_user_error([*path, "changeFromQuantity"], message, "CHANGE_FROM_QUANTITY_STALE")]
    return []


def _find_negative_rows(rows: list[_Row], path: Path) -> list[UserError]:
    return [
        build_user_error([*path, index, "quantity"], "The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE")
        for index, row in enumerate(rows)
        if row.after < 0
    ]


def _apply(context: Context, fields: Mapping[str, Any], rows: list[_Row], errors: list[UserError]) -> dict[str, Any]:
    if errors:
        return {"inventoryAdjustmentGroup": None, "userErrors": errors}
    by_product: dict[int, ProductEdit] = {}
    changes = []
    for row in rows:
        assert row.variant is not None and row.location is not None
        product = context.shop.products.get(row.variant.product)
        assert product is not None
        edit = by_product.setdefault(product.number, ProductEdit(context.shop, context.changes, product))
        delta = row.after - row.before
        edit.set_stock(row.variant, row.location, row.after)
        if delta:
            change = {"delta": delta, "variant": row.variant, "location": row.location}
            changes += [{**change, "name": name} for name in ("available", "on_hand")]
    for edit in by_product.values():
        edit.finish()
    return {"inventoryAdjustmentGroup": _build_group(context, fields, changes), "userErrors": []}


def _build_group(context: Context, fields: Mapping[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not changes:
        return None
    return {
        "id": context.shop.allocate_number(), "reason": fields["reason"], "createdAt": context.now,
        "referenceDocumentUri": fields.get("referenceDocumentUri"), "changes": changes,
    }  # fmt: skip


def _activate(_: Any, context: Context, args: Args) -> dict[str, Any]:
    variant = context.shop.items.get(parse_gid_number(args["inventoryItemId"], "InventoryItem"))
    location = context.shop.locations.get(parse_gid_number(args["locationId"], "Location"))
    product: Product | None = context.shop.products.get(variant.product) if variant is not None else None
    if variant is None or product is None or location is None:
        name = location.name if location is not None else "the location"
        reason = "the product was deleted" if variant is None else "the location was deleted"
        path = ["inventoryItemId"] if variant is None else ["locationId"]
        message = f"The product couldn't be stocked at {name} because {reason}."
        return {"inventoryLevel": None, "userErrors": [build_user_error(path, message)]}
    level = next((level for level in variant.levels if level.location == location.number), None)
    if level is None or not level.active:
        quantity = args.get("available") if args.get("available") is not None else args.get("onHand") or 0
        level = edits.set_stock_or_disconnect(context.shop, context.changes, variant.item, location.number, quantity)
    return {"inventoryLevel": level, "userErrors": []}


MUTATIONS: dict[str, Resolver] = {
    "inventorySetQuantities": _set_quantities,
    "inventoryAdjustQuantities": _adjust_quantities,
    "inventoryActivate": _activate,
}
