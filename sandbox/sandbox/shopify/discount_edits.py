"""Edits of discounts. The rules that hold for all edits are in the docstring of the module `edits`."""

from collections.abc import Mapping
from random import Random
from typing import Any

from sandbox.shopify import discount_generator, webhook_payloads
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.model import Discount, Items, Value
from sandbox.shopify.shops import Shop, get_current_time

_FIELDS = (
    "title", "starts_at", "ends_at", "usage_limit", "once_per_customer", "combines_with", "minimum_quantity",
    "minimum_subtotal", "countries", "rest_of_world", "maximum_shipping_price", "uses_per_order_limit", "app_title",
)  # fmt: skip


def create_discount(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> Discount:
    """Create a discount that is active from now on.

    `fields` may contain the `family` (Code or Automatic), the `kind` (Basic, Bxgy, FreeShipping or App) and every field
    that `update_discount` can set. All other fields get generated values.
    """
    rng = Random(shop.profile.sequence)
    family, kind = fields.get("family", "Code"), fields.get("kind", "Basic")
    discount = discount_generator.build_discount(shop, rng, family, kind, fields.get("title", "New discount"))
    discount.starts_at = discount.created_at = discount.updated_at = get_current_time()
    discount.ends_at = None
    _set_fields(shop, discount, fields)
    shop.discounts.put(discount)
    changes.add_changed_record("discount", discount)
    changes.add_event_if_subscribed("DISCOUNTS_CREATE", webhook_payloads.build_discount, discount)
    return discount


def update_discount(shop: Shop, changes: ChangeSet, number: int, fields: Mapping[str, Any]) -> Discount | None:
    """Set `fields` of the discount `number`, and return the discount; None if it does not exist.

    `add_codes` and `remove_codes` in `fields` are lists of redeem codes that the discount gains or loses.
    """
    discount = shop.discounts.get(number)
    if discount is None:
        return None
    new_codes, removed_codes = _set_fields(shop, discount, fields)
    discount.updated_at = get_current_time()
    changes.add_changed_record("discount", discount)
    changes.add_event_if_subscribed("DISCOUNTS_UPDATE", webhook_payloads.build_discount, discount)
    build_body = webhook_payloads.build_redeem_code
    for code_number, code in new_codes.items():
        changes.add_event_if_subscribed("DISCOUNTS_REDEEMCODE_ADDED", build_body, discount, code_number, code)
    for code_number, code in removed_codes.items():
        changes.add_event_if_subscribed("DISCOUNTS_REDEEMCODE_REMOVED", build_body, discount, code_number, code)
    return discount


def _set_fields(shop: Shop, discount: Discount, fields: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, str]]:
    """Set `fields` of `discount`, and return the redeem codes that this added and those that it removed.

    Each of the two dictionaries maps the numbers of the redeem codes to the codes.
    """
    for name in _FIELDS:
        if name in fields:
            setattr(discount, name, fields[name])
    if "gets" in fields:
        discount.gets = Value(**fields["gets"])
    if "gets_items" in fields:
        discount.gets_items = Items(**fields["gets_items"])
    codes_to_remove = set(fields.get("remove_codes") or ())
    removed = {number: code for number, code in discount.codes.items() if code in codes_to_remove}
    new = {shop.allocate_number(): code for code in fields.get("add_codes") or fields.get("codes") or ()}
    discount.codes = {number: code for number, code in discount.codes.items() if number not in removed} | new
    return new, removed


def delete_discount(shop: Shop, changes: ChangeSet, number: int) -> Discount | None:
    """Delete a discount and its redeem codes. Returns the discount, or None if it does not exist."""
    discount = shop.discounts.remove(number)
    if discount is not None:
        changes.add_deleted_record("discount", number)
        changes.add_event_if_subscribed("DISCOUNTS_DELETE", webhook_payloads.build_discount, discount)
    return discount
