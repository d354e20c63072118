"""The readers of one database, as one step of a sync uses them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from odoo_fetcher.product_reader import ProductReader
from odoo_fetcher.small_readers import COMPANY, TAXES, WAREHOUSES, SmallReader
from odoo_fetcher.stock_reader import StockReader
from odoo_fetcher.watched_models import PRODUCTS, STOCK
from platforms.odoo.database_fields import DatabaseFields
from platforms.odoo.reading import Clock, RecordsSession


@dataclass(frozen=True)
class DatabaseReader:
    """Reads a database that has `fields` in `session`."""

    session: RecordsSession
    fields: DatabaseFields
    now: Clock
    products: ProductReader = field(init=False)
    stock: StockReader = field(init=False)
    small: SmallReader = field(init=False)

    def __post_init__(self) -> None:
        """Open the readers of the resources."""
        object.__setattr__(self, "products", ProductReader(self.session, self.fields, self.now))
        object.__setattr__(self, "stock", StockReader(self.session, self.now))
        object.__setattr__(self, "small", SmallReader(self.session, self.now))

    def list_resources(self) -> Sequence[str]:
        """Return the resources that the database has, in the order in which they are read."""
        has = {COMPANY: True, WAREHOUSES: self.fields.has_stock, TAXES: self.fields.has_taxes}
        small = [resource for resource, is_there in has.items() if is_there]
        return (*small, PRODUCTS, *([STOCK] if self.fields.has_stock else []))

    def read_clock(self) -> int:
        """Return the time in ms since the Unix epoch."""
        return round(self.now() * 1000)
