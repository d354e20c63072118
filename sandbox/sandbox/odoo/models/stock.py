"""Models of stock: warehouses, locations, quants, moves; and what products show of them."""

from sandbox.odoo.fields import ModelDefinition, ModelList, boolean, char, choice, many2one

USAGES = {
    "supplier": "Vendor Location", "view": "View", "internal": "Internal Location", "customer": "Customer Location",
    "inventory": "Inventory Loss", "production": "Production", "transit": "Transit Location",
}  # fmt: skip


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    models.add(
        ModelDefinition("stock.location", "Inventory Locations", {}, app="stock", order="complete_name, id", rec_name="name"),
        (
            char("name", "Location Name", required=True),
            many2one("location_id", "Parent Location", "stock.location"),
            choice("usage", "Location Type", USAGES, default="internal", required=True),
            boolean("active", "Active", default=True),
        ),
    )
