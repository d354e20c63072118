"""What a database has: which fields and models, by what it says of itself and never by its version."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from platforms.odoo.reading import RecordsSession

TEMPLATE, VARIANT = "product.template", "product.product"
TEMPLATE_FIELDS = (
    "id",
    "name",
    "active",
    "type",
    "detailed_type",
    "is_storable",
    "sale_ok",
    "description_sale",
    "website_description",
    "is_published",
    # Many databases have a field of this name of their own; links can be told to look at it.
    "is_ready_for_sale",
    "default_code",
    "barcode",
    "list_price",
    "currency_id",
    "categ_id",
    "product_tag_ids",
    "taxes_id",
    "weight",
    "weight_uom_name",
    "product_template_image_ids",
    "write_date",
    "create_date",
)
VARIANT_FIELDS = (
    "id",
    "product_tmpl_id",
    "active",
    "default_code",
    "barcode",
    "lst_price",
    "standard_price",
    "weight",
    "product_template_attribute_value_ids",
    "write_date",
)
MAPPING_VERSION = 1
"""Rises with each change of what the records look like, so that everything is read again."""


@dataclass(frozen=True)
class DatabaseFields:
    """The fields of templates and of variants that the user may read."""

    template: frozenset[str]
    variant: frozenset[str]

    @property
    def template_fields(self) -> tuple[str, ...]:
        """The fields that are read of a template."""
        return tuple(name for name in TEMPLATE_FIELDS if name == "id" or name in self.template)

    @property
    def variant_fields(self) -> tuple[str, ...]:
        """The fields that are read of a variant."""
        return tuple(name for name in VARIANT_FIELDS if name == "id" or name in self.variant)

    @property
    def has_stock(self) -> bool:
        """Whether Odoo's app for stock is installed, which adds the counted quantity to the variants."""
        return "qty_available" in self.variant

    @property
    def has_taxes(self) -> bool:
        """Whether products have taxes."""
        return "taxes_id" in self.template

    @property
    def has_tags(self) -> bool:
        """Whether products have tags."""
        return "product_tag_ids" in self.template

    @property
    def has_extra_images(self) -> bool:
        """Whether products have more than one image, as those of a web shop have."""
        return "product_template_image_ids" in self.template

    @property
    def digest(self) -> str:
        """A text that is another one when records look otherwise: by the mapping, or for another field."""
        parts: Iterable[str] = (str(MAPPING_VERSION), *self.template_fields, "|", *self.variant_fields)
        return hashlib.sha256(",".join((*parts, str(self.has_stock))).encode()).hexdigest()[:16]


async def read_database_fields(session: RecordsSession) -> DatabaseFields:
    """Ask a database for the fields of its products."""
    template, variant = await session.get_fields(TEMPLATE), await session.get_fields(VARIANT)
    return DatabaseFields(frozenset(template), frozenset(variant))
