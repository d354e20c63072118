"""Products are made exactly once, whatever is cut off, with the variants that were asked for."""

from typing import Any
from uuid import uuid4

import pytest

from destination.destination import APPLIED, REFUSED, UNCHANGED
from platform_sdk.errors import RetryLaterError
from sandbox.odoo.state import LOGIN
from writer_world import DATABASE, TEMPLATE, VARIANT, request


def create(**values: Any) -> Any:
    """Return a request to make a product in three of the four combinations of two options, or as `values` say."""
    mark = uuid4().hex[:8]
    options = [{"name": f"Cut {mark}", "values": ["wide", "slim"]}, {"name": f"Hue {mark}", "values": ["red", "blue"]}]
    combinations = [("wide", "red"), ("wide", "blue"), ("slim", "red")]
    variants = [
        {
            "sku": f"{mark}-{place}",
            "barcode": f"{mark}{place}",
            "price": "20.00",
            "cost": "7.5",
            "weight": "250",
            "option_values": {options[0]["name"]: cut, options[1]["name"]: hue},
        }
        for place, (cut, hue) in enumerate(combinations)
    ]
    fields = {
        "title": "Shirt",
        "description": "<p>One</p>",
        "product_type": f"Tops {mark}",
        "tags": ["Summer", f"tag {mark}"],
        "published": True,
        "options": options,
    }
    defaults = {"operation": "create", "external_id": f"{mark}_products_1", "fields": fields, "variants": variants}
    return request("products", None, **{**defaults, **values})


def change(sent: Any, **fields: Any) -> Any:
    """Return the request with other fields."""
    return sent.model_copy(update={"fields": {**sent.fields, **fields}})


def complete(sent: Any) -> Any:
    """Return the request with the fourth combination, so that it has all."""
    names = [option["name"] for option in sent.fields["options"]]
    values = {**sent.variants[2], "sku": "x" + sent.variants[2]["sku"], "barcode": None}
    last = {**values, "option_values": dict(zip(names, ("slim", "blue"), strict=True))}
    return sent.model_copy(update={"variants": (*sent.variants, last)})


async def count_products(world: Any, sent: Any) -> int:
    """Return how many products have a SKU of the request, archived ones too."""
    skus = [one["sku"] for one in sent.variants]
    context = {"active_test": False}
    rows = await world.client.search_read(VARIANT, [("default_code", "in", skus)], ["product_tmpl_id"], context=context)
    assert len(rows) == len(skus)
    return len({row["product_tmpl_id"][0] for row in rows})


@pytest.mark.parametrize("is_sparse", [True, False])
async def test_a_product_is_made_once_with_exactly_its_variants(world: Any, is_sparse: bool) -> None:
    sent = create() if is_sparse else complete(create())
    if "is_published" not in await world.client.get_fields(TEMPLATE):
        sent = change(sent, published=False)
    (result,) = await world.write(sent)
    assert (result.outcome, result.message, result.reason_code) == (APPLIED, None, None)
    product = await world.read_linked(result.record)
    for name in ("title", "description", "product_type", "options"):
        assert result.values[name] == product.values[name]
    assert product.values["product_type"] == sent.fields["product_type"]
    assert {tag.casefold() for tag in product.values["tags"]} == {tag.casefold() for tag in sent.fields["tags"]}
    children = {one.values["sku"]: one for one in product.children}
    assert children.keys() == {one["sku"] for one in sent.variants}
    assert result.variants == {sku: one.id for sku, one in children.items()}
    for wanted in sent.variants:
        values = children[wanted["sku"]].values
        assert values["barcode"] == wanted["barcode"]
        assert [float(values[name]) for name in ("price", "cost", "weight")] == [20, 7.5, 250]
    variant = await world.read(
        VARIANT, result.variants[sent.variants[2]["sku"]], "product_template_attribute_value_ids"
    )
    chosen = await world.client.read(
        "product.template.attribute.value", variant["product_template_attribute_value_ids"], ["name"]
    )
    assert {row["name"] for row in chosen} == {"slim", "red"}
    (again,) = await world.write(sent)
    assert (again.outcome, again.record, again.variants) == (UNCHANGED, result.record, result.variants)
    assert again.version == result.version and await count_products(world, sent) == 1


