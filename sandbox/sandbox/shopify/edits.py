"""Edits of products, inventory, locations and the shop itself.

An edit changes records in memory, sets their `updated_at`, and adds both the records and the webhooks of the change to
a `ChangeSet`. The caller holds the lock of the shop. An edit of a record that does not exist returns None and changes
nothing.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.shopify import webhook_payloads
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.model import Level, Location, Metafield, Option, Product, Variant
from sandbox.shopify.shops import Shop, get_current_time

_PRODUCT_FIELDS = ("title", "handle", "vendor", "product_type", "status", "category")
_ITEM_FIELDS = ("sku", "tracked", "cost", "weight", "weight_unit")
_VARIANT_FIELDS = ("title", "price", "compare_at_price", "barcode", "policy", *_ITEM_FIELDS)


def touch_product(shop: Shop, changes: ChangeSet, number: int) -> Product | None:
    """Set a product's `updated_at` to now and change nothing else. Return the product, or None if it does not exist."""
    product = shop.products.get(number)
    if product is not None:
        _mark_product_changed(changes, product)
    return product


def _mark_product_changed(changes: ChangeSet, product: Product) -> None:
    product.updated_at = get_current_time()
    changes.add_changed_record("product", product)
    changes.add_event_if_subscribed("PRODUCTS_UPDATE", webhook_payloads.build_product, product)


def update_product(shop: Shop, changes: ChangeSet, number: int, fields: Mapping[str, Any]) -> Product | None:
    """Set `fields` of the product `number`, and return the product; None if it does not exist.

    `fields` may contain the product's own fields such as `title`, `description` (a text), `description_html`, `tags`,
    `price` (of the first variant), `variants` (a list of dictionaries, each with the number of a variant as `id` and
    its new fields) and `metafields` (a list of {namespace, key, type, value}). A metafield replaces the one with the
    same namespace and key, or is added.
    """
    product = shop.products.get(number)
    if product is None:
        return None
    for name in _PRODUCT_FIELDS:
        if name in fields:
            setattr(product, name, fields[name])
    if "tags" in fields:
        product.tags = sorted(set(fields["tags"]))
    if "handle" in fields:
        shop.handles.clear()
    if "description" in fields:
        product.text, product.html = fields["description"], None
    if "description_html" in fields:
        product.html = fields["description_html"]
        product.text = sample_texts.strip_html(product.html)
    variant_changes = list(fields.get("variants") or ())
    if "price" in fields:
        variant_changes.append({"id": product.variants[0].number, "price": fields["price"]})
    for variant_change in variant_changes:
        _update_variant(shop, changes, variant_change)
    for metafield in fields.get("metafields") or ():
        _put_metafield(shop, product, metafield)
        shop.unique_values.clear()
    shop.invalidate_memberships()
    _mark_product_changed(changes, product)
    return product


