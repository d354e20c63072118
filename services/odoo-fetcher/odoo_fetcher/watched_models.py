"""The models whose changes change records: which fields tell of which products and of which stock."""

from collections.abc import Iterable
from dataclasses import dataclass

from odoo_fetcher.stock_reader import LOCATION, QUANT
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import TEMPLATE, VARIANT, DatabaseFields
from platforms.odoo.field_values import read_reference

PRODUCTS, STOCK = "products", "stock"
SeenRow = tuple[int, ...]
"""The id of a record, and the ids in the fields of its `WatchedModel`, 0 where one is empty."""


@dataclass(frozen=True)
class Lookup:
    """Finds the records that show a value of another one: those of `model` with it in `field`, and their `result`."""

    model: str
    field: str
    operator: str = "in"
    result: str = "id"


@dataclass(frozen=True)
class WatchedModel:
    """A model whose `write_date` is watched.

    `fields` are many2one fields. Of them, or of `id`, `template`, `product` and `locations` name those that hold the
    template, the variant and the locations that a record is about. Where no field names a template or a variant,
    `template_lookup` or `product_lookup` finds those that show the record. `is_counted` says that records with
    old times become fewer only when they are deleted. Those with `remembers` are remembered while they are new, so that
    their deletion shows. `is_rare` models are looked at less often.
    """

    model: str
    fields: tuple[str, ...] = ()
    condition: tuple[object, ...] = ()
    template: str = ""
    product: str = ""
    locations: tuple[str, ...] = ()
    template_lookup: Lookup | None = None
    product_lookup: Lookup | None = None
    is_counted: bool = False
    remembers: bool = False
    is_rare: bool = False

    def select(self, row: Row) -> SeenRow:
        """Return what is remembered of a record."""
        return (row["id"], *(read_reference(row.get(name)) or 0 for name in self.fields))

    def get(self, seen: SeenRow, name: str) -> int:
        """Return the id in a field of a remembered record; 0 where there is none."""
        return dict(zip(("id", *self.fields), seen, strict=False)).get(name, 0) if name else 0

    def is_about(self, resource: str) -> bool:
        """Return whether a change of the model changes records of a resource."""
        if resource == PRODUCTS:
            return bool(self.template or self.template_lookup)
        return bool(self.product or self.product_lookup)


_TEMPLATES = WatchedModel(TEMPLATE, template="id", is_counted=True, remembers=True)
_VARIANTS = WatchedModel(
    VARIANT, ("product_tmpl_id",), template="product_tmpl_id", product="id", is_counted=True, remembers=True
)
_PRICES = WatchedModel("product.template.attribute.value", ("product_tmpl_id",), template="product_tmpl_id")
_QUANTS = WatchedModel(
    QUANT, ("product_id", "location_id"), product="product_id", locations=("location_id",), remembers=True
)
_MOVES = WatchedModel(
    "stock.move.line",
    ("product_id", "location_id", "location_dest_id"),
    condition=(("state", "=", "done"),),
    product="product_id",
    locations=("location_id", "location_dest_id"),
)
"""A quant that becomes empty is deleted, and leaves nothing but the move that has emptied it."""
_LINES = WatchedModel("product.template.attribute.line", ("product_tmpl_id",), template="product_tmpl_id", is_rare=True)
_ATTRIBUTES = WatchedModel(
    "product.attribute", template_lookup=Lookup(TEMPLATE, "attribute_line_ids.attribute_id"), is_rare=True
)
_VALUES = WatchedModel(
    "product.attribute.value", template_lookup=Lookup(TEMPLATE, "attribute_line_ids.value_ids"), is_rare=True
)
_CATEGORIES = WatchedModel(
    # The name of a category begins with those of the categories that it is in.
    "product.category",
    template_lookup=Lookup(TEMPLATE, "categ_id", "child_of"),
    is_rare=True,
)
_TAGS = WatchedModel("product.tag", template_lookup=Lookup(TEMPLATE, "product_tag_ids"), is_rare=True)
_IMAGES = WatchedModel("product.image", ("product_tmpl_id",), template="product_tmpl_id", is_rare=True)
_UNITS = WatchedModel("uom.uom", product_lookup=Lookup(VARIANT, "uom_id"), is_rare=True)
_LOCATIONS = WatchedModel(LOCATION, product_lookup=Lookup(QUANT, "location_id", "child_of", "product_id"), is_rare=True)


def list_watched_models(fields: DatabaseFields, skipped: Iterable[str]) -> tuple[WatchedModel, ...]:
    """Return the models that a database has, without those of the resources in `skipped`."""
    models = [_TEMPLATES, _VARIANTS, _PRICES, _LINES, _ATTRIBUTES, _VALUES, _CATEGORIES]
    models += [_TAGS] if fields.has_tags else []
    models += [_IMAGES] if fields.has_extra_images else []
    if fields.has_stock and STOCK not in skipped:
        models += [_QUANTS, _MOVES, _UNITS, _LOCATIONS]
    return tuple(models)
