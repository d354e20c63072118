"""Models of sales: orders and their lines, as far as they change stock and have taxes."""

from collections.abc import Sequence
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import RefusedError
from sandbox.odoo.fields import (
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
    text,
)
from sandbox.odoo.models import stock_moves
from sandbox.odoo.records import update_row

ORDER, LINE = "sale.order", "sale.order.line"
_STATES = {"draft": "Quotation", "sent": "Quotation Sent", "sale": "Sales Order", "cancel": "Cancelled"}


def _list_lines(env: OdooEnvironment, order: Row) -> list[Row]:
    return [env.find(LINE, n) for n in sorted(env.database.find_referring(LINE, "order_id", order["id"]))]


def _compute_amounts(env: OdooEnvironment, line: Row) -> tuple[float, float]:
    """Return a line's amount without taxes, and its taxes."""
    price = line["price_unit"] * line["product_uom_qty"] * (1 - line["discount"] / 100)
    taxes = [env.find("account.tax", number) for number in line["taxes"]]
    rates = [tax["amount"] / 100 for tax in taxes if tax["amount_type"] == "percent"]
    included = [tax for tax in taxes if env.get_value("account.tax", tax, "price_include")]
    untaxed = price / (1 + sum(tax["amount"] / 100 for tax in included))
    return round(untaxed, 2), round(untaxed * sum(rates), 2)


def _sum_lines(env: OdooEnvironment, order: Row) -> tuple[float, float]:
    amounts = [_compute_amounts(env, line) for line in _list_lines(env, order)]
    return round(sum(untaxed for untaxed, _ in amounts), 2), round(sum(tax for _, tax in amounts), 2)


def _prepare_order(env: OdooEnvironment, values: Row) -> Row:
    count = len(env.database.list_rows(ORDER)) + 1
    partner = values.get("partner_id")
    given = {"name": f"S{count:05}", "partner_invoice_id": partner, "partner_shipping_id": partner}
    return {**given, **values}


def _prepare_line(env: OdooEnvironment, values: Row) -> Row:
    """Complete a new line by its product: name, price, unit, and its taxes unless others are given."""
    product = values.get("product_id")
    if not product:
        return values
    row = env.find("product.product", product)
    given: Row = {
        "name": env.build_name("product.product", row),
        "price_unit": env.get_value("product.product", row, "lst_price"),
        "unit": env.get_value("product.product", row, "uom_id"),
    }
    named = "tax_ids" if env.version >= 19 else "tax_id"
    if named not in values:
        given["taxes"] = [[6, 0, list(env.get_value("product.product", row, "taxes_id") or ())]]
    return {**given, **values}


def confirm_orders(env: OdooEnvironment, model: str, ids: Sequence[int]) -> bool:
    """Confirm orders: stock is reserved for them at once, as far as there is any."""
    for order_id in ids:
        order = env.find(model, order_id)
        if order["state"] not in ("draft", "sent"):
            raise RefusedError("Some orders are not in a state requiring confirmation.")
        update_row(env, model, order_id, state="sale", date_order=env.now[:19])
        for line in _list_lines(env, order):
            _reserve_for_line(env, order, line)
    return True


def _reserve_for_line(env: OdooEnvironment, order: Row, line: Row) -> None:
    if "stock.move" not in env.models or not line["product_id"]:
        return
    product = env.find("product.product", line["product_id"])
    if not env.find("product.template", product["product_tmpl_id"])["tracks_stock"]:
        return
    place = env.find("stock.warehouse", 1)["lot_stock_id"]
    move = stock_moves.request_stock(env, product["id"], place, line["product_uom_qty"], name=order["name"])
    update_row(env, stock_moves.MOVE, move, sale_line_id=line["id"], origin=order["name"])


def cancel_orders(env: OdooEnvironment, model: str, ids: Sequence[int]) -> Any:
    """Cancel orders; for confirmed ones a wizard is answered, unless the context says `disable_cancel_warning`."""
    orders = [env.find(model, number) for number in ids]
    if any(order["locked"] for order in orders):
        raise RefusedError("You cannot cancel a locked order. Please unlock it first.")
    if any(order["state"] != "draft" for order in orders) and not env.context.get("disable_cancel_warning"):
        return {
            "name": "Cancel Sales Order", "type": "ir.actions.act_window", "view_mode": "form",
            "res_model": "sale.order.cancel", "target": "new", "context": {"default_order_id": ids[0]},
        }  # fmt: skip
    for order in orders:
        update_row(env, model, order["id"], state="cancel")
        for line in _list_lines(env, order) if "stock.move" in env.models else ():
            for move in sorted(env.database.find_referring(stock_moves.MOVE, "sale_line_id", line["id"])):
                stock_moves.cancel_move(env, move)
    return True


def _check_deletion(env: OdooEnvironment, ids: Sequence[int]) -> None:
    if any((row := env.database.find(ORDER, n)) and row["state"] not in ("draft", "cancel") for n in ids):
        raise RefusedError("You can not delete a sent quotation or a confirmed sales order. You must first cancel it.")


