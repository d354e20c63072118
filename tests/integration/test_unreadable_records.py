"""Records of a form that nobody knows yet: they are left out by name, and withhold nothing else."""

import pytest

from world import World, wait_until

pytestmark = pytest.mark.integration


def test_records_of_unknown_form_withhold_neither_the_first_object_nor_later_changes(world: World) -> None:
    shop = world.make_shop(products=12, discounts=4)
    product, other = world.list_products(shop, 2)
    gid = f"gid://shopify/Product/{product['number']}"
    discounts = [edge["node"]["id"] for edge in world.fetch_truth(shop)["data"]["codeDiscountNodes"]["edges"]]
    world.set_faults(shop, unknown_forms=[gid, discounts[0]])
    connected = world.connect(shop)
    first = world.wait_for_sync(connected)
    assert (first["state"], set(first["left_out"])) == ("success", {gid, discounts[0]})
    assert "it could not be read before either" in first["left_out"][gid]
    stored = wait_until(lambda: world.read_object(shop))
    shown = [edge["node"]["id"] for edge in stored.document["data"]["products"]["edges"]]
    assert (len(shown), gid in shown) == (11, False)

    world.edit_product(shop, other["number"], title="Readable")
    world.edit_product(shop, product["number"], title="Not readable yet")
    wait_until(lambda: len(world.list_shop_syncs(shop, cause="webhook", state="success")) >= 2 or None)
    assert not world.list_shop_syncs(shop, state="failed")

    world.set_faults(shop)
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)
