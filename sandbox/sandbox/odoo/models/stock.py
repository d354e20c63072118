"""Models of stock: warehouses, locations, quants, moves; and the stock that products show."""

from collections.abc import Callable
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.fields import (
    NEWEST,
    OLDEST,
    FieldDefinition,
    Fields,
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    define_choice,
    define_computed,
    integer,
    many2many,
    many2one,
    moment,
    number,
    one2many,
)
from sandbox.odoo.models import inventory

_USAGES = {
    "supplier": "Vendor Location", "view": "View", "internal": "Internal Location", "customer": "Customer Location",
    "inventory": "Inventory Loss", "production": "Production", "transit": "Transit Location",
}  # fmt: skip
_STATES = {
    "draft": "New", "waiting": "Waiting Another Move", "confirmed": "Waiting Availability",
    "partially_available": "Partially Available", "assigned": "Available", "done": "Done", "cancel": "Cancelled",
}  # fmt: skip
_QUANTITIES = {
    "qty_available": "Quantity On Hand", "virtual_available": "Forecasted Quantity", "free_qty": "Free To Use Quantity",
    "incoming_qty": "Incoming", "outgoing_qty": "Outgoing",
}  # fmt: skip


def build_variant_fields() -> Fields:
    """Define the stock that a variant shows."""

    def read(name: str) -> Callable[[OdooEnvironment, Row], float]:
        return lambda env, row: inventory.compute_stock(env, row)[name]

    return (
        *(define_computed(number(n, s, app="stock"), read(n), searchable=True) for n, s in _QUANTITIES.items()),
        one2many("stock_quant_ids", "Stock Quants", "stock.quant", "product_id", app="stock"),
    )


def build_template_fields() -> Fields:
    """Define the stock that a template shows: the sum of its variants'."""

    def add(name: str) -> Callable[[OdooEnvironment, Row], float]:
        def compute(env: OdooEnvironment, row: Row) -> float:
            variants = env.get_value("product.template", row, "product_variant_ids")
            return sum(inventory.compute_stock(env, env.find("product.product", n))[name] for n in variants)

        return compute

    names = {name: string for name, string in _QUANTITIES.items() if name != "free_qty"}
    return tuple(define_computed(number(n, s, app="stock"), add(n), searchable=True) for n, s in names.items())


def _find_warehouse(env: OdooEnvironment, location: Row) -> int | None:
    """Return the warehouse in whose view location a location is."""
    warehouses = {row["view_location_id"]: row["id"] for row in env.database.list_rows("stock.warehouse").values()}
    place: Row | None = location
    while place is not None:
        if place["id"] in warehouses:
            return int(warehouses[place["id"]])
        place = env.database.find("stock.location", place["location_id"]) if place["location_id"] else None
    return None


def _prepare_warehouse(env: OdooEnvironment, values: Row) -> Row:
    """Create the locations of a new warehouse, unless they are given."""
    if values.get("view_location_id"):
        return values
    common = {"company_id": values.get("company_id", 1)}
    top = env.search("stock.location", [("usage", "=", "view"), ("location_id", "=", False)], order="id", limit=1)
    view = env.create("stock.location", {"name": values.get("code"), "usage": "view", "location_id": top[0], **common})
    stock = env.create("stock.location", {"name": "Stock", "usage": "internal", "location_id": view, **common})
    return {**values, "view_location_id": view, "lot_stock_id": stock}


def _build_complete_name(env: OdooEnvironment, row: Row) -> str:
    parent = env.database.find("stock.location", row["location_id"]) if row["location_id"] else None
    if parent and row["usage"] != "view":
        return f"{_build_complete_name(env, parent)}/{row['name']}"
    return str(row["name"])