async def test_a_product_without_options_has_one_variant(world: Any) -> None:
    mark = uuid4().hex[:8]
    sent = create(fields={"title": "Cap"}, variants=({"sku": mark, "price": "5", "weight": None},))
    (result,) = await world.write(sent)
    assert (result.outcome, list(result.variants)) == (APPLIED, [mark])
    (child,) = (await world.read_linked(result.record)).children
    assert (child.values["sku"], float(child.values["price"])) == (mark, 5)


async def test_the_lowest_price_is_written_and_the_others_are_told(world: Any) -> None:
    sent = create()
    dearer = {**sent.variants[1], "price": "25"}
    sent = sent.model_copy(update={"variants": (sent.variants[0], dearer, sent.variants[2])})
    (result,) = await world.write(change(sent, published=False))
    assert result.outcome == APPLIED and dearer["sku"] in (result.message or "")
    assert sent.variants[0]["sku"] not in (result.message or "")
    assert (await world.read(TEMPLATE, result.record, "list_price"))["list_price"] == 20


@pytest.mark.parametrize("method", ["load", "product.product.create", "product.product.write"])
@pytest.mark.parametrize("fault", ["hidden_calls", "cut_calls", "concurrency_errors"])
async def test_whatever_is_cut_off_is_made_whole_at_the_next_attempt(simulated: Any, method: str, fault: str) -> None:
    sent = complete(create()) if method == "product.product.write" else create()
    simulated.set_faults(methods=[method], **{fault: 1})
    with pytest.raises(RetryLaterError):
        await simulated.write(sent)
    simulated.count_calls("product.template.load")
    (result,) = await simulated.write(sent)
    assert sorted(result.variants) == sorted(one["sku"] for one in sent.variants)
    assert await count_products(simulated, sent) == 1
    has_failed = method == "load" and fault == "concurrency_errors"
    assert simulated.count_calls("product.template.load") == int(has_failed)
    assert [one.outcome for one in await simulated.write(sent)] == [UNCHANGED]


async def test_what_people_have_edited_since_is_left_as_it_is(simulated: Any) -> None:
    sent = create()
    (made,) = await simulated.write(sent)
    sku = sent.variants[0]["sku"]
    await simulated.edit(TEMPLATE, made.record, name="Jacket", active=False)
    await simulated.edit(VARIANT, made.variants[sku], standard_price=9.0, weight=0)
    (again,) = await simulated.write(sent)
    assert again.outcome == APPLIED and again.record == made.record
    row = await simulated.read(VARIANT, made.variants[sku], "standard_price", "weight", "name")
    assert (row["standard_price"], row["weight"], row["name"]) == (9.0, 0.25, "Jacket")


async def test_a_product_that_was_deleted_is_made_anew(world: Any) -> None:
    sent = create()
    (made,) = await world.write(sent)
    await world.client.call(TEMPLATE, "unlink", [int(made.record)])
    (again,) = await world.write(sent)
    assert again.outcome == APPLIED and again.record != made.record


async def test_a_user_without_rights_on_external_ids_makes_a_product_once(simulated: Any) -> None:
    sent = create()
    rights = {"ir.model.data": ["read", "write", "create", "unlink"]}
    simulated.state.set_denied_rights(DATABASE, rights)
    results = [(await simulated.write(sent))[0] for _ in range(2)]
    assert [one.outcome for one in results] == [APPLIED, UNCHANGED] and simulated.login.login == LOGIN


