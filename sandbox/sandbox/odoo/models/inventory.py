"""How stock changes: counts that are applied, moves, reservations; and what products show of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.odoo.environment import Environment
from sandbox.odoo.errors import UserError, ValidationError
from sandbox.odoo.fields import Row
from sandbox.odoo.records import update_row

QUANT, MOVE, MOVE_LINE, LOCATION = "stock.quant", "stock.move", "stock.move.line", "stock.location"
_SUPERUSER = 1
_OPEN = frozenset({"waiting", "confirmed", "assigned", "partially_available"})
_CREATED_IN_COUNT = frozenset(
    {"product_id", "owner_id", "inventory_quantity", "inventory_quantity_auto_apply", "inventory_diff_quantity",
     "inventory_date", "user_id", "inventory_quantity_set", "is_outdated", "lot_id", "location_id", "package_id"}
)  # fmt: skip
_CLOSED_IN_COUNT = frozenset({"product_id", "location_id", "lot_id", "package_id", "owner_id"})


def find_locations_below(env: Environment, numbers: Iterable[int]) -> set[int]:
    """Return these locations and all inside them."""
    found, added = set(numbers), set(numbers)
    while added:
        added = {child for n in added for child in env.database.find_referring(LOCATION, "location_id", n)} - found
        found |= added
    return found


def find_counted_locations(env: Environment) -> set[int]:
    """Return the locations whose stock products show: those of all warehouses, or those that the context names."""
    locations = _list_context_ids(env, LOCATION, "location")
    warehouses = _list_context_ids(env, "stock.warehouse", "warehouse" if env.version == 17 else "warehouse_id")
    chosen = env.search("stock.warehouse", []) if warehouses is None else warehouses
    views = [env.find("stock.warehouse", number)["view_location_id"] for number in chosen]
    if locations is None:
        return find_locations_below(env, views)
    below = find_locations_below(env, views)
    return find_locations_below(env, locations if warehouses is None else [n for n in locations if n in below])


def _list_context_ids(env: Environment, model: str, key: str) -> list[int] | None:
    value = env.context.get(key)
    if not value:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    found: list[int] = []
    for item in items:
        found.extend([item] if isinstance(item, int) else env.search_by_name(model, str(item), "ilike"))
    return found


def sum_stock(env: Environment, variant: Row) -> dict[str, float]:
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


def check_quant(env: Environment, values: Row) -> Row:
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


def create_quants(env: Environment, model: str, vals_list: Any) -> list[int]:
    """Create quants. With `inventory_mode` in the context and a count, one that there is already is counted instead."""
    return [_create_quant(env, model, v) for v in (vals_list if isinstance(vals_list, list) else [vals_list])]


def _create_quant(env: Environment, model: str, values: Mapping[str, Any]) -> int:
    counted = {"inventory_quantity", "inventory_quantity_auto_apply"} & set(values)
    if not env.context.get("inventory_mode") or not counted:
        return env.create(model, values)
    if set(values) - _CREATED_IN_COUNT:
        raise UserError("Quant's creation is restricted, you can't do this operation.")
    rest = {name: value for name, value in values.items() if name not in counted}
    quantity = float(values.get("inventory_quantity_auto_apply") or values.get("inventory_quantity") or 0)
    found = find_quants(env, values["product_id"], values["location_id"])
    number = found[0]["id"] if found else env.create(model, rest)
    if "inventory_quantity_auto_apply" in values:
        env.write(model, [number], {"inventory_quantity_auto_apply": quantity})
        return number
    env.write(model, [number], {"inventory_quantity": quantity})
    env.write(model, [number], {"user_id": values.get("user_id", env.user), "inventory_date": env.now[:10]})
    return number


def find_quants(env: Environment, product: int, location: int) -> list[Row]:
    """Return the quants of a product at exactly this location, oldest first."""
    rows = [env.find(QUANT, n) for n in sorted(env.database.find_referring(QUANT, "product_id", product))]
    return [row for row in rows if row["location_id"] == location]


def check_quant_changes(env: Environment, _: Sequence[int], values: Row) -> None:
    """Raise UserError for a change that is not a count, while quants are counted."""
    if env.context.get("inventory_mode") and _CLOSED_IN_COUNT & set(values):
        raise UserError("Quant's editing is restricted, you can't do this operation.")


def follow_quants(env: Environment, numbers: Sequence[int], values: Row) -> None:
    """After a count was written, compute by how much it differs."""
    if "inventory_quantity" not in values:
        return
    for number in numbers:
        row = env.find(QUANT, number)
        difference = row["inventory_quantity"] - row["quantity"]
        is_set = values.get("inventory_quantity_set", True)
        update_row(env, QUANT, number, inventory_diff_quantity=difference, inventory_quantity_set=bool(is_set))


def apply_at_once(env: Environment, row: Row, value: Any) -> None:
    """Write a count that is applied at once; without `inventory_mode` in the context nothing happens."""
    if env.context.get("inventory_mode") and row["quantity"] != float(value or 0):
        env.write(QUANT, [row["id"]], {"inventory_quantity": value})
        apply_inventory(env, QUANT, [row["id"]], is_forced=True)


def is_outdated(_: Environment, row: Row) -> bool:
    """Return whether the quantity has changed since it was counted."""
    before = row["inventory_quantity"] - row["inventory_diff_quantity"]
    return bool(row["inventory_quantity_set"]) and abs(before - row["quantity"]) > 1e-6


def action_apply_inventory(env: Environment, model: str, ids: list[int]) -> Any:
    """Apply counts; a wizard is answered instead if a quantity has changed since it was counted."""
    return apply_inventory(env, model, ids)


def apply_inventory(env: Environment, model: str, numbers: list[int], *, is_forced: bool = False) -> Any:
    """Apply counts by moves from or to the location for differences."""
    rows = [env.find(model, number) for number in numbers]
    outdated = [row["id"] for row in rows if is_outdated(env, row)]
    if outdated and not is_forced:
        return _show_wizard("Conflict in Inventory Adjustment", "stock.inventory.conflict", {
            **env.context, "default_quant_ids": numbers, "default_quant_to_fix_ids": outdated})  # fmt: skip
    untracked = [
        row["product_id"] for row in rows
        if not row["quantity"] and row["inventory_quantity"]
        and env.read_value("product.product", row["product_id"], "tracking") in ("lot", "serial")
    ]  # fmt: skip
    if untracked and not is_forced:
        return _show_wizard("Tracked Products in Inventory Adjustment", "stock.track.confirmation", {
            **env.context, "default_quant_ids": numbers, "default_product_ids": untracked})  # fmt: skip
    loss = find_inventory_loss(env)
    for row in rows:
        difference = row["inventory_diff_quantity"]
        here, there = (row["location_id"], loss) if difference <= 0 else (loss, row["location_id"])
        move_stock(env, row["product_id"], here, there, abs(difference), name=_name_move(env, row), is_inventory=True)
        update_row(env, model, row["id"], inventory_quantity=0.0, user_id=None, inventory_diff_quantity=0.0,
                   inventory_quantity_set=False)  # fmt: skip
    return None


def _name_move(env: Environment, quant: Row) -> str:
    is_same = abs(quant["inventory_diff_quantity"]) < 1e-6
    name = str(env.context.get("inventory_name") or f"Product Quantity {'Confirmed' if is_same else 'Updated'}")
    if quant["user_id"] and quant["user_id"] != _SUPERUSER:
        name += f" ({env.name_record('res.users', env.find('res.users', quant['user_id']))})"
    return name


def _show_wizard(title: str, model: str, context: Mapping[str, Any]) -> Row:
    return {
        "name": title, "type": "ir.actions.act_window", "view_mode": "form", "views": [[False, "form"]],
        "res_model": model, "target": "new", "context": dict(context),
    }  # fmt: skip


def find_inventory_loss(env: Environment) -> int:
    """Return the location that differences of counts come from and go to."""
    return env.search(LOCATION, [("usage", "=", "inventory")], order="id", limit=1)[0]


def move_stock(
    env: Environment, product: int, source: int, target: int, quantity: float, *, name: str, is_inventory: bool = False
) -> int:
    """Move stock between two locations, as a move that is done. Returns the id of the move."""
    unit = env.read_value("product.product", product, "uom_id")
    common = {"product_id": product, "location_id": source, "location_dest_id": target}
    move = env.create(MOVE, {
        **common, "label": name, "product_uom_qty": quantity, "quantity": quantity, "state": "done", "unit_id": unit,
        "is_inventory": is_inventory, "picked": True, "date": env.now})  # fmt: skip
    env.create(MOVE_LINE, {**common, "move_id": move, "quantity": quantity, "product_uom_id": unit, "state": "done",
                           "date": env.now})  # fmt: skip
    if quantity:
        change_quantity(env, product, source, -quantity)
        change_quantity(env, product, target, quantity)
    return move


def change_quantity(env: Environment, product: int, location: int, change: float) -> None:
    """Change the quantity of a product at a location, in its first quant or in a new one."""
    found = find_quants(env, product, location)
    if found:
        update_row(env, QUANT, found[0]["id"], quantity=found[0]["quantity"] + change)
    else:
        env.create(QUANT, {"product_id": product, "location_id": location, "quantity": change, "in_date": env.now})


def reserve_stock(env: Environment, product: int, location: int, quantity: float, *, name: str) -> int:
    """Reserve stock for a delivery that has not happened yet. Returns the id of its move."""
    found = find_quants(env, product, location)
    if not found or found[0]["quantity"] - found[0]["reserved_quantity"] < quantity:
        raise UserError("There is not enough stock to reserve.")
    customers = env.search(LOCATION, [("usage", "=", "customer")], order="id", limit=1)[0]
    unit = env.read_value("product.product", product, "uom_id")
    common = {"product_id": product, "location_id": location, "location_dest_id": customers}
    move = env.create(MOVE, {**common, "label": name, "product_uom_qty": quantity, "quantity": quantity,
                             "state": "assigned", "unit_id": unit, "date": env.now})  # fmt: skip
    env.create(MOVE_LINE, {**common, "move_id": move, "quantity": quantity, "product_uom_id": unit,
                           "state": "assigned", "date": env.now})  # fmt: skip
    update_row(env, QUANT, found[0]["id"], reserved_quantity=found[0]["reserved_quantity"] + quantity)
    return move


def deliver_stock(env: Environment, move: int) -> None:
    """Deliver what was reserved for a move."""
    row = env.find(MOVE, move)
    quant = find_quants(env, row["product_id"], row["location_id"])[0]
    update_row(env, QUANT, quant["id"], reserved_quantity=quant["reserved_quantity"] - row["quantity"],
               quantity=quant["quantity"] - row["quantity"])  # fmt: skip
    change_quantity(env, row["product_id"], row["location_dest_id"], row["quantity"])
    update_row(env, MOVE, move, state="done", date=env.now)
    for line in env.database.find_referring(MOVE_LINE, "move_id", move):
        update_row(env, MOVE_LINE, line, state="done", date=env.now)


def clean_quants(env: Environment) -> int:
    """Merge quants of one product and location, and delete those of nothing. Returns how many are deleted.

    A server does so from time to time, and whenever somebody opens the list of stock.
    """
    first: dict[tuple[int, int], int] = {}
    deleted = 0
    for row in sorted(env.database.list_rows(QUANT).values(), key=lambda row: row["id"]):
        place = (row["product_id"], row["location_id"])
        kept = first.setdefault(place, row["id"])
        if kept != row["id"]:
            total = env.find(QUANT, kept)
            update_row(env, QUANT, kept, quantity=total["quantity"] + row["quantity"],
                       reserved_quantity=total["reserved_quantity"] + row["reserved_quantity"])  # fmt: skip
            env.unlink(QUANT, [row["id"]])
            deleted += 1
    for number in first.values():
        row = env.find(QUANT, number)
        quantities = (row[name] for name in ("quantity", "reserved_quantity", "inventory_quantity"))
        if not row["user_id"] and not any(round(quantity, 6) for quantity in quantities):
            env.unlink(QUANT, [number])
            deleted += 1
    return deleted
