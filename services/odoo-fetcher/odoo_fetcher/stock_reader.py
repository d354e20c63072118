"""Reads what is there of products at internal locations, summed over Odoo's quants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.events import Record
from odoo_fetcher.mappers.stock import StockKey, build_tombstone, group_quants, map_stock
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import VARIANT
from platforms.odoo.reading import ALL, Clock, RecordsSession, list_rows

QUANT, LOCATION = "stock.quant", "stock.location"
QUANT_FIELDS = ("id", "product_id", "location_id", "quantity", "reserved_quantity", "write_date")
PRODUCT_FIELDS = ("id", "product_tmpl_id", "default_code", "uom_id")
LOCATION_FIELDS = ("id", "complete_name", "warehouse_id")
IS_INTERNAL = ("location_id.usage", "=", "internal")
"""The locations of the company's own goods: not those of customers, suppliers and losses."""
MAX_TRIES = 5
"""How often the quants of a batch are read again because they have changed while they were counted."""


@dataclass(frozen=True)
class StockBatch:
    """The stock of some products. `quants` were read, `count_before` and `count_after` were counted around that."""

    records: tuple[Record, ...]
    quants: int
    count_before: int
    count_after: int


class StockReader:
    """Reads the stock of products."""

    def __init__(self, session: RecordsSession, now: Clock) -> None:
        self._session = session
        self._now = now

    async def read_counted(self, products: Sequence[int]) -> StockBatch:
        """Return the stock of these products, with Odoo's counts of the quants as evidence that none is missing."""
        domain = [("product_id", "in", list(products)), IS_INTERNAL]
        for _ in range(MAX_TRIES):
            before = await self._session.search_count(QUANT, domain, context=ALL)
            read_at = self._read_clock()
            quants = await self._list_quants(products)
            after = await self._session.search_count(QUANT, domain, context=ALL)
            if before == len(quants) == after:
                break
        return StockBatch(tuple(await self._map(quants, read_at)), len(quants), before, after)

    async def read_changed(self, wanted: Mapping[int, Iterable[int]]) -> list[Record]:
        """Return the whole stock of these products, and a tombstone for each of the locations where nothing is left.

        `wanted` has locations by product. Those that are not internal, e.g. where deliveries end, have no stock.
        """
        read_at = self._read_clock()
        quants = await self._list_quants(list(wanted))
        records = await self._map(quants, read_at)
        held = set(group_quants(quants))
        empty = [(product, place) for product, places in wanted.items() for place in sorted(set(places))]
        internal = await self._list_internal({place for key in empty if key not in held for place in key[1:]})
        records += [build_tombstone(key, read_at) for key in empty if key not in held and key[1] in internal]
        return records

    async def read_keys(self, keys: Sequence[StockKey]) -> list[Record]:
        """Return what is there of products at locations, and a tombstone where nothing is. Nothing else is returned."""
        read_at = self._read_clock()
        wanted = set(keys)
        quants = group_quants(await self._list_quants({product for product, _ in keys}))
        chosen = [quant for key, several in quants.items() if key in wanted for quant in several]
        records = await self._map(chosen, read_at)
        return [*records, *(build_tombstone(key, read_at) for key in keys if key not in quants)]

    async def _list_quants(self, products: Iterable[int]) -> list[Row]:
        return await list_rows(self._session, QUANT, "product_id", products, QUANT_FIELDS, IS_INTERNAL)

    async def _list_internal(self, locations: Iterable[int]) -> set[int]:
        """Return which of these locations are internal. One that is deleted held stock once, as far as is known."""
        rows = await list_rows(self._session, LOCATION, "id", locations, ("id", "usage"))
        others = {row["id"] for row in rows if row["usage"] != "internal"}
        return set(locations) - others

    async def _map(self, quants: Sequence[Row], read_at: int) -> list[Record]:
        grouped = group_quants(quants)
        product_ids = {product for product, _ in grouped}
        products = {
            row["id"]: row for row in await list_rows(self._session, VARIANT, "id", product_ids, PRODUCT_FIELDS)
        }
        places = {place for _, place in grouped}
        locations = {row["id"]: row for row in await list_rows(self._session, LOCATION, "id", places, LOCATION_FIELDS)}
        return [
            map_stock(key, grouped[key], products[key[0]], locations, read_at)
            for key in sorted(grouped)
            if key[0] in products
        ]

    def _read_clock(self) -> int:
        return round(self._now() * 1000)
