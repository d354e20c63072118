"""How stock is counted, and how much of it products show."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import RefusedError, ValidationError
from sandbox.odoo.fields import Row
from sandbox.odoo.models.stock_moves import LOCATION, MOVE, QUANT, find_inventory_loss, find_quants, move_stock
from sandbox.odoo.records import update_row

ADJUSTMENT = "stock.inventory.adjustment.name"
_SUPERUSER = 1
_TAKES_ALL_FOR_COUNTED = 19
_OPEN = frozenset({"waiting", "confirmed", "assigned", "partially_available"})
_CREATED_IN_COUNT = frozenset(
    {
        "product_id",
        "owner_id",
        "inventory_quantity",
        "inventory_quantity_auto_apply",
        "inventory_diff_quantity",
        "inventory_date",
        "user_id",
        "inventory_quantity_set",
        "is_outdated",
        "lot_id",
        "location_id",
        "package_id",
    }
)
_CLOSED_IN_COUNT = frozenset({"product_id", "location_id", "lot_id", "package_id", "owner_id"})


def find_locations_below(env: OdooEnvironment, numbers: Iterable[int]) -> set[int]:
    """Return these locations and all inside them."""
    found, added = set(numbers), set(numbers)
    while added:
        added = {child for n in added for child in env.database.find_referring(LOCATION, "location_id", n)} - found
        found |= added
    return found


def find_counted_locations(env: OdooEnvironment) -> set[int]:
    """Return the locations whose stock products show: those of all warehouses, or those that the context names."""
    locations = _list_context_ids(env, LOCATION, "location")
    warehouses = _list_context_ids(env, "stock.warehouse", "warehouse" if env.version == 17 else "warehouse_id")
    chosen = env.search("stock.warehouse", []) if warehouses is None else warehouses
    views = [env.find("stock.warehouse", number)["view_location_id"] for number in chosen]
    if locations is None:
        return find_locations_below(env, views)
    below = find_locations_below(env, views)
    return find_locations_below(env, locations if warehouses is None else [n for n in locations if n in below])


def _list_context_ids(env: OdooEnvironment, model: str, key: str) -> list[int] | None:
    value = env.context.get(key)
    if not value:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    found: list[int] = []
    for item in items:
        found.extend([item] if isinstance(item, int) else env.search_by_name(model, str(item), "ilike"))
    return found


def compute_stock(env: OdooEnvironment, variant: Row) -> dict[str, float]:
    """Return a variant's stock: `qty_available`, `free_qty`, `incoming_qty`, `outgoing_qty`, `virtual_available`."""
    places = find_counted_locations(env)
    quants = [env.find(QUANT, n) for n in env.database.find_referring(QUANT, "product_id", variant["id"])]
    here = [row for row in quants if row["location_id"] in places]
    on_hand, reserved = (sum(row[name] for row in here) for name in ("quantity", "reserved_quantity"))
    incoming = outgoing = 0.0
    for number in env.database.find_referring(MOVE, "product_id", variant["id"]):
        move = env.find(MOVE, number)
        if move["state"] in _OPEN:
            comes, goes = move["location_dest_id"] in places, move["location_id"] in places
            incoming += move["product_uom_qty"] if comes and not goes else 0
            outgoing += move["product_uom_qty"] if goes and not comes else 0
    return {
        "qty_available": on_hand, "free_qty": on_hand - reserved, "incoming_qty": incoming, "outgoing_qty": outgoing,
        "virtual_available": on_hand + incoming - outgoing,
    }  # fmt: skip


def check_quant(env: OdooEnvironment, values: Row) -> Row:
    """Check a new quant: only a product whose stock is counted can have one, and not in a view location."""
    product, place = env.find("product.product", values["product_id"]), env.find(LOCATION, values["location_id"])
    if not env.find("product.template", product["product_tmpl_id"])["tracks_stock"]:
        raise ValidationError("Quants cannot be created for consumables or services.")
    if place["usage"] == "view":
        raise ValidationError(
            f'You cannot take products from or deliver products to a location of type "view" ({place["name"]}).'
        )
    values = {"company_id": place["company_id"], **values}
    if "inventory_quantity" in values:
        quantity = float(values["inventory_quantity"] or 0) - float(values.get("quantity") or 0)
        values = {"inventory_quantity_set": True, "inventory_diff_quantity": quantity, **values}
    return values


def create_quants(env: OdooEnvironment, model: str, vals_list: Any) -> list[int]:
    """Create quants. With `inventory_mode` in the context and a count, one that there is already is counted instead."""
    return [_create_quant(env, model, v) for v in (vals_list if isinstance(vals_list, list) else [vals_list])]


def _create_quant(env: OdooEnvironment, model: str, values: Mapping[str, Any]) -> int:
    counted = {"inventory_quantity", "inventory_quantity_auto_apply"} & set(values)
    if not env.context.get("inventory_mode") or not counted:
        return env.create(model, values)
    if set(values) - _CREATED_IN_COUNT:
        raise RefusedError("Quant's creation is restricted, you can't do this operation.")
    rest = {name: value for name, value in values.items() if name not in counted}
    quantity = float(values.get("inventory_quantity_auto_apply") or values.get("inventory_quantity") or 0)
    found = find_quants(env, values["product_id"], values["location_id"], values.get("owner_id"))
    number = found[0]["id"] if found else env.create(model, rest)
    if "inventory_quantity_auto_apply" in values:
        env.write(model, [number], {"inventory_quantity_auto_apply": quantity})
        return number
    env.write(model, [number], {"inventory_quantity": quantity})
    env.write(model, [number], {"user_id": values.get("user_id", env.user), "inventory_date": env.now[:10]})
    return number


