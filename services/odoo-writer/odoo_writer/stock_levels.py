"""Reads how much there is of products at locations, and which writes have changed it already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from linking.stock import count_whole_units
from odoo_writer.writable_fields import WritableFields
from platforms.odoo.calls import Domain, Row
from platforms.odoo.database_fields import VARIANT
from platforms.odoo.field_values import read_reference
from platforms.odoo.reading import Clock, RecordsSession, list_pages, list_rows

QUANT, LOCATION, MOVE = "stock.quant", "stock.location", "stock.move"
PRODUCT_FIELDS = ("id", "tracking", "is_storable", "detailed_type", "type")
LOCATION_FIELDS = ("id", "usage", "complete_name")
QUANT_FIELDS = (
    "id",
    "product_id",
    "location_id",
    "quantity",
    "reserved_quantity",
    "lot_id",
    "package_id",
    "owner_id",
    "inventory_quantity_set",
    "user_id",
)
MOVE_FIELDS = ("id", "product_id", "location_id", "location_dest_id", "reference")
DIGITS = 6
"""Quantities are sums of binary fractions. Odoo's own units of measure have fewer digits."""
StockKey = tuple[int, int]
"""The ids of a product (a variant) and of a location."""
MadeKey = tuple[UUID, int]
"""The id of a write and of a location."""


@dataclass(frozen=True)
class StockLevel:
    """What is there of a product at a location.

    `plain` are the quants without a lot, a package and an owner, the oldest first, and `others` the other ones.
    """

    plain: Sequence[Row] = ()
    others: Sequence[Row] = ()

    @property
    def free(self) -> int:
        """The whole units on hand that are not reserved, as readers of the database count them."""
        quants = (*self.plain, *self.others)
        on_hand = sum(quant["quantity"] or 0.0 for quant in quants)
        reserved = sum(quant["reserved_quantity"] or 0.0 for quant in quants)
        return count_whole_units(round(on_hand - reserved, DIGITS))


@dataclass(frozen=True)
class StockLevels:
    """Levels by product and location, and the writes that have changed them, as read at `read_at` (ms)."""

    levels: Mapping[StockKey, StockLevel] = field(default_factory=dict)
    made: frozenset[MadeKey] = frozenset()
    read_at: int = 0

    def get(self, product: int, location: int) -> StockLevel:
        """Return a level. Without quants there is nothing."""
        return self.levels.get((product, location), StockLevel())


@dataclass(frozen=True)
class StockPlaces:
    """The products and the locations that exist, by id."""

    products: Mapping[int, Row] = field(default_factory=dict)
    locations: Mapping[int, Row] = field(default_factory=dict)


class StockLevelReader:
    """Reads the stock of a database. `now` returns seconds since the Unix epoch."""

    def __init__(self, session: RecordsSession, database: WritableFields, now: Clock) -> None:
        self._session = session
        self._database = database
        self._now = now

    async def read_places(self, keys: Iterable[StockKey]) -> StockPlaces:
        """Return the products and the locations of `keys`, archived ones too; those that are gone are left out."""
        wanted = list(keys)
        names = [name for name in PRODUCT_FIELDS if name in self._database.fields.variant]
        products = await list_rows(self._session, VARIANT, "id", (one for one, _ in wanted), names)
        locations = await list_rows(self._session, LOCATION, "id", (one for _, one in wanted), LOCATION_FIELDS)
        return StockPlaces({row["id"]: row for row in products}, {row["id"]: row for row in locations})

    async def read_levels(self, writes: Mapping[UUID, Iterable[StockKey]]) -> StockLevels:
        """Return the levels at `writes`, which has the products and locations of each write by its id.

        A write that is found to be made may have been made after the levels were read. One that is not found was not
        made before.
        """
        keys = {key for several in writes.values() for key in several}
        read_at = round(self._now() * 1000)
        is_wanted = ("location_id", "in", sorted({location for _, location in keys}))
        products = {product for product, _ in keys}
        quants = await list_rows(self._session, QUANT, "product_id", products, QUANT_FIELDS, is_wanted)
        # In this order: what a write did in between is seen as made, and not as somebody's change.
        moves = await self._list_moves(products, list(writes))
        return StockLevels(_group_quants(quants), _find_made(writes, moves), read_at)

    async def _list_moves(self, products: Iterable[int], writes: Sequence[UUID]) -> list[Row]:
        """Return the moves of products whose names begin with the id of a write. Odoo may add the user's name."""
        if not writes:
            return []
        names = [("reference", "=like", f"{write}%") for write in writes]
        # Names have no index in Odoo, and products have one.
        domain: Domain = [
            ("product_id", "in", sorted(products)),
            ("is_inventory", "=", True),
            ("state", "=", "done"),
            *["|"] * (len(names) - 1),
            *names,
        ]
        return [row async for rows in list_pages(self._session, MOVE, domain, MOVE_FIELDS) for row in rows]


def _group_quants(rows: Sequence[Row]) -> dict[StockKey, StockLevel]:
    grouped: dict[StockKey, tuple[list[Row], list[Row]]] = {}
    for row in rows:
        key = (_require(row["product_id"]), _require(row["location_id"]))
        plain, others = grouped.setdefault(key, ([], []))
        (others if row["lot_id"] or row["package_id"] or row["owner_id"] else plain).append(row)
    return {key: StockLevel(*several) for key, several in grouped.items()}


def _find_made(writes: Mapping[UUID, Iterable[StockKey]], moves: Sequence[Row]) -> frozenset[MadeKey]:
    # A count moves goods between its location and one for losses, which has no stock to be written.
    moved: dict[StockKey, list[str]] = {}
    for row in moves:
        for place in (row["location_id"], row["location_dest_id"]):
            moved.setdefault((_require(row["product_id"]), _require(place)), []).append(row["reference"])
    return frozenset(
        (write, key[1])
        for write, keys in writes.items()
        for key in keys
        if any(name.startswith(str(write)) for name in moved.get(key, ()))
    )


def _require(value: Any) -> int:
    number = read_reference(value)
    if number is None:
        raise ValueError("quants and moves have a product and a location")
    return number