async def test_present_attributes_and_values_are_used(simulated: Any) -> None:
    sent = create()
    name = sent.fields["options"][0]["name"]
    (attribute,) = await simulated.client.call("product.attribute", "create", vals_list=[{"name": name.upper()}])
    value = {"name": "Wide", "attribute_id": attribute}
    await simulated.client.call("product.attribute.value", "create", vals_list=[value])
    second = {**sent.variants[0], "option_values": {**sent.variants[0]["option_values"], name: "slim"}}
    second |= {"sku": "second", "barcode": None}
    fields = {**sent.fields, "options": [{"name": name, "values": ["wide"]}, *sent.fields["options"][1:]]}
    fields["options"][1] = {**fields["options"][1], "values": ["red"]}
    sent = sent.model_copy(update={"variants": (sent.variants[0], second), "fields": fields})
    (result,) = await simulated.write(sent)
    assert (result.outcome, len(result.variants)) == (APPLIED, 2)
    lines = await simulated.client.search_read(
        "product.template.attribute.line", [("product_tmpl_id", "=", int(result.record))], ["attribute_id", "value_ids"]
    )
    assert [len(line["value_ids"]) for line in lines if line["attribute_id"][0] == attribute] == [2]


async def test_options_that_never_make_variants_are_not_used(simulated: Any) -> None:
    sent = create()
    values = [{"name": option["name"], "create_variant": "no_variant"} for option in sent.fields["options"]]
    await simulated.client.call("product.attribute", "create", vals_list=values)
    (result,) = await simulated.write(sent)
    assert (result.outcome, len(result.variants)) == (APPLIED, 3)


async def test_what_odoo_cannot_hold_is_told_and_the_product_is_made(plain: Any) -> None:
    sent = change(create(), vendor="Acme")
    (result,) = await plain.write(sent)
    assert result.outcome == APPLIED
    assert "vendor" in (result.message or "") and "web shop" in (result.message or "")


@pytest.mark.parametrize(
    "values",
    [
        {"external_id": None},
        {"fields": {"title": "Shirt"}},
        {"fields": {"title": "", "options": []}, "variants": ({"sku": "a"},)},
        {"fields": {"title": "Shirt", "options": [{"name": "Size"}]}},
        {"fields": {"title": "Shirt", "product_type": "A / B"}, "variants": ({"sku": "a"},)},
        {"fields": {"title": "Shirt"}, "variants": ({"sku": "a", "price": "much"},)},
        {"fields": {"title": "Shirt"}, "variants": ({"sku": "a", "cost": "much"},)},
        {"fields": {"title": "Shirt"}, "variants": ({"sku": "a", "barcode": "777"},)},
        {"currency": "XTS"},
    ],
)
async def test_what_cannot_be_made_is_refused_before_anything_is(simulated: Any, values: Any) -> None:
    await simulated.create_product(barcode="777")
    before = simulated.state.count_records(DATABASE)
    (result,) = await simulated.write(create(**values))
    assert result.outcome == REFUSED and result.reason_code in ("odoo_data", "currency")
    assert simulated.state.count_records(DATABASE) == before


async def test_one_that_is_refused_stops_no_other(simulated: Any) -> None:
    sent = [create(), change(create(), title=""), create()]
    assert [one.outcome for one in await simulated.write(*sent)] == [APPLIED, REFUSED, APPLIED]


async def test_products_of_one_type_are_made_in_one_batch(simulated: Any) -> None:
    first = create()
    others = [change(create(), product_type=first.fields["product_type"]) for _ in range(2)]
    results = await simulated.write(first, *others)
    assert [(one.outcome, one.message) for one in results] == [(APPLIED, None)] * 3


async def test_the_right_to_make_products_is_needed(simulated: Any) -> None:
    simulated.state.set_denied_rights(DATABASE, {TEMPLATE: ["create"]})
    (result,) = await simulated.write(create(fields={"title": "Cap"}, variants=({"sku": "cap"},)))
    assert (result.outcome, result.reason_code) == (REFUSED, "access_denied")


async def test_variants_are_not_made_alone(simulated: Any) -> None:
    (result,) = await simulated.write(request("variants", None, operation="create", external_id="a", fields={}))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data")
