"""The modes in which a link is synced: in which direction, and which records.

Links keep both sides in step without any of this: each change is planned as it is stored. A sync is for catching up,
and for knowing that everything up to a moment is written.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from linking.records import Side


class Scope(StrEnum):
    """Which records a sync is about.

    `changed`: what has changed since both sides last agreed, as far as it is stored. `all`: everything, read anew from
    its platform. `ids`: certain products, read anew.
    """

    CHANGED = "changed"
    ALL = "all"
    IDS = "ids"


@dataclass(frozen=True)
class SyncMode:
    """What a mode stands for: the sides that are written to, and which records of the other sides are."""

    name: str
    targets: tuple[Side, ...]
    scope: Scope

    @property
    def sources(self) -> tuple[Side, ...]:
        """Return the sides that are read."""
        return tuple(side.other for side in self.targets)


REGULAR = "import_then_export_products"
"""The mode that catches up in both directions."""
_ALL = (
    SyncMode(REGULAR, (Side.ODOO, Side.SHOPIFY), Scope.CHANGED),
    SyncMode("import_changed_products", (Side.ODOO,), Scope.CHANGED),
    SyncMode("import_all_products", (Side.ODOO,), Scope.ALL),
    SyncMode("import_one_product", (Side.ODOO,), Scope.IDS),
    SyncMode("export_changed_products", (Side.SHOPIFY,), Scope.CHANGED),
    SyncMode("export_all_products", (Side.SHOPIFY,), Scope.ALL),
    SyncMode("export_batch_products", (Side.SHOPIFY,), Scope.IDS),
)
MODES = MappingProxyType({mode.name: mode for mode in _ALL})
"""The modes by name. An import writes to Odoo, an export to Shopify."""