def check_quant_changes(env: OdooEnvironment, _: Sequence[int], values: Row) -> None:
    """Raise RefusedError for a change that is not a count, while quants are counted."""
    if env.context.get("inventory_mode") and _CLOSED_IN_COUNT & set(values):
        raise RefusedError("Quant's editing is restricted, you can't do this operation.")


def compute_differences(env: OdooEnvironment, numbers: Sequence[int], values: Row) -> None:
    """After a count was written, compute by how much it differs, whatever was written with it."""
    if "inventory_quantity" not in values:
        return
    for number in numbers:
        row = env.find(QUANT, number)
        difference = row["inventory_quantity"] - row["quantity"]
        is_set = values.get("inventory_quantity_set", True)
        update_row(env, QUANT, number, inventory_diff_quantity=difference, inventory_quantity_set=bool(is_set))


def apply_at_once(env: OdooEnvironment, row: Row, value: Any) -> None:
    """Write a count that is applied at once; without `inventory_mode` in the context nothing happens."""
    if env.context.get("inventory_mode") and row["quantity"] != float(value or 0):
        env.write(QUANT, [row["id"]], {"inventory_quantity": value})
        apply_inventory(env.extend_context(set_inventory_quantity_auto_apply=True), QUANT, [row["id"]])


def is_outdated(_: OdooEnvironment, row: Row) -> bool:
    """Return whether the quantity has changed since it was counted."""
    before = row["inventory_quantity"] - row["inventory_diff_quantity"]
    return bool(row["inventory_quantity_set"]) and abs(before - row["quantity"]) > 1e-6


def apply_inventory(env: OdooEnvironment, model: str, ids: list[int]) -> Any:
    """Apply counts by moves from or to the location for differences.

    A wizard is answered instead if a quantity has changed since it was counted, or if a lot is needed. In the context,
    `set_inventory_quantity_auto_apply` applies them all the same. From 19 on, a quant without a count is taken for one
    of which nothing was counted.
    """
    numbers, is_forced = ids, bool(env.context.get("set_inventory_quantity_auto_apply"))
    rows = [env.find(model, number) for number in numbers]
    outdated = [row["id"] for row in rows if is_outdated(env, row)]
    if outdated and not is_forced:
        return _show_wizard(
            "Conflict in Inventory Adjustment",
            "stock.inventory.conflict",
            {**env.context, "default_quant_ids": numbers, "default_quant_to_fix_ids": outdated},
        )
    untracked = [
        row["product_id"] for row in rows
        if not row["quantity"] and row["inventory_quantity"]
        and env.read_value("product.product", row["product_id"], "tracking") in ("lot", "serial")
    ]  # fmt: skip
    if untracked and not is_forced:
        return _show_wizard(
            "Tracked Products in Inventory Adjustment",
            "stock.track.confirmation",
            {**env.context, "default_quant_ids": numbers, "default_product_ids": untracked},
        )
    loss = find_inventory_loss(env)
    for row in rows:
        difference = row["inventory_diff_quantity"]
        if env.version >= _TAKES_ALL_FOR_COUNTED and not row["inventory_quantity_set"]:
            difference = row["inventory_quantity"] - row["quantity"]
        here, there = (row["location_id"], loss) if difference <= 0 else (loss, row["location_id"])
        move_stock(
            env, row["product_id"], here, there, abs(difference), name=_name_move(env, row), is_inventory=True,
            owner=row["owner_id"],
        )  # fmt: skip
        update_row(
            env,
            model,
            row["id"],
            inventory_quantity=0.0,
            user_id=None,
            inventory_diff_quantity=0.0,
            inventory_quantity_set=False,
        )
    return None


def apply_named_counts(env: OdooEnvironment, model: str, ids: list[int]) -> Any:
    """Apply the counts that a wizard names; quants without a count are left out."""
    (number,) = ids
    wizard = env.find(model, number)
    quants = [quant for quant in wizard["quant_ids"] if env.find(QUANT, quant)["inventory_quantity_set"]]
    return apply_inventory(env.extend_context(inventory_name=wizard["inventory_adjustment_name"]), QUANT, quants)


def clear_counts(env: OdooEnvironment, model: str, ids: list[int]) -> None:
    """Withdraw counts that were not applied."""
    for number in ids:
        update_row(
            env, model, number, inventory_quantity=0.0, user_id=None, inventory_diff_quantity=0.0,
            inventory_quantity_set=False,
        )  # fmt: skip


def _name_move(env: OdooEnvironment, quant: Row) -> str:
    is_same = abs(quant["inventory_diff_quantity"]) < 1e-6
    name = str(env.context.get("inventory_name") or f"Product Quantity {'Confirmed' if is_same else 'Updated'}")
    if quant["user_id"] and quant["user_id"] != _SUPERUSER:
        name += f" ({env.build_name('res.users', env.find('res.users', quant['user_id']))})"
    return name


def _show_wizard(title: str, model: str, context: Mapping[str, Any]) -> Row:
    return {
        "name": title, "type": "ir.actions.act_window", "view_mode": "form", "views": [[False, "form"]],
        "res_model": model, "target": "new", "context": dict(context),
    }  # fmt: skip
