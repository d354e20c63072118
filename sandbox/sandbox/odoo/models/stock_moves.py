"""How stock moves between locations: at once, or reserved first and delivered later."""

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import RefusedError
from sandbox.odoo.fields import Row
from sandbox.odoo.records import update_row

QUANT, MOVE, MOVE_LINE, LOCATION = "stock.quant", "stock.move", "stock.move.line", "stock.location"


def find_quants(env: OdooEnvironment, product: int, location: int, owner: int | None = None) -> list[Row]:
    """Return the quants of a product at exactly this location, oldest first: the company's own, or an owner's."""
    rows = [env.find(QUANT, n) for n in sorted(env.database.find_referring(QUANT, "product_id", product))]
    return [row for row in rows if row["location_id"] == location and row["owner_id"] == owner]


def find_inventory_loss(env: OdooEnvironment) -> int:
    """Return the location that differences of counts come from and go to."""
    return env.search(LOCATION, [("usage", "=", "inventory")], order="id", limit=1)[0]


def move_stock(
    env: OdooEnvironment,
    product: int,
    source: int,
    target: int,
    quantity: float,
    *,
    name: str,
    is_inventory: bool = False,
    owner: int | None = None,
) -> int:
    """Move stock between two locations, as a move that is done. Returns the id of the move."""
    unit = env.read_value("product.product", product, "uom_id")
    common = {"product_id": product, "location_id": source, "location_dest_id": target}
    move = env.create(
        MOVE,
        {
            **common,
            "label": name,
            "product_uom_qty": quantity,
            "quantity": quantity,
            "state": "done",
            "unit_id": unit,
            "is_inventory": is_inventory,
            "picked": True,
            "date": env.now,
        },
    )
    env.create(
        MOVE_LINE,
        {**common, "move_id": move, "quantity": quantity, "product_uom_id": unit, "state": "done", "date": env.now},
    )
    if quantity:
        change_quantity(env, product, source, -quantity, owner)
        change_quantity(env, product, target, quantity, owner)
    return move


def change_quantity(env: OdooEnvironment, product: int, location: int, change: float, owner: int | None = None) -> None:
    """Change the quantity of a product at a location, in its first quant or in a new one."""
    found = find_quants(env, product, location, owner)
    if found:
        update_row(env, QUANT, found[0]["id"], quantity=found[0]["quantity"] + change)
        return
    place = {"product_id": product, "location_id": location, "owner_id": owner}
    env.create(QUANT, {**place, "quantity": change, "in_date": env.now})


def reserve_stock(env: OdooEnvironment, product: int, location: int, quantity: float, *, name: str) -> int:
    """Reserve stock for a delivery that has not happened yet. Returns the id of its move."""
    found = find_quants(env, product, location)
    if not found or found[0]["quantity"] - found[0]["reserved_quantity"] < quantity:
        raise RefusedError("There is not enough stock to reserve.")
    customers = env.search(LOCATION, [("usage", "=", "customer")], order="id", limit=1)[0]
    unit = env.read_value("product.product", product, "uom_id")
    common = {"product_id": product, "location_id": location, "location_dest_id": customers}
    move = env.create(
        MOVE,
        {
            **common,
            "label": name,
            "product_uom_qty": quantity,
            "quantity": quantity,
            "state": "assigned",
            "unit_id": unit,
            "date": env.now,
        },
    )
    env.create(
        MOVE_LINE,
        {**common, "move_id": move, "quantity": quantity, "product_uom_id": unit, "state": "assigned", "date": env.now},
    )
    update_row(env, QUANT, found[0]["id"], reserved_quantity=found[0]["reserved_quantity"] + quantity)
    return move


def request_stock(env: OdooEnvironment, product: int, location: int, quantity: float, *, name: str) -> int:
    """Request stock for a delivery, and reserve as much of it as there is. Returns the id of the move."""
    found = find_quants(env, product, location)
    free = sum(quant["quantity"] - quant["reserved_quantity"] for quant in found[:1])
    if free >= quantity:
        return reserve_stock(env, product, location, quantity, name=name)
    customers = env.search(LOCATION, [("usage", "=", "customer")], order="id", limit=1)[0]
    unit = env.read_value("product.product", product, "uom_id")
    reserved = max(0.0, free)
    move = env.create(MOVE, {
        "product_id": product, "location_id": location, "location_dest_id": customers, "label": name,
        "product_uom_qty": quantity, "quantity": reserved, "unit_id": unit, "date": env.now,
        "state": "partially_available" if reserved else "confirmed",
    })  # fmt: skip
    if reserved:
        update_row(env, QUANT, found[0]["id"], reserved_quantity=found[0]["reserved_quantity"] + reserved)
    return move


def cancel_move(env: OdooEnvironment, move: int) -> None:
    """Cancel a move that is not done, and give back what was reserved for it."""
    row = env.find(MOVE, move)
    if row["state"] in ("done", "cancel"):
        return
    quants = find_quants(env, row["product_id"], row["location_id"])
    if quants and row["quantity"]:
        left = quants[0]["reserved_quantity"] - row["quantity"]
        update_row(env, QUANT, quants[0]["id"], reserved_quantity=left)
    update_row(env, MOVE, move, state="cancel", quantity=0.0)
    for line in sorted(env.database.find_referring(MOVE_LINE, "move_id", move)):
        env.database.write(MOVE_LINE, line, None)


def deliver_stock(env: OdooEnvironment, move: int) -> None:
    """Deliver what was reserved for a move."""
    row = env.find(MOVE, move)
    quant = find_quants(env, row["product_id"], row["location_id"])[0]
    update_row(
        env,
        QUANT,
        quant["id"],
        reserved_quantity=quant["reserved_quantity"] - row["quantity"],
        quantity=quant["quantity"] - row["quantity"],
    )
    change_quantity(env, row["product_id"], row["location_dest_id"], row["quantity"])
    update_row(env, MOVE, move, state="done", date=env.now)
    for line in sorted(env.database.find_referring(MOVE_LINE, "move_id", move)):
        update_row(env, MOVE_LINE, line, state="done", date=env.now)


def clean_quants(env: OdooEnvironment) -> int:
    """Merge quants of one product, location and owner, and delete those of nothing. Returns how many are deleted.

    A server does so from time to time, and whenever somebody opens the list of stock.
    """
    first: dict[tuple[int, int, int | None], int] = {}
    deleted = 0
    for row in sorted(env.database.list_rows(QUANT).values(), key=lambda row: row["id"]):
        place = (row["product_id"], row["location_id"], row["owner_id"])
        kept = first.setdefault(place, row["id"])
        if kept != row["id"]:
            total = env.find(QUANT, kept)
            update_row(
                env,
                QUANT,
                kept,
                quantity=total["quantity"] + row["quantity"],
                reserved_quantity=total["reserved_quantity"] + row["reserved_quantity"],
            )
            env.delete(QUANT, [row["id"]])
            deleted += 1
    for number in first.values():
        row = env.find(QUANT, number)
        quantities = (row[name] for name in ("quantity", "reserved_quantity", "inventory_quantity"))
        if not row["user_id"] and not any(round(quantity, 6) for quantity in quantities):
            env.delete(QUANT, [number])
            deleted += 1
    return deleted
