"""The fields that both sides of a link share. Each is declared once: its group, its kind, and who decides conflicts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from linking.records import PRODUCTS, VARIANTS, Side


class Authority(StrEnum):
    """Who decides when both sides have changed a field to different values.

    `newest` is the side whose value was seen last; `hold` leaves it to a person.
    """

    SHOPIFY = "shopify"
    ODOO = "odoo"
    NEWEST = "newest"
    HOLD = "hold"


class Group(StrEnum):
    """A group of fields, for which a link has one rule."""

    CONTENT = "content"
    PRICE = "price"
    STATUS = "status"
    IDENTITY = "identity"
    STOCK = "stock"


class ValueKind(StrEnum):
    """What a field's values are, and so how they are compared (`linking.values`)."""

    TEXT = "text"
    HTML = "html"
    MONEY = "money"
    WEIGHT = "weight"
    TAGS = "tags"
    OPTIONS = "options"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class GroupRule:
    """A link's rule for a group: who decides conflicts, and from which side alone values come (None: from both).

    With `one_way`, what the other side has changed is written back.
    """

    authority: Authority
    one_way: Side | None = None


@dataclass(frozen=True)
class SharedField:
    """A shared field of a resource."""

    resource: str
    name: str
    group: Group
    kind: ValueKind


FIELDS = (
    SharedField(PRODUCTS, "title", Group.CONTENT, ValueKind.TEXT),
    SharedField(PRODUCTS, "description", Group.CONTENT, ValueKind.HTML),
    SharedField(PRODUCTS, "vendor", Group.CONTENT, ValueKind.TEXT),
    SharedField(PRODUCTS, "product_type", Group.CONTENT, ValueKind.TEXT),
    SharedField(PRODUCTS, "tags", Group.CONTENT, ValueKind.TAGS),
    SharedField(PRODUCTS, "options", Group.CONTENT, ValueKind.OPTIONS),
    SharedField(PRODUCTS, "published", Group.STATUS, ValueKind.BOOLEAN),
    SharedField(VARIANTS, "sku", Group.IDENTITY, ValueKind.TEXT),
    SharedField(VARIANTS, "barcode", Group.IDENTITY, ValueKind.TEXT),
    SharedField(VARIANTS, "price", Group.PRICE, ValueKind.MONEY),
    SharedField(VARIANTS, "compare_at_price", Group.PRICE, ValueKind.MONEY),
    SharedField(VARIANTS, "cost", Group.PRICE, ValueKind.MONEY),
    SharedField(VARIANTS, "weight", Group.CONTENT, ValueKind.WEIGHT),
)
"""All shared fields. Which of them a link keeps in step is its setting `fields`."""

DEFAULT_RULES = {
    Group.CONTENT: GroupRule(Authority.ODOO),
    Group.PRICE: GroupRule(Authority.ODOO),
    Group.STATUS: GroupRule(Authority.SHOPIFY),
    Group.IDENTITY: GroupRule(Authority.ODOO),
    Group.STOCK: GroupRule(Authority.ODOO),
}


def list_fields(resource: str, names: Collection[str] | None = None) -> tuple[SharedField, ...]:
    """Return the fields of `resource`; with `names`, only those that are in it."""
    return tuple(one for one in FIELDS if one.resource == resource and (names is None or one.name in names))


def list_field_names(fields: Iterable[SharedField] = FIELDS) -> tuple[str, ...]:
    """Return the names of `fields`, in their order, each once."""
    return tuple(dict.fromkeys(one.name for one in fields))
