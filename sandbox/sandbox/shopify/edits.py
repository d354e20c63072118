"""What can happen to a shop: each edit changes records, moves their `updated_at` and says which webhooks it fires.

All are called with the shop's lock held. A number that the shop does not know gives None and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.shopify import webhook_payloads
from sandbox.shopify.model import (
    Collection,
    Discount,
    Level,
    Location,
    Metafield,
    Option,
    Product,
    Record,
    Variant,
)
from sandbox.shopify.shops import Shop, now

FIELD_NAMES = {"productType": "product_type", "descriptionHtml": "description"}
_PRODUCT_FIELDS = ("title", "handle", "vendor", "product_type", "status", "category")
_VARIANT_FIELDS = ("title", "price", "compare_at_price", "sku", "barcode", "policy", "tracked")


@dataclass(slots=True)
class Ledger:
    """What an edit did: records to be kept (None: gone) and webhooks to be sent, of the topics in `wanted` only."""

    wanted: frozenset[str] = frozenset()
    inventory_touches_product: bool = True
    saved: dict[tuple[str, int], Record | None] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def keep(self, kind: str, record: Product | Collection | Discount | Location) -> None:
        """Note that `record` is new or changed."""
        self.saved[kind, record.number] = record

    def drop(self, kind: str, number: int) -> None:
        """Note that a record is gone."""
        self.saved[kind, number] = None

    def say(self, topic: str, build: Callable[..., dict[str, Any]], *about: Any) -> None:
        """Fire a webhook whose body is `build(*about)`, if anybody listens to `topic`."""
        if topic in self.wanted:
            self.events.append((topic, build(*about)))


def touch_product(shop: Shop, ledger: Ledger, number: int) -> Product | None:
    """Move a product's `updated_at` and nothing else."""
    product = shop.products.get(number)
    if product is not None:
        _product_changed(ledger, product)
    return product


def _product_changed(ledger: Ledger, product: Product) -> None:
    product.updated_at = now()
    ledger.keep("product", product)
    ledger.say("PRODUCTS_UPDATE", webhook_payloads.product, product)


def update_product(shop: Shop, ledger: Ledger, number: int, fields: Mapping[str, Any]) -> Product | None:
    """Set a product's own fields, `description`, `tags`, `price` (of its first variant), `variants` ([{id, …}]) and
    `metafields` ([{namespace, key, type, value}], which are added or replaced)."""
    product = shop.products.get(number)
    if product is None:
        return None
    for name in _PRODUCT_FIELDS:
        if name in fields:
            setattr(product, name, fields[name])
    if "tags" in fields:
        product.tags = sorted(set(fields["tags"]))
    if "description" in fields:
        product.text = fields["description"]
    changes = list(fields.get("variants") or ())
    if "price" in fields:
        changes.append({"id": product.variants[0].number, "price": fields["price"]})
    for change in changes:
        _update_variant(shop, ledger, change)
    for metafield in fields.get("metafields") or ():
        _put_metafield(shop, product, metafield)
    shop.changed_membership()
    _product_changed(ledger, product)
    return product


def _update_variant(shop: Shop, ledger: Ledger, change: Mapping[str, Any]) -> None:
    variant = shop.variants.get(int(change["id"]))
    if variant is None:
        return
    for name in _VARIANT_FIELDS:
        if name in change:
            setattr(variant, name, change[name])
    variant.updated_at = now()
    if "tracked" in change or "sku" in change:
        variant.item_updated_at = variant.updated_at
        ledger.say("INVENTORY_ITEMS_UPDATE", webhook_payloads.item, variant)


def _put_metafield(shop: Shop, product: Product, body: Mapping[str, Any]) -> None:
    same = (m for m in product.metafields if (m.namespace, m.key) == (body["namespace"], body["key"]))
    found = next(same, None)
    if found is not None:
        found.value, found.type, found.updated_at = body["value"], body.get("type", found.type), now()
        return
    kind = body.get("type", "single_line_text_field")
    product.metafields.append(Metafield(shop.next_number(), body["namespace"], body["key"], kind, body["value"], now()))