def lock_orders(env: OdooEnvironment, model: str, ids: Sequence[int]) -> bool:
    """Lock orders, so that their lines cannot be changed."""
    for order in ids:
        update_row(env, model, order, locked=True)
    return True


def unlock_orders(env: OdooEnvironment, model: str, ids: Sequence[int]) -> bool:
    """Unlock orders."""
    for order in ids:
        update_row(env, model, order, locked=False)
    return True


def _check_lock(env: OdooEnvironment, ids: Sequence[int], values: Row) -> None:
    closed = {"product_id", "name", "price_unit", "product_uom_qty", "discount", "tax_id", "tax_ids", "taxes"}
    if closed & set(values) and any(env.find(ORDER, env.find(LINE, n)["order_id"])["locked"] for n in ids):
        raise RefusedError("It is forbidden to modify the following fields in a locked order.")


_ORDER_FIELDS: Fields = (
    char("name", "Order Reference", required=True),
    many2one("partner_id", "Customer", "res.partner", required=True, ondelete="restrict"),
    many2one("partner_invoice_id", "Invoice Address", "res.partner", ondelete="restrict"),
    many2one("partner_shipping_id", "Delivery Address", "res.partner", ondelete="restrict"),
    char("client_order_ref", "Customer Reference"),
    char("origin", "Source Document"),
    moment("date_order", "Order Date", required=True, default=lambda env: env.now[:19]),
    moment("commitment_date", "Delivery Date"),
    define_choice("state", "Status", _STATES, default="draft", readonly=True),
    boolean("locked", "Locked", readonly=True),
    many2one("company_id", "Company", "res.company", required=True, default=1),
    many2one("user_id", "Salesperson", "res.users", default=lambda env: env.user),
    text("note", "Terms and conditions"),
    one2many("order_line", "Order Lines", LINE, "order_id"),
    define_computed(
        many2one("currency_id", "Currency", "res.currency"),
        lambda env, row: env.find("res.company", row["company_id"])["currency_id"],
    ),
    define_computed(
        number("amount_untaxed", "Untaxed Amount"), lambda env, row: _sum_lines(env, row)[0], is_stored=True,
        searchable=True,
    ),
    define_computed(
        number("amount_tax", "Taxes"), lambda env, row: _sum_lines(env, row)[1], is_stored=True, searchable=True
    ),
    define_computed(
        number("amount_total", "Total"), lambda env, row: round(sum(_sum_lines(env, row)), 2), is_stored=True,
        searchable=True,
    ),
)  # fmt: skip


def _build_line_fields() -> Fields:
    taxes = (
        many2many("tax_id", "Taxes", "account.tax", until=18),
        many2many("tax_ids", "Taxes", "account.tax", since=19),
    )
    units = (
        many2one("product_uom", "Unit of Measure", "uom.uom", until=18),
        many2one("product_uom_id", "Unit of Measure", "uom.uom", since=19),
    )
    return (
        many2one("order_id", "Order Reference", ORDER, required=True, ondelete="cascade"),
        integer("sequence", "Sequence", default=10),
        many2one("product_id", "Product", "product.product", ondelete="restrict"),
        text("name", "Description", required=True),
        number("product_uom_qty", "Quantity", required=True, default=1.0),
        number("price_unit", "Unit Price", digits=2),
        number("discount", "Discount (%)", digits=2),
        number("qty_delivered", "Delivered Quantity"),
        number("qty_invoiced", "Invoiced Quantity", readonly=True),
        many2many("taxes", "Taxes", "account.tax", is_internal=True),
        many2one("unit", "Unit", "uom.uom", is_internal=True),
        *(
            define_computed(
                field, lambda _, row: row["taxes"], is_stored=True,
                inverse=lambda env, row, value: env.write(LINE, [row["id"]], {"taxes": value}),
            )
            for field in taxes
        ),
        *(
            define_computed(
                field, lambda _, row: row["unit"], is_stored=True,
                inverse=lambda env, row, value: env.write(LINE, [row["id"]], {"unit": value}),
            )
            for field in units
        ),
        define_computed(number("price_subtotal", "Subtotal"), lambda env, row: _compute_amounts(env, row)[0]),
        define_computed(number("price_tax", "Total Tax"), lambda env, row: _compute_amounts(env, row)[1]),
        define_computed(number("price_total", "Total"), lambda env, row: round(sum(_compute_amounts(env, row)), 2)),
    )  # fmt: skip


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    models.add(
        ModelDefinition(
            ORDER, "Sales Order", {}, app="sale", order="date_order desc, id desc", before_create=_prepare_order,
            before_unlink=_check_deletion,
        ),
        _ORDER_FIELDS,
    )  # fmt: skip
    models.add(
        ModelDefinition(
            LINE, "Sales Order Line", {}, app="sale", order="order_id, sequence, id", before_create=_prepare_line,
            before_write=_check_lock,
        ),
        _build_line_fields(),
    )  # fmt: skip
