"""Edits of collections and discounts, by the same rules as all edits: see `edits`."""

from collections.abc import Mapping
from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.shopify import discount_generator, webhook_payloads
from sandbox.shopify.edits import Ledger
from sandbox.shopify.model import Collection, Discount, Items, Rule, Value
from sandbox.shopify.shops import Shop, now


def create_collection(shop: Shop, ledger: Ledger, fields: Mapping[str, Any]) -> Collection:
    """A new collection: smart with a `rule` {column, condition}, else manual with `members`."""
    number = shop.next_number()
    title = fields.get("title", "New collection")
    order = "BEST_SELLING" if fields.get("rule") else "MANUAL"
    collection = Collection(number, title, sample_texts.handle(title, number), "", order, now())
    shop.collections.put(collection)
    _set_collection(collection, fields)
    ledger.keep("collection", collection)
    ledger.say("COLLECTIONS_CREATE", webhook_payloads.collection, collection)
    return collection


def update_collection(shop: Shop, ledger: Ledger, number: int, fields: Mapping[str, Any]) -> Collection | None:
    """Set a collection's fields; `add` and `remove` list products that join or leave a manual one."""
    collection = shop.collections.get(number)
    if collection is None:
        return None
    _set_collection(collection, fields)
    shop.changed_membership()
    ledger.keep("collection", collection)
    ledger.say("COLLECTIONS_UPDATE", webhook_payloads.collection, collection)
    return collection


def _set_collection(collection: Collection, fields: Mapping[str, Any]) -> None:
    for name in ("title", "handle", "description", "sort_order", "image_url", "image_alt", "members"):
        if name in fields:
            setattr(collection, name, fields[name])
    if fields.get("rule"):
        collection.rule = Rule(**fields["rule"])
    leaving, joining = set(fields.get("remove") or ()), fields.get("add") or ()
    kept = [number for number in collection.members if number not in leaving]
    collection.members = kept + [number for number in joining if number not in kept]
    collection.updated_at = now()


def delete_collection(shop: Shop, ledger: Ledger, number: int) -> Collection | None:
    """A collection goes; its products stay."""
    collection = shop.collections.remove(number)
    if collection is not None:
        ledger.drop("collection", number)
        ledger.say("COLLECTIONS_DELETE", webhook_payloads.deleted_collection, number)
    return collection


def create_discount(shop: Shop, ledger: Ledger, fields: Mapping[str, Any]) -> Discount:
    """A new discount of `family` Code or Automatic and `kind` Basic, Bxgy, FreeShipping or App, active from now on."""
    rng = Random(shop.profile.sequence)
    family, kind = fields.get("family", "Code"), fields.get("kind", "Basic")
    discount = discount_generator.make_discount(shop, rng, family, kind, fields.get("title", "New discount"))
    discount.starts_at = discount.created_at = discount.updated_at = now()
    discount.ends_at = None
    _set_discount(shop, discount, fields)
    shop.discounts.put(discount)
    ledger.keep("discount", discount)
    ledger.say("DISCOUNTS_CREATE", webhook_payloads.discount, discount)
    return discount


def update_discount(shop: Shop, ledger: Ledger, number: int, fields: Mapping[str, Any]) -> Discount | None:
    """Set a discount's fields; `add_codes` and `remove_codes` list codes."""
    discount = shop.discounts.get(number)
    if discount is None:
        return None
    added, removed = _set_discount(shop, discount, fields)
    discount.updated_at = now()
    ledger.keep("discount", discount)
    ledger.say("DISCOUNTS_UPDATE", webhook_payloads.discount, discount)
    for number, code in added.items():
        ledger.say("DISCOUNTS_REDEEMCODE_ADDED", webhook_payloads.redeem_code, discount, number, code)
    for number, code in removed.items():
        ledger.say("DISCOUNTS_REDEEMCODE_REMOVED", webhook_payloads.redeem_code, discount, number, code)
    return discount


_DISCOUNT_FIELDS = (
    "title", "starts_at", "ends_at", "usage_limit", "once_per_customer", "combines_with", "minimum_quantity",
    "minimum_subtotal", "countries", "rest_of_world", "maximum_shipping_price", "uses_per_order_limit", "app_title",
)  # fmt: skip


def _set_discount(shop: Shop, discount: Discount, fields: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, str]]:
    for name in _DISCOUNT_FIELDS:
        if name in fields:
            setattr(discount, name, fields[name])
    if "gets" in fields:
        discount.gets = Value(**fields["gets"])
    if "gets_items" in fields:
        discount.gets_items = Items(**fields["gets_items"])
    gone = set(fields.get("remove_codes") or ())
    removed = {number: code for number, code in discount.codes.items() if code in gone}
    added = {shop.next_number(): code for code in fields.get("add_codes") or fields.get("codes") or ()}
    discount.codes = {number: code for number, code in discount.codes.items() if number not in removed} | added
    return added, removed


def delete_discount(shop: Shop, ledger: Ledger, number: int) -> Discount | None:
    """A discount goes, with its codes."""
    discount = shop.discounts.remove(number)
    if discount is not None:
        ledger.drop("discount", number)
        ledger.say("DISCOUNTS_DELETE", webhook_payloads.discount, discount)
    return discount