def _update_variant(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> None:
    variant = shop.variants.get(int(fields["id"]))
    if variant is None:
        return
    for name in _VARIANT_FIELDS:
        if name in fields:
            setattr(variant, name, fields[name])
    variant.updated_at = get_current_time()
    if any(name in fields for name in _ITEM_FIELDS):
        variant.item_updated_at = variant.updated_at
        changes.add_event_if_subscribed("INVENTORY_ITEMS_UPDATE", webhook_payloads.build_item, variant)


def _put_metafield(shop: Shop, product: Product, fields: Mapping[str, Any]) -> None:
    key, at = (fields["namespace"], fields["key"]), get_current_time()
    existing = next((m for m in product.metafields if (m.namespace, m.key) == key), None)
    if existing is not None:
        existing.value, existing.type, existing.updated_at = fields["value"], fields.get("type", existing.type), at
        return
    kind = fields.get("type", "single_line_text_field")
    product.metafields.append(Metafield(shop.allocate_number(), *key, kind, fields["value"], at))


def create_product(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> Product:
    """Create a product with one variant, and set `fields` as `update_product` does.

    `available` in `fields` (default 10) is the stock of the variant at every active location.
    """
    number, at = shop.allocate_number(), get_current_time()
    title = fields.get("title", "New product")
    product = Product(number, sample_texts.build_handle(title, number), title, "Acme", "", [], "ACTIVE", "", at, at)
    product.options = [Option(shop.allocate_number(), "Title", ["Default Title"])]
    item, available = shop.allocate_number() + 1, int(fields.get("available", 10))
    levels = [Level(item, location.number, available, at) for location in shop.locations if location.active]
    price = fields.get("price", "10.00")
    variant = Variant(item - 1, item, number, "Default Title", price, 1, ["Default Title"], at, at, at, levels=levels)
    product.variants = [variant]
    shop.put_product(product)
    # The update goes into a change set of its own: a creation must not send products/update, too.
    update_product(shop, ChangeSet(), number, {name: value for name, value in fields.items() if name != "available"})
    changes.add_changed_record("product", product)
    changes.add_event_if_subscribed("PRODUCTS_CREATE", webhook_payloads.build_product, product)
    changes.add_event_if_subscribed("INVENTORY_ITEMS_CREATE", webhook_payloads.build_item, variant)
    for level in levels:
        changes.add_event_if_subscribed("INVENTORY_LEVELS_CONNECT", webhook_payloads.build_level, level)
    return product


def delete_product(shop: Shop, changes: ChangeSet, number: int) -> Product | None:
    """Delete a product with its variants and their inventory, and remove it from every collection.

    Returns the product, or None if it does not exist.
    """
    product = shop.remove_product(number)
    if product is None:
        return None
    changes.add_deleted_record("product", number)
    changes.add_event_if_subscribed("PRODUCTS_DELETE", webhook_payloads.build_deletion, number)
    for variant in product.variants:
        changes.add_event_if_subscribed("INVENTORY_ITEMS_DELETE", webhook_payloads.build_deletion, variant.item)
    return product


def replace_products(shop: Shop, changes: ChangeSet, pairs: int, *, seed: int) -> None:
    """Create as many products as `pairs` says, and delete as many others. `seed` decides which ones are deleted."""
    numbers = [product.number for product in shop.products] if pairs else []
    for number in Random(seed).sample(numbers, min(pairs, len(numbers))):
        create_product(shop, changes, {"title": f"In place of {number}"})
        delete_product(shop, changes, number)


def set_stock_or_disconnect(
    shop: Shop, changes: ChangeSet, item: int, location_number: int, available: int | None
) -> Level | None:
    """Set the stock of an inventory item at a location to `available`. None disconnects the item from the location.

    An item that is not connected to the location is connected first. Returns the inventory level (the stock of this
    item at this location), or None if the item or the location does not exist.
    """
    variant, location = shop.items.get(item), shop.locations.get(location_number)
    product = shop.products.get(variant.product) if variant is not None else None
    if variant is None or product is None or location is None:
        return None
    level = set_level(changes, product, variant, location_number, available)
    if changes.inventory_touches_product:
        _mark_product_changed(changes, product)
    return level


def change_stock(shop: Shop, changes: ChangeSet, item: int, location_number: int, change: int) -> Level | None:
    """Add units to the stock of an inventory item at a location, as a sale does with a negative `change`.

    Returns the inventory level, or None if the item or the location does not exist.
    """
    variant = shop.items.get(item)
    levels = variant.levels if variant is not None else []
    present = sum(level.available for level in levels if level.location == location_number)
    return set_stock_or_disconnect(shop, changes, item, location_number, present + change)


def set_level(
    changes: ChangeSet, product: Product, variant: Variant, location_number: int, available: int | None
) -> Level:
    """Set the stock of the item of `variant` at a location, as `set_stock_or_disconnect` does, but not the product's
    `updated_at`. Returns the inventory level.
    """
    item = variant.item
    level = next((level for level in variant.levels if level.location == location_number), None)
    if level is None:
        level = Level(item, location_number, 0, get_current_time(), active=False)
        variant.levels = sorted([*variant.levels, level], key=lambda other: other.location)
    topic = _choose_level_topic(level, available)
    level.available, level.active, level.updated_at = available or 0, available is not None, get_current_time()
    build_body = webhook_payloads.build_disconnected_level if available is None else webhook_payloads.build_level
    changes.add_changed_record("product", product)
    changes.add_event_if_subscribed(topic, build_body, level)
    return level


def _choose_level_topic(level: Level, available: int | None) -> str:
    if available is None:
        return "INVENTORY_LEVELS_DISCONNECT"
    return "INVENTORY_LEVELS_UPDATE" if level.active else "INVENTORY_LEVELS_CONNECT"


def create_location(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> Location:
    """Create a location without stock, with the `name` in `fields`."""
    at = get_current_time()
    location = Location(shop.allocate_number(), fields.get("name", "New location"), "Berlin", "DE", at, at)
    shop.locations.put(location)
    changes.add_changed_record("location", location)
    changes.add_event_if_subscribed("LOCATIONS_CREATE", webhook_payloads.build_location, location)
    return location


def update_location(shop: Shop, changes: ChangeSet, number: int, fields: Mapping[str, Any]) -> Location | None:
    """Set the `name` and the `active` flag of a location, if `fields` has them.

    Returns the location, or None if it does not exist.
    """
    location = shop.locations.get(number)
    if location is None:
        return None
    was_active = location.active
    location.name, location.active = fields.get("name", location.name), fields.get("active", location.active)
    location.updated_at = get_current_time()
    changes.add_changed_record("location", location)
    changes.add_event_if_subscribed("LOCATIONS_UPDATE", webhook_payloads.build_location, location)
    if was_active != location.active:
        topic = "LOCATIONS_ACTIVATE" if location.active else "LOCATIONS_DEACTIVATE"
        changes.add_event_if_subscribed(topic, webhook_payloads.build_location, location)
    return location


def update_shop(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> None:
    """Set the name, currency, timezone or email of a shop."""
    for name in ("name", "currency", "timezone", "email"):
        if name in fields:
            setattr(shop.profile, name, fields[name])
    shop.profile.updated_at = get_current_time()
    changes.add_event_if_subscribed("SHOP_UPDATE", webhook_payloads.build_shop, shop.profile)


def apply_burst(shop: Shop, changes: ChangeSet, edit_count: int, product_count: int, seed: int) -> list[int]:
    """Make many edits in quick succession, as an import does, and return the numbers of the edited products.

    Each of the `edit_count` edits changes a title and a price. `seed` chooses `product_count` products, which are
    edited in turn.
    """
    rng = Random(seed)
    numbers = [product.number for product in shop.products]
    sample = rng.sample(numbers, min(product_count, len(numbers)))
    for index in range(edit_count if sample else 0):
        price = f"{rng.randrange(1, 500)}.{rng.randrange(100):02}"
        title = f"{sample_texts.choose_title(rng)} v{seed}.{index}"
        update_product(shop, changes, sample[index % len(sample)], {"title": title, "price": price})
    return sample
