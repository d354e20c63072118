"""What orders do to stock, and what their taxes are. Only where the server has orders."""

import pytest

from odoo_client import Odoo, OdooFault, Row
from samples import Box, create_box, make_prefix


@pytest.fixture
def goods(odoo: Odoo) -> Box:
    """Ten pieces of a product that costs 25."""
    try:
        odoo.call("sale.order", "search_count", domain=[])
    except OdooFault:
        pytest.skip("the server has no orders")
    box = create_box(odoo, list_price=25)
    box.put(10)
    return box


@pytest.fixture
def customer(odoo: Odoo) -> int:
    """Who buys."""
    return odoo.create("res.partner", name=make_prefix())


def create_order(goods: Box, customer: int, **line: object) -> int:
    """Create an order of two pieces."""
    values: Row = {"product_id": goods.product, "product_uom_qty": 2, **line}
    return goods.odoo.create("sale.order", partner_id=customer, order_line=[(0, 0, values)])


def name_tax_field(odoo: Odoo) -> str:
    """Return the field of an order line with its taxes, which has another name since 19."""
    fields = odoo.call("sale.order.line", "fields_get", attributes=["type"])
    return "tax_ids" if "tax_ids" in fields else "tax_id"


def test_a_line_without_taxes_gets_those_of_the_product(odoo: Odoo, goods: Box, customer: int) -> None:
    row = odoo.read("sale.order", create_order(goods, customer), "amount_untaxed", "amount_total", "state")
    assert (row["amount_untaxed"], row["state"]) == (50.0, "draft")
    assert row["amount_total"] > 50
    untaxed = create_order(goods, customer, **{name_tax_field(odoo): [(6, 0, [])]})
    assert odoo.get("sale.order", untaxed, "amount_total") == 50.0


def test_an_order_that_is_confirmed_reserves_at_once(odoo: Odoo, goods: Box, customer: int) -> None:
    order = create_order(goods, customer)
    assert odoo.call("sale.order", "action_confirm", [order]) is True
    assert odoo.get("sale.order", order, "state") == "sale"
    assert goods.read_quantities("qty_available", "free_qty", "virtual_available") == (10.0, 8.0, 8.0)
    domain = [("product_id", "=", goods.product), ("location_id", "=", goods.shelf)]
    (quant,) = odoo.search_read("stock.quant", domain, "quantity", "reserved_quantity", "available_quantity")
    assert (quant["quantity"], quant["reserved_quantity"], quant["available_quantity"]) == (10.0, 2.0, 8.0)


def test_an_order_is_confirmed_once(odoo: Odoo, goods: Box, customer: int) -> None:
    order = create_order(goods, customer)
    odoo.call("sale.order", "action_confirm", [order])
    with pytest.raises(OdooFault) as refused:
        odoo.call("sale.order", "action_confirm", [order])
    assert refused.value.name == "UserError"


def test_an_order_is_cancelled_only_without_the_warning(odoo: Odoo, goods: Box, customer: int) -> None:
    order = create_order(goods, customer)
    odoo.call("sale.order", "action_confirm", [order])
    answer = odoo.call("sale.order", "action_cancel", [order])
    assert (answer["res_model"], odoo.get("sale.order", order, "state")) == ("sale.order.cancel", "sale")
    quiet = odoo.with_context(disable_cancel_warning=True)
    assert quiet.call("sale.order", "action_cancel", [order]) is True
    assert odoo.get("sale.order", order, "state") == "cancel"
    assert goods.read_quantities("free_qty") == (10.0,)
