"""One edit of a product by a mutation, of which only real changes move times and send webhooks.

As at Shopify, a value that is written again is no change: it moves no `updated_at`.
"""

from typing import Any

from sandbox.shopify import edits, webhook_payloads
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.model import Level, Product, Variant
from sandbox.shopify.shops import Shop, get_current_time

_SHARED_FIELDS = ("sku", "tracked")
"""The fields of an inventory item that its variant shows, too: with them, the variant and the product change."""


class ProductEdit:
    """Changes a product with its variants and their inventory items.

    Times and webhooks follow from what was changed when `finish` is called. The caller holds the lock of the shop.
    """

    def __init__(self, shop: Shop, changes: ChangeSet, product: Product, *, is_new: bool = False) -> None:
        self.shop = shop
        self.product = product
        self.at = get_current_time()
        self._changes = changes
        self._is_new = is_new
        self._is_product_changed = False
        self._is_stock_changed = False
        self._changed_variants: dict[int, Variant] = {}
        self._changed_items: dict[int, Variant] = {}
        self._created: dict[int, Variant] = {}
        self._deleted: list[Variant] = []

    def set_field(self, name: str, value: Any) -> None:
        """Set a field of the product."""
        if getattr(self.product, name) != value:
            setattr(self.product, name, value)
            self._is_product_changed = True

    def mark_changed(self, variant: Variant | None = None) -> None:
        """Note that something of the product has changed, or of one of its variants."""
        self._is_product_changed = True
        if variant is not None:
            self._changed_variants[variant.number] = variant

    def set_variant_field(self, variant: Variant, name: str, value: Any) -> None:
        """Set a field of a variant."""
        if getattr(variant, name) != value:
            setattr(variant, name, value)
            self.mark_changed(variant)

    def set_item_field(self, variant: Variant, name: str, value: Any) -> None:
        """Set a field of the inventory item of a variant."""
        if getattr(variant, name) != value:
            setattr(variant, name, value)
            self._changed_items[variant.item] = variant
            if name in _SHARED_FIELDS:
                self.mark_changed(variant)

    def set_stock(self, variant: Variant, location: int, available: int) -> None:
        """Set the stock of a variant at a location, and connect its item to the location if it is not yet."""
        level = next((level for level in variant.levels if level.location == location), None)
        if variant.number in self._created:
            if level is None:
                variant.levels.append(Level(variant.item, location, available, self.at))
        elif level is None or not level.active or level.available != available:
            edits.set_level(self._changes, self.product, variant, location, available)
            self._is_stock_changed = True

    def add_variant(self, values: list[str]) -> Variant:
        """Add a variant with these option values, at the end, without a price and without stock."""
        number, item = self.shop.allocate_number(), self.shop.allocate_number()
        position = len(self.product.variants) + 1
        variant = Variant(
            number, item, self.product.number, " / ".join(values), "0.00", position, values, self.at, self.at, self.at,
            tracked=False,
        )  # fmt: skip
        self.product.variants.append(variant)
        self._created[number] = variant
        self._is_product_changed = True
        return variant

    def remove_variant(self, variant: Variant) -> None:
        """Delete a variant with its inventory item."""
        self.product.variants = [other for other in self.product.variants if other.number != variant.number]
        self.shop.variants.remove(variant.number)
        self.shop.items.remove(variant.item)
        self._deleted.append(variant)
        self._is_product_changed = True

    def finish(self) -> bool:
        """Set all times, and add the changed records and the webhooks to the change set. Return if anything changed."""
        if not (self._is_new or self._is_product_changed or self._is_stock_changed or self._changed_items):
            return False
        for position, variant in enumerate(self.product.variants, 1):
            self.set_variant_field(variant, "position", position)
        for variant in self._changed_variants.values():
            variant.updated_at = self.at
        for variant in self._changed_items.values():
            variant.item_updated_at = self.at
        self._store()
        self._add_events()
        return True

    def _store(self) -> None:
        touches_product = self._is_stock_changed and self._changes.inventory_touches_product
        self._is_product_changed = self._is_product_changed or touches_product
        if self._is_product_changed:
            self.product.updated_at = self.at
        self.shop.products.put(self.product)
        for variant in self._created.values():
            variant.levels.sort(key=lambda level: level.location)
            self.shop.variants.put(variant)
            self.shop.items.put(variant)
        self.shop.invalidate_memberships()
        self._changes.add_changed_record("product", self.product)

    def _add_events(self) -> None:
        add = self._changes.add_event_if_subscribed
        if self._is_new:
            add("PRODUCTS_CREATE", webhook_payloads.build_product, self.product)
        elif self._is_product_changed:
            add("PRODUCTS_UPDATE", webhook_payloads.build_product, self.product)
        for variant in self._created.values():
            self._changed_items.pop(variant.item, None)
            add("INVENTORY_ITEMS_CREATE", webhook_payloads.build_item, variant)
            for level in variant.levels:
                add("INVENTORY_LEVELS_CONNECT", webhook_payloads.build_level, level)
        for variant in self._changed_items.values():
            add("INVENTORY_ITEMS_UPDATE", webhook_payloads.build_item, variant)
        for variant in self._deleted:
            add("INVENTORY_ITEMS_DELETE", webhook_payloads.build_deletion, variant.item)