def create_product(shop: Shop, ledger: Ledger, fields: Mapping[str, Any]) -> Product:
    """A new product with one variant, stocked at every active location with `available` pieces; else as
    `update_product`.
    """
    number, at = shop.next_number(), now()
    title = fields.get("title", "New product")
    product = Product(number, sample_texts.handle(title, number), title, "Acme", "", [], "ACTIVE", "", at, at)
    product.options = [_default_option(shop)]
    item, held = shop.next_number() + 1, int(fields.get("available", 10))
    levels = [Level(item, place.number, held, at) for place in shop.locations if place.active]
    price = fields.get("price", "10.00")
    variant = Variant(item - 1, item, number, "Default Title", price, 1, ["Default Title"], at, at, at, levels=levels)
    product.variants = [variant]
    shop.put_product(product)
    silent = Ledger()
    update_product(shop, silent, number, {name: value for name, value in fields.items() if name != "available"})
    ledger.keep("product", product)
    ledger.say("PRODUCTS_CREATE", webhook_payloads.product, product)
    ledger.say("INVENTORY_ITEMS_CREATE", webhook_payloads.item, variant)
    for level in levels:
        ledger.say("INVENTORY_LEVELS_CONNECT", webhook_payloads.level, level)
    return product


def _default_option(shop: Shop) -> Option:
    return Option(shop.next_number(), "Title", ["Default Title"])


def delete_product(shop: Shop, ledger: Ledger, number: int) -> Product | None:
    """A product goes, with its variants and their inventory, out of every collection."""
    product = shop.remove_product(number)
    if product is None:
        return None
    ledger.drop("product", number)
    ledger.say("PRODUCTS_DELETE", webhook_payloads.deleted, number)
    for variant in product.variants:
        ledger.say("INVENTORY_ITEMS_DELETE", webhook_payloads.deleted, variant.item)
    return product


def set_inventory(shop: Shop, ledger: Ledger, item: int, place: int, available: int | None) -> Level | None:
    """Stock `available` pieces of an inventory item at a location, connecting it if need be; None disconnects it."""
    variant, location = shop.items.get(item), shop.locations.get(place)
    product = shop.products.get(variant.product) if variant is not None else None
    if variant is None or product is None or location is None:
        return None
    level = next((level for level in variant.levels if level.location == place), None)
    if level is None:
        level = Level(item, place, 0, now(), active=False)
        variant.levels = sorted([*variant.levels, level], key=lambda held: held.location)
    topic = _level_topic(level, available)
    level.available, level.active, level.updated_at = available or 0, available is not None, now()
    body = webhook_payloads.disconnected if available is None else webhook_payloads.level
    ledger.keep("product", product)
    ledger.say(topic, body, level)
    if ledger.inventory_touches_product:
        _product_changed(ledger, product)
    return level


def _level_topic(level: Level, available: int | None) -> str:
    if available is None:
        return "INVENTORY_LEVELS_DISCONNECT"
    return "INVENTORY_LEVELS_UPDATE" if level.active else "INVENTORY_LEVELS_CONNECT"


def create_location(shop: Shop, ledger: Ledger, fields: Mapping[str, Any]) -> Location:
    """A new, empty location."""
    at = now()
    place = Location(shop.next_number(), fields.get("name", "New location"), "Berlin", "DE", at, at)
    shop.locations.put(place)
    ledger.keep("location", place)
    ledger.say("LOCATIONS_CREATE", webhook_payloads.location, place)
    return place


def update_location(shop: Shop, ledger: Ledger, number: int, fields: Mapping[str, Any]) -> Location | None:
    """Rename a location or make it `active` or not."""
    place = shop.locations.get(number)
    if place is None:
        return None
    was_active = place.active
    place.name, place.active = fields.get("name", place.name), fields.get("active", place.active)
    place.updated_at = now()
    ledger.keep("location", place)
    ledger.say("LOCATIONS_UPDATE", webhook_payloads.location, place)
    if was_active != place.active:
        topic = "LOCATIONS_ACTIVATE" if place.active else "LOCATIONS_DEACTIVATE"
        ledger.say(topic, webhook_payloads.location, place)
    return place


def update_shop(shop: Shop, ledger: Ledger, fields: Mapping[str, Any]) -> None:
    """Rename a shop, or set its currency, timezone or email."""
    for name in ("name", "currency", "timezone", "email"):
        if name in fields:
            setattr(shop.profile, name, fields[name])
    shop.profile.updated_at = now()
    ledger.say("SHOP_UPDATE", webhook_payloads.shop, shop.profile)


def burst(shop: Shop, ledger: Ledger, edits: int, products: int, seed: int) -> list[int]:
    """`edits` changes of title and price over `products` distinct products, as an import does; returns their
    numbers.
    """
    rng = Random(seed)
    numbers = [product.number for product in shop.products]
    chosen = rng.sample(numbers, min(products, len(numbers)))
    for index in range(edits if chosen else 0):
        price = f"{rng.randrange(1, 500)}.{rng.randrange(100):02}"
        number = chosen[index % len(chosen)]
        update_product(shop, ledger, number, {"title": f"{sample_texts.title(rng)} v{seed}.{index}", "price": price})
    return chosen
