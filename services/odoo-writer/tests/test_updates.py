"""Only what differs is written, only over what was expected, and what is read back is what the feed will say."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linking.fields import FIELDS
from linking.records import PRODUCTS, VARIANTS
from linking.values import is_same

KINDS = {(one.resource, one.name): one.kind for one in FIELDS}
PRODUCT_VALUES: dict[str, Any] = {
    "title": "Lamp of oak",
    "description": "<p>Warm &amp; bright</p>",
    "product_type": "Lamps",
    "tags": ["Wood", "light"],
}
VARIANT_VALUES: dict[str, Any] = {
    "sku": "L-1",
    "barcode": "4006381333931",
    "price": "19.90",
    "cost": "7.50",
    "weight": "1250",
}


async def read(shelf: Any, template: str, variant: str | None = None) -> Any:
    """Return the values of a record, by a request that expects nothing and wants nothing that is there."""
    wanted = VARIANT_VALUES if variant else PRODUCT_VALUES
    more = {"product": template} if variant else {}
    (result,) = await shelf.write(shelf.request(variant or template, dict.fromkeys(wanted, "another"), **more))
    assert result.outcome == "conflict", result.message
    return dict(result.values)


@pytest.mark.parametrize("name", PRODUCT_VALUES)
async def test_each_field_of_a_product_is_written_alone_and_once(shelf: Any, name: str) -> None:
    template, variant = await shelf.make(default_code="L-1", description_sale="Old")
    expected = await read(shelf, template)
    shelf.forget_calls()
    request = shelf.request(template, {name: PRODUCT_VALUES[name]}, expected)
    (result,) = await shelf.write(request)
    assert (result.outcome, result.record, result.reason_code) == ("applied", template, None)
    assert is_same(KINDS[PRODUCTS, name], result.values[name], PRODUCT_VALUES[name])
    assert shelf.count_calls()["product.template.write"] == 1
    after = await read(shelf, template)
    assert {key: value for key, value in after.items() if key != name} == {
        key: value for key, value in expected.items() if key != name
    }
    assert await shelf.show("product.product", variant, "default_code") == {"default_code": "L-1"}
    (again,) = await shelf.write(request)
    assert (again.outcome, shelf.count_calls()["product.template.write"]) == ("unchanged", 1)


@pytest.mark.parametrize("name", VARIANT_VALUES)
async def test_each_field_of_a_variant_is_written_alone_and_once(shelf: Any, name: str) -> None:
    template, variant = await shelf.make()
    expected = await read(shelf, template, variant)
    shelf.forget_calls()
    request = shelf.request(variant, {name: VARIANT_VALUES[name]}, expected, product=template)
    (result,) = await shelf.write(request)
    assert (result.outcome, result.record, result.message) == ("applied", variant, None)
    assert is_same(KINDS[VARIANTS, name], result.values[name], VARIANT_VALUES[name], "EUR")
    assert sum(shelf.count_calls().values()) == 1
    (again,) = await shelf.write(request)
    assert (again.outcome, sum(shelf.count_calls().values())) == ("unchanged", 1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip),
    weight=st.integers(0, 9_999).map(lambda tens: str(10 * tens)),
    price=st.decimals(0, 99_999, places=2).map(str),
    tags=st.lists(st.sampled_from(["Oak", "oak", "light", "Neu"]), max_size=3),
)
async def test_what_is_read_back_means_what_was_written(
    shelf: Any, title: str, weight: str, price: str, tags: list[str]
) -> None:
    template, variant = await shelf.make()
    expected = {**await read(shelf, template), **await read(shelf, template, variant)}
    product = shelf.request(template, {"title": title, "tags": tags}, expected)
    one = shelf.request(variant, {"weight": weight, "price": price}, expected, product=template)
    for request, result in zip((product, one), await shelf.write(product, one), strict=True):
        assert result.outcome in ("applied", "unchanged")
        for name, value in request.fields.items():
            assert is_same(KINDS[request.resource, name], result.values[name], value, "EUR")


async def test_a_value_that_somebody_has_changed_is_a_conflict_and_stays(shelf: Any) -> None:
    template, _ = await shelf.make("Of a person")
    shelf.forget_calls()
    (result,) = await shelf.write(shelf.request(template, {"title": "Of the link"}, {"title": "Lamp"}))
    assert (result.outcome, dict(result.values)) == ("conflict", {"title": "Of a person"})
    assert shelf.count_calls() == {}


async def test_the_version_is_the_time_of_the_last_change(shelf: Any) -> None:
    template, variant = await shelf.make()
    (result,) = await shelf.write(shelf.request(variant, {"barcode": "1"}, {}, product=template))
    written = await shelf.show("product.product", variant, "write_date")
    assert result.version is not None
    assert result.version.strftime("%Y-%m-%d %H:%M:%S") == written["write_date"]


async def test_variants_of_one_price_keep_it(shelf: Any) -> None:
    template, sizes = await shelf.make_sizes("S", "M", list_price=10.0)
    shelf.forget_calls()
    request = shelf.request(sizes["S"], {"price": "12.00"}, {"price": "10"}, product=template)
    (result,) = await shelf.write(request)
    assert (result.outcome, result.reason_code) == ("refused", "odoo_data")
    assert "share one price" in str(result.message)
    assert shelf.count_calls() == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"vendor": "Acme"}, "no field for vendor"), ({"options": []}, "options of a product that exists")],
)
async def test_what_odoo_has_no_place_for_is_refused_in_words(shelf: Any, fields: Any, words: str) -> None:
    template, _ = await shelf.make_sizes("S", "M")
    expected = {"options": [{"name": "Size", "values": ["S", "M"]}]}
    (result,) = await shelf.write(shelf.request(template, fields, expected))
    assert (result.outcome, result.reason_code) == ("refused", "odoo_data")
    assert words in str(result.message)


async def test_amounts_of_another_currency_are_refused(shelf: Any) -> None:
    template, variant = await shelf.make()
    (result,) = await shelf.write(shelf.request(variant, {"price": "9"}, {}, product=template, currency="USD"))
    assert (result.outcome, result.reason_code) == ("refused", "currency")


async def test_a_web_shop_has_the_description_and_publishes(open_shelf: Any) -> None:
    shelf = await open_shelf(apps=["sale", "stock", "website_sale"])
    template, _ = await shelf.make(is_published=False)
    wanted = {"description": "<p>Warm</p>", "published": True}
    (result,) = await shelf.write(shelf.request(template, wanted, {"description": None, "published": False}))
    assert result.outcome == "applied"
    assert await shelf.show("product.template", template, "is_published") == {"is_published": True}


async def test_archived_products_are_written_to_and_gone_ones_refused(shelf: Any) -> None:
    template, _ = await shelf.make(active=False)
    gone, _ = await shelf.make()
    await shelf.world.call("product.template", "unlink", [int(gone)])
    requests = [shelf.request(one, {"title": "New"}, {"title": "Lamp"}) for one in (template, gone)]
    archived, missing = await shelf.write(*requests)
    assert archived.outcome == "applied"
    assert (missing.outcome, missing.reason_code) == ("refused", "odoo_data")
    assert "any more" in str(missing.message)


@pytest.mark.parametrize("text", ["", "no number", "99999999999", "-1"])
async def test_what_is_no_id_is_refused(shelf: Any, text: str) -> None:
    (result,) = await shelf.write(shelf.request(text, {"title": "New"}))
    assert result.outcome == "refused"


async def test_an_existing_category_and_tag_are_used(shelf: Any) -> None:
    root = (await shelf.world.find("product.category", ("name", "=", "All")))[0]
    lamps = await shelf.world.create("product.category", name="Lamps", parent_id=root)
    tag = await shelf.world.create("product.tag", name="Wood")
    template, _ = await shelf.make()
    request = shelf.request(template, {"product_type": "Lamps", "tags": ["wood"]}, {"tags": []})
    (result,) = await shelf.write(request)
    assert result.outcome == "applied", result.message
    shown = await shelf.show("product.template", template, "categ_id", "product_tag_ids")
    assert (shown["categ_id"][0], shown["product_tag_ids"]) == (lamps, [tag])


@pytest.mark.parametrize(
    ("operation", "field", "apps"),
    [
        ("draft", "sale_ok", ["sale", "stock"]),
        ("draft", "is_published", ["sale", "website_sale"]),
        ("archive", "active", ["sale"]),
    ],
)
async def test_a_removal_is_made_once(open_shelf: Any, operation: str, field: str, apps: list[str]) -> None:
    shelf = await open_shelf(apps=apps)
    values = {"is_published": True} if "website_sale" in apps else {}
    template, _ = await shelf.make(**values)
    shelf.forget_calls()
    request = shelf.request(template, operation=operation)
    assert [one.outcome for one in await shelf.write(request)] == ["applied"]
    assert await shelf.show("product.template", template, field) == {field: False}
    assert [one.outcome for one in await shelf.write(request)] == ["unchanged"]
    assert shelf.count_calls() == {"product.template.write": 1}


async def test_nothing_is_ever_deleted(shelf: Any) -> None:
    template, _ = await shelf.make()
    (result,) = await shelf.write(shelf.request(template, operation="delete"))
    assert (result.outcome, result.reason_code) == ("refused", "odoo_data")