def _follow(definition: FieldDefinition, link: str, relation: str, name: str) -> FieldDefinition:
    """Define a field with the value of a field of the record that a many2one leads to."""

    def compute(env: OdooEnvironment, row: Row) -> Any:
        return env.read_value(relation, row[link], name) if row[link] else None

    return define_computed(definition, compute, searchable=True)


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    models.add(
        ModelDefinition(
            "stock.location",
            "Inventory Locations",
            {},
            app="stock",
            order="complete_name, id",
            rec_name="complete_name",
        ),
        (
            char("name", "Location Name", required=True),
            define_computed(
                char("complete_name", "Full Location Name"), _build_complete_name, is_stored=True, searchable=True
            ),
            boolean("active", "Active", default=True),
            define_choice("usage", "Location Type", _USAGES, default="internal", required=True),
            many2one("location_id", "Parent Location", "stock.location"),
            one2many("child_ids", "Contains", "stock.location", "location_id"),
            define_computed(
                many2one("warehouse_id", "Warehouse", "stock.warehouse"),
                _find_warehouse,
                is_stored=True,
                searchable=True,
            ),
            many2one("company_id", "Company", "res.company"),
            char("barcode", "Barcode"),
            boolean("scrap_location", "Is a Scrap Location?", until=18),
            one2many("quant_ids", "Quants", "stock.quant", "location_id"),
        ),
    )
    models.add(
        ModelDefinition(
            "stock.warehouse", "Warehouse", {}, app="stock", order="sequence, id", before_create=_prepare_warehouse
        ),
        (
            char("name", "Warehouse", required=True),
            char("code", "Short Name", required=True),
            boolean("active", "Active", default=True),
            integer("sequence", "Sequence", default=10),
            many2one("company_id", "Company", "res.company", required=True, default=1),
            many2one("partner_id", "Address", "res.partner"),
            many2one("view_location_id", "View Location", "stock.location", required=True, ondelete="restrict"),
            many2one("lot_stock_id", "Location Stock", "stock.location", required=True, ondelete="restrict"),
        ),
    )
    models.add(
        ModelDefinition(
            "stock.quant",
            "Quants",
            {},
            app="stock",
            rec_name="product_id",
            name_record=_name_quant,
            before_create=inventory.check_quant,
            before_write=inventory.check_quant_changes,
            after_write=inventory.compute_differences,
        ),
        _QUANT_FIELDS,
    )
    models.add(
        ModelDefinition(
            inventory.ADJUSTMENT,
            "Inventory Adjustment Reference / Reason",
            {},
            app="stock",
            rec_name="inventory_adjustment_name",
        ),
        (
            many2many("quant_ids", "Quants", "stock.quant"),
            char("inventory_adjustment_name", "Inventory Reason", default="Quantity Updated"),
        ),
    )
    _add_moves(models)


def _name_quant(env: OdooEnvironment, row: Row) -> str:
    place = env.find("stock.location", row["location_id"])
    product = env.find("product.product", row["product_id"])
    return f"{_build_complete_name(env, place)} - {env.build_name('product.product', product)}"


_PRODUCT = many2one("product_id", "Product", "product.product", required=True, ondelete="restrict")
_LOCATION = many2one("location_id", "Location", "stock.location", required=True, ondelete="restrict")
_TARGET = many2one("location_dest_id", "Destination Location", "stock.location", required=True, ondelete="restrict")
_COMPANY = many2one("company_id", "Company", "res.company", default=1)

