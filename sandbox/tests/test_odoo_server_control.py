"""The control API of the simulated Odoo: recipes, edits, keys, rights, upgrades, and what is kept."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

EMPTY = {"products": 0}


def read_codes(document: Any) -> list[str | None]:
    """Return the internal references of all variants."""
    return [variant["default_code"] for product in document["data"]["products"] for variant in product["variants"]]


async def test_a_recipe_gives_the_same_products_each_time(odoo_server: Any) -> None:
    documents = []
    for _ in range(2):
        await odoo_server.control("PUT", "/databases/twin", {"products": 30, "seed": 7})
        document = await odoo_server.control("GET", "/databases/twin/document")
        for product in document["data"]["products"]:
            for record in (product, *product["variants"]):
                record.pop("write_date"), record.pop("create_date", None)
        documents.append(document["data"]["products"])
    assert documents[0] == documents[1] and len(documents[0]) == 30


async def test_a_product_does_not_depend_on_how_many_there_are(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/databases/all", {"products": 12})
    await odoo_server.control("PUT", "/databases/last", {"products": 4, "first_number": 9})
    whole, part = [
        [
            product["name"]
            for product in (await odoo_server.control("GET", f"/databases/{name}/document"))["data"]["products"]
        ]
        for name in ("all", "last")
    ]
    assert part == whole[8:]


async def test_a_recipe_may_double_codes_and_leave_them_out(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/databases/odd", {"products": 20, "doubled": 2, "without_code": 3, "variants": 1})
    codes = read_codes(await odoo_server.control("GET", "/databases/odd/document"))
    assert codes.count(None) >= 3
    assert len({code for code in codes if code}) < len([code for code in codes if code])


async def test_the_document_shows_an_edit(odoo_server: Any) -> None:
    await odoo_server.call("product.template", "write", [1], {"name": "Edited", "list_price": 12.5})
    document = await odoo_server.control_database("GET", "/document")
    product = document["data"]["products"][0]
    assert (product["name"], product["list_price"], product["currency"]) == ("Edited", 12.5, "EUR")
    assert sorted(document["data"]) == ["company", "products", "stock", "taxes", "warehouses"]


async def test_the_document_is_canonical_json(odoo_server: Any) -> None:
    response = await odoo_server.http.get("/control/odoo/databases/company/document")
    assert response.content == orjson.dumps(orjson.loads(response.content), option=orjson.OPT_SORT_KEYS)


async def test_random_edits_are_the_same_for_a_seed_and_are_told(odoo_server: Any) -> None:
    made = []
    for name in ("one", "two"):
        await odoo_server.control("PUT", f"/databases/{name}", {"products": 10})
        made.append(await odoo_server.control("POST", f"/databases/{name}/edits", {"edits": 20, "seed": 4}))
    assert made[0] == made[1] and len(made[0]["edits"]) > 10
    assert {"kind", "model", "id"} <= set(made[0]["edits"][0])


async def test_a_long_transaction_appears_late_with_the_time_of_its_beginning(odoo_server: Any) -> None:
    (before,) = await odoo_server.call("product.template", "read", [1], ["write_date"])
    await odoo_server.call("product.template", "write", [2], {"name": "Now"})
    edit = {"model": "product.template", "method": "write", "args": [[1], {"name": "Late"}], "began_seconds_ago": 300}
    await odoo_server.control_database("POST", "/execute", edit)
    (late,) = await odoo_server.call("product.template", "read", [1], ["name", "write_date"])
    assert late["name"] == "Late" and late["write_date"] < before["write_date"]


async def test_stock_is_changed_reserved_and_delivered(odoo_server: Any) -> None:
    product = await odoo_server.call("product.product", "create", {"name": "Box", "is_storable": True})
    read = ("product.product", "read", [product], ["qty_available", "free_qty", "outgoing_qty"])
    await odoo_server.control_database("POST", "/stock", {"product": product, "quantity": 10})
    move = (await odoo_server.control_database("POST", "/stock", {"product": product, "reserve": 4}))["move"]
    (row,) = await odoo_server.call(*read)
    assert (row["qty_available"], row["free_qty"], row["outgoing_qty"]) == (10, 6, 4)
    await odoo_server.control_database("POST", "/stock", {"deliver": move})
    (row,) = await odoo_server.call(*read)
    assert (row["qty_available"], row["free_qty"], row["outgoing_qty"]) == (6, 6, 0)


async def test_quants_of_nothing_are_deleted_when_the_server_cleans_up(odoo_server: Any) -> None:
    product = await odoo_server.call("product.product", "create", {"name": "Box", "is_storable": True})
    for quantity in (3, 0):
        await odoo_server.control_database("POST", "/stock", {"product": product, "quantity": quantity})
    domain = [("product_id", "=", product)]
    assert await odoo_server.call("stock.quant", "search_count", domain) == 2
    await odoo_server.control_database("POST", "/clean_quants")
    assert await odoo_server.call("stock.quant", "search_count", domain) == 0
    assert await odoo_server.call("stock.move.line", "search_count", domain) == 2


async def test_a_used_key_goes_on_working_after_its_removal_but_nobody_can_log_in_with_it(odoo_server: Any) -> None:
    created = await odoo_server.control_database("POST", "/keys", {"name": "second"})
    odoo_server.key = created["key"]
    assert await odoo_server.authenticate() == 2
    assert await odoo_server.call("res.company", "search_count", []) == 1
    await odoo_server.control_database("DELETE", f"/keys/{created['id']}")
    assert await odoo_server.authenticate() is False
    assert await odoo_server.call("res.company", "search_count", []) == 1
    await odoo_server.control("POST", "/restart")
    assert await odoo_server.call("res.company", "search_count", []) == "odoo.exceptions.AccessDenied"


async def test_an_expired_key_is_refused_and_its_owner_sees_when_it_expires(odoo_server: Any) -> None:
    (key,) = (await odoo_server.control_database("GET", "/keys"))["keys"]
    await odoo_server.control_database("PATCH", f"/keys/{key['id']}", {"expires_in_seconds": 3600})
    (row,) = await odoo_server.call("res.users.apikeys", "search_read", [], ["name", "expiration_date"])
    assert row["expiration_date"] and await odoo_server.authenticate() == 2
    await odoo_server.control_database("PATCH", f"/keys/{key['id']}", {"expires_in_seconds": -1})
    assert await odoo_server.authenticate() is False


async def test_after_five_wrong_keys_the_right_one_is_refused_as_well(odoo_server: Any) -> None:
    for _ in range(5):
        assert await odoo_server.authenticate("wrong") is False
    assert await odoo_server.authenticate() is False
    logins = (await odoo_server.control("GET", "/statistics"))["logins"]
    assert logins == {"refused": 5, "blocked": 1}


async def test_a_right_that_is_taken_away_is_missed_at_once(odoo_server: Any) -> None:
    await odoo_server.control_database("PUT", "/rights", {"stock.quant": ["read"]})
    assert await odoo_server.call("stock.quant", "search_read", []) == "odoo.exceptions.AccessError"
    assert await odoo_server.call("stock.quant", "check_access_rights", "read", False) is False
    await odoo_server.control_database("PUT", "/rights", {})
    assert await odoo_server.call("stock.quant", "check_access_rights", "read", False) is True


@pytest.mark.parametrize(("before", "after"), [(17, 18), (18, 19), (17, 19)])
async def test_an_upgrade_keeps_the_records_and_changes_the_fields(odoo_server: Any, before: int, after: int) -> None:
    await odoo_server.control("PUT", "/setup", {"version": before})
    await odoo_server.control("PUT", "/databases/company", {"products": 12})
    old = await odoo_server.control_database("GET", "/document")
    await odoo_server.control("PUT", "/setup", {"version": after})
    new = await odoo_server.control_database("GET", "/document")
    for document in (old, new):
        for product in document["data"]["products"]:
            del product["type"]
    assert old == new
    fields = await odoo_server.call("product.template", "fields_get", [], ["type"])
    assert ("is_storable" in fields, "detailed_type" in fields) == (True, False)
    assert ("uom_po_id" in fields) == (after < 19)


async def test_an_app_that_is_not_installed_has_no_models(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/setup", {"apps": ["sale"]})
    assert await odoo_server.call("stock.quant", "search_count", []) == "odoo.exceptions.UserError"
    assert "qty_available" not in await odoo_server.call("product.product", "fields_get", [], ["type"])
    domain = [("state", "=", "installed"), ("name", "=", "stock")]
    assert await odoo_server.call("ir.module.module", "search_count", domain) == 0


async def test_the_server_comes_back_as_it_was(serve: Callable[..., Any]) -> None:
    async with serve() as sandbox:
        key = (await sandbox.http.get("/control/odoo")).json()["key"]
        await sandbox.http.put("/control/odoo/databases/kept", content=orjson.dumps({"products": 9}))
        edit = {"model": "product.template", "method": "write", "args": [[3], {"name": "Kept", "active": False}]}
        await sandbox.http.post("/control/odoo/databases/kept/execute", content=orjson.dumps(edit))
        before = (await sandbox.http.get("/control/odoo/databases/kept/document")).content
    async with serve() as sandbox:
        assert (await sandbox.http.get("/control/odoo")).json()["key"] == key
        assert (await sandbox.http.get("/control/odoo/databases/kept/document")).content == before


async def test_an_automation_calls_for_every_write_of_a_product_and_of_nothing_else(
    odoo_server: Any, receiver: Any
) -> None:
    await odoo_server.control_database("PUT", "/hint", {"url": receiver.url})
    await odoo_server.call("res.partner", "create", {"name": "Nobody"})
    await odoo_server.call("product.template", "write", [1], {"name": "Told"})
    told = {(body["_model"], body["_id"]) for _, text in receiver.received for body in [orjson.loads(text)]}
    assert told == {("product.template", 1), ("product.product", 1)}
    assert (await odoo_server.control("GET", "/statistics"))["hints"] == len(receiver.received)


async def test_what_is_missing_is_404_and_what_is_wrong_400(odoo_server: Any) -> None:
    http = odoo_server.http
    assert (await http.get("/control/odoo/databases/none/document")).status_code == 404
    assert (await http.put("/control/odoo/faults", content=b'{"nonsense": 1}')).status_code == 400
    assert (await http.put("/control/odoo/databases/a%20b", content=b"{}")).status_code == 400
