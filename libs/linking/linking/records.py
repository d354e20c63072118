"""What a link knows of a record of one side: the shared fields' values and the keys by which it is matched.

The values have one form for both sides (`linking.values`): the platforms' `linking` modules translate into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PRODUCTS, VARIANTS, STOCK = "products", "variants", "stock"
"""The linked resources: products (templates in Odoo), their variants, and the stock of these: its parent is the
variant, and its values are whole units by the side's ids of locations. A variant's parent is its product."""


class Side(StrEnum):
    """One of the two platforms of a link."""

    SHOPIFY = "shopify"
    ODOO = "odoo"

    @property
    def other(self) -> "Side":
        """The other side of the link."""
        return Side.ODOO if self is Side.SHOPIFY else Side.SHOPIFY


SHOP_SIDE, DATABASE_SIDE = Side.SHOPIFY, Side.ODOO
"""The side of the shop, which is in one link at most, and the side of the database, which may be in several."""


class SkuFormat(StrEnum):
    """How a shop's SKU field is written (`linking.sku_formats`)."""

    PLAIN = "plain"
    SKU_BIN = "sku-bin"


class DomainPreset(StrEnum):
    """A condition that an Odoo product must meet in order to go out to the shop. All chosen ones must be met."""

    SALE_OK = "sale_ok"
    ACTIVE = "active"
    IS_READY_FOR_SALE = "is_ready_for_sale"
    IS_PUBLISHED = "is_published"
    WEBSITE_DESCRIPTION = "website_description"
    GOODS = "goods"


DOMAIN_FIELDS = {
    DomainPreset.SALE_OK: "sale_ok",
    DomainPreset.ACTIVE: "active",
    DomainPreset.IS_READY_FOR_SALE: "is_ready_for_sale",
    DomainPreset.IS_PUBLISHED: "is_published",
    DomainPreset.WEBSITE_DESCRIPTION: "website_description",
    DomainPreset.GOODS: "type",
}
"""The field of `product.template` that each condition looks at."""


Value = Any
"""The value of a shared field, as JSON: a string, a boolean, a list, an object or None."""
Values = Mapping[str, Value]
"""Values by the names of fields. A field that is missing is one that the side does not tell; None is an empty one."""


@dataclass(frozen=True)
class MatchKeys:
    """The keys by which a variant is matched; None where it has none."""

    sku: str | None = None
    barcode: str | None = None


@dataclass(frozen=True)
class LinkedRecord:
    """A product, a variant, or stock of one side, in the form that both sides share.

    `id` is the platform's own: a gid, or Odoo's id as text. `children` are a product's variants, in the platform's
    order.
    """

    resource: str
    id: str
    values: Values
    keys: MatchKeys = field(default_factory=MatchKeys)
    parent: str | None = None
    children: tuple["LinkedRecord", ...] = ()
    is_archived: bool = False
    is_in_domain: bool = True
    """Whether the record may go out to the other side; False for an Odoo product that the link's domain excludes."""
    lacking: tuple[str, ...] = ()
    """The fields of Odoo that the link's domain looks at and the product's database has not."""
    currency: str | None = None
    """The ISO 4217 code of the record's amounts; None where the record does not tell (it is then the account's)."""
    option_values: Mapping[str, str] = field(default_factory=dict)
    """Of a variant: its value of each option of the product."""
    is_stocked: bool = True
    """Of a variant: whether the side counts its stock, so that a location where nothing is known of has none."""
    bin: str | None = None
    """The bin that stands behind the SKU in the shop's field with the format `sku-bin`; empty if there is none."""


@dataclass(frozen=True)
class ExtractOptions:
    """What the platforms' `linking` modules must know of a link in order to read its records."""

    sku_format: SkuFormat = SkuFormat.PLAIN
    domain: tuple[DomainPreset, ...] = (DomainPreset.SALE_OK, DomainPreset.ACTIVE)