_QUANT_FIELDS: Fields = (
    _PRODUCT,
    _LOCATION,
    many2one("company_id", "Company", "res.company", readonly=True),
    _follow(
        many2one("product_tmpl_id", "Product Template", "product.template"),
        "product_id",
        "product.product",
        "product_tmpl_id",
    ),
    _follow(many2one("product_uom_id", "Unit of Measure", "uom.uom"), "product_id", "product.product", "uom_id"),
    define_computed(
        many2one("lot_id", "Lot/Serial Number", "stock.lot"), lambda *_: None, is_stored=True, searchable=True
    ),
    *(
        define_computed(
            many2one("package_id", "Package", relation, since=since, until=until),
            lambda *_: None,
            is_stored=True,
            searchable=True,
        )
        for relation, since, until in (("stock.quant.package", OLDEST, 18), ("stock.package", 19, NEWEST))
    ),
    many2one("owner_id", "Owner", "res.partner"),
    _follow(many2one("warehouse_id", "Warehouse", "stock.warehouse"), "location_id", "stock.location", "warehouse_id"),
    number("quantity", "Quantity", readonly=True),
    number("reserved_quantity", "Reserved Quantity", required=True, readonly=True),
    define_computed(
        number("available_quantity", "Available Quantity"), lambda _, row: row["quantity"] - row["reserved_quantity"]
    ),
    moment("in_date", "Incoming Date", required=True, readonly=True, default=lambda env: env.now[:19]),
    number("inventory_quantity", "Counted Quantity"),
    define_computed(
        number("inventory_quantity_auto_apply", "Inventoried Quantity"),
        lambda _, row: row["quantity"],
        inverse=inventory.apply_at_once,
    ),
    number("inventory_diff_quantity", "Difference", readonly=True),
    boolean("inventory_quantity_set", "Inventory Quantity Set"),
    FieldDefinition("inventory_date", "date", "Scheduled Date"),
    define_computed(
        boolean("is_outdated", "Quantity has been moved since last count"), inventory.is_outdated, searchable=True
    ),
    many2one("user_id", "Assigned To", "res.users"),
)


def _add_moves(models: ModelList) -> None:
    def get_label(_: OdooEnvironment, row: Row) -> Any:
        return row["label"]

    models.add(
        ModelDefinition("stock.move", "Stock Move", {}, app="stock", order="id", rec_name="reference"),
        (
            _PRODUCT,
            _LOCATION,
            _TARGET,
            _COMPANY,
            char("label", "Label", is_internal=True),
            define_computed(char("name", "Description", until=18), get_label, is_stored=True, searchable=True),
            define_computed(char("reference", "Reference"), get_label, is_stored=True, searchable=True),
            define_computed(
                char("inventory_name", "Inventory", since=19),
                lambda _, row: row["label"] if row["is_inventory"] else None,
                is_stored=True,
                searchable=True,
            ),
            _follow(
                many2one("product_tmpl_id", "Product Template", "product.template"),
                "product_id",
                "product.product",
                "product_tmpl_id",
            ),
            number("product_uom_qty", "Demand"),
            number("quantity", "Quantity"),
            define_computed(
                number("product_qty", "Real Quantity"),
                lambda _, row: row["product_uom_qty"],
                is_stored=True,
                searchable=True,
            ),
            many2one("unit_id", "Unit", "uom.uom", is_internal=True),
            define_computed(many2one("product_uom", "UoM", "uom.uom"), lambda _, row: row["unit_id"], is_stored=True),
            define_choice("state", "Status", _STATES, default="draft"),
            moment("date", "Date Scheduled", required=True, default=lambda env: env.now[:19]),
            char("origin", "Source Document"),
            many2one("sale_line_id", "Sale Line", "sale.order.line", app="sale"),
            boolean("is_inventory", "Inventory"),
            boolean("picked", "Picked"),
            one2many("move_line_ids", "Move lines", "stock.move.line", "move_id"),
        ),
    )
    models.add(
        ModelDefinition(
            "stock.move.line", "Product Moves (Stock Move Line)", {}, app="stock", order="id", rec_name="product_id"
        ),
        (
            _PRODUCT,
            _LOCATION,
            _TARGET,
            _COMPANY,
            many2one("move_id", "Stock Operation", "stock.move"),
            number("quantity", "Quantity"),
            many2one("product_uom_id", "Unit of Measure", "uom.uom"),
            define_choice("state", "Status", _STATES, default="draft"),
            moment("date", "Date", required=True, default=lambda env: env.now[:19]),
            _follow(char("reference", "Reference"), "move_id", "stock.move", "reference"),
        ),
    )
