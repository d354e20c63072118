"""The pages on which a person edits products and stock of the simulated Odoo."""

import re
from typing import Any


def read_form(page: str) -> dict[str, str]:
    """Return the fields of the form with their values, checked boxes too."""
    fields = dict(re.findall(r'<input name="([\w-]+)"[^>]*? value="([^"]*)"', page))
    fields |= dict(re.findall(r'<input type="checkbox" name="(active|sale_ok)" id="\w+" (checked)', page))
    fields["categ_id"] = re.findall(r'<option value="(\d+)" selected', page)[0]
    fields["description_sale"] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)[0]
    return fields


async def test_the_first_page_tells_what_to_connect_with(odoo_server: Any) -> None:
    page = (await odoo_server.http.get("/odoo/")).text
    assert f'<code id="key">{odoo_server.key}</code>' in page and '<code id="login">admin</code>' in page
    assert f'<code id="address">{str(odoo_server.http.base_url).rstrip("/")}</code>' in page
    assert 'href="/odoo/company/"' in page


async def test_products_are_listed_page_by_page_and_found_by_name_or_reference(odoo_server: Any) -> None:
    first = (await odoo_server.http.get("/odoo/company/")).text
    assert first.count('<tr id="product-') == 25 and "page 1 of 2" in first
    found = (await odoo_server.http.get("/odoo/company/", params={"search": "SKU-00004"})).text
    assert found.count('<tr id="product-') == 1


async def test_saving_the_form_writes_what_has_changed_and_nothing_else(odoo_server: Any) -> None:
    http = odoo_server.http
    names = ["name", "list_price", "write_date"]
    read = ("product.product", "search_read", [], ["qty_available", "write_date"], 0, None, "id")
    before = await odoo_server.call(*read)
    form = read_form((await http.get("/odoo/company/1/")).text)
    response = await http.post("/odoo/company/1/save", data={**form, "name": "Edited", "count-1": "77"})
    assert (response.status_code, response.headers["location"]) == (303, "/odoo/company/1/")
    (row,) = await odoo_server.call("product.template", "read", [1], names)
    assert (row["name"], row["list_price"]) == ("Edited", float(form["list_price"]))
    after = await odoo_server.call(*read)
    assert after[0]["qty_available"] == 77 and after[1:] == before[1:]


async def test_saving_an_unchanged_form_writes_nothing(odoo_server: Any) -> None:
    await odoo_server.control_database(
        "POST",
        "/execute",
        {"model": "product.template", "method": "write", "args": [[1], {"name": "Old"}], "began_seconds_ago": 99},
    )
    document = await odoo_server.control_database("GET", "/document")
    page = (await odoo_server.http.get("/odoo/company/1/")).text
    tags = re.findall(r'name="product_tag_ids" id="tag-\d+" value="(\d+)" checked', page)
    await odoo_server.http.post("/odoo/company/1/save", data={**read_form(page), "product_tag_ids": tags})
    assert await odoo_server.control_database("GET", "/document") == document


async def test_a_new_product_can_be_created(odoo_server: Any) -> None:
    response = await odoo_server.http.post("/odoo/company/new", data={"name": "Fresh"})
    assert response.headers["location"] == "/odoo/company/41/"
    assert "Fresh" in (await odoo_server.http.get("/odoo/company/41/")).text


async def test_what_is_not_possible_is_said_and_nothing_is_saved(odoo_server: Any) -> None:
    page = (await odoo_server.http.get("/odoo/company/1/")).text
    form = read_form(page)
    response = await odoo_server.http.post("/odoo/company/1/save", data={**form, "name": ""})
    assert response.status_code == 400 and "mandatory field" in response.text
    assert (await odoo_server.http.get("/odoo/company/999/")).status_code == 404
    assert (await odoo_server.http.get("/odoo/none/")).status_code == 404
