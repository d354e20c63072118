"""Reads what a database has few of, each resource whole: companies, warehouses and taxes."""

from collections.abc import Collection

from contracts.events import Record
from odoo_fetcher.mappers.company import map_company, map_tax, map_warehouses
from platforms.odoo.calls import Domain, Row
from platforms.odoo.reading import ALL, Clock, RecordsSession, list_pages

COMPANY, WAREHOUSES, TAXES = "company", "warehouses", "taxes"
MODELS = {COMPANY: "res.company", WAREHOUSES: "stock.warehouse", TAXES: "account.tax"}
_FIELDS = {
    COMPANY: ("id", "name", "currency_id", "country_id"),
    WAREHOUSES: ("id", "name", "code", "company_id", "lot_stock_id"),
    TAXES: ("id", "name", "type_tax_use", "amount_type", "amount", "price_include", "company_id", "active"),
}
_LOCATION_FIELDS = ("id", "complete_name", "usage", "active", "warehouse_id")


class SmallReader:
    """Reads the records of the small resources."""

    def __init__(self, session: RecordsSession, now: Clock) -> None:
        self._session = session
        self._now = now

    async def read(self, resource: str, ids: Collection[int] | None = None) -> list[Record]:
        """Return the records of a resource, in the order of their ids: those of `ids`, or all."""
        read_at = round(self._now() * 1000)
        domain: Domain = [] if ids is None else [("id", "in", sorted(ids))]
        rows = await self._list(MODELS[resource], domain, _FIELDS[resource])
        if resource == COMPANY:
            return [map_company(row, read_at) for row in rows]
        if resource == TAXES:
            return [map_tax(row, read_at) for row in rows]
        locations = await self._list("stock.location", [("warehouse_id", "!=", False)], _LOCATION_FIELDS)
        return map_warehouses(rows, locations, read_at)

    async def count(self, resource: str) -> int:
        """Return how many records the resource has."""
        return await self._session.search_count(MODELS[resource], [], context=ALL)

    async def _list(self, model: str, domain: Domain, fields: tuple[str, ...]) -> list[Row]:
        return [row async for rows in list_pages(self._session, model, domain, fields) for row in rows]
