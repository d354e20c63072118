"""What is written to records that exist, and what follows from errors."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from destination.destination import APPLIED, CONFLICT, REFUSED, UNCHANGED
from linking.fields import FIELDS
from linking.values import is_same
from odoo_writer.references import ReferenceFinder
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, RetryLaterError
from sandbox.odoo.authentication import KEYS
from writer_world import DATABASE, TEMPLATE, VARIANT, request

KINDS = {(one.resource, one.name): one.kind for one in FIELDS}
PRODUCT_WRITES, VARIANT_WRITES = f"{TEMPLATE}.write", f"{VARIANT}.write"


def update(ids: tuple[str, str], resource: str, expected: Any, wanted: Any, **values: Any) -> Any:
    """Return a request to write fields of a product, or of its variant."""
    record, product = (ids[0], None) if resource == "products" else (ids[1], ids[0])
    return request(resource, record, product=product, expected=expected, fields=wanted, **values)


@pytest.mark.parametrize(
    ("name", "expected", "wanted"),
    [
        ("title", "Shirt", "  Shirt, blue "),
        ("description", None, "<p>One &amp; two</p><ul><li>three</li></ul>"),
        ("product_type", "Goods", "Shoes NEW"),
        ("tags", [], ["Summer", "sale, new"]),
        ("sku", None, "A-NEW"),
        ("barcode", None, "NEW"),
        ("price", "10.00", "12.345"),
        ("cost", "0", "4.20"),
        ("weight", "0", "1253.7"),
    ],
)
async def test_each_field_is_written_once_and_reads_as_it_was_wanted(
    world: Any, name: str, expected: Any, wanted: Any
) -> None:
    # Other runs against a real database have left records there.
    wanted = wanted.replace("NEW", uuid4().hex[:10]) if isinstance(wanted, str) else wanted
    ids = await world.create_product()
    resource = "products" if ("products", name) in KINDS else "variants"
    if name == "product_type":
        expected = (await world.read_linked(ids[0])).values[name]
    sent = update(ids, resource, {name: expected}, {name: wanted})
    (result,) = await world.write(sent)
    assert (result.outcome, result.reason_code, result.message) == (APPLIED, None, None)
    product = await world.read_linked(ids[0])
    stored = (product if resource == "products" else product.children[0]).values[name]
    assert result.values == {name: stored}
    rounded = {"price": "12.35", "weight": "1250"}.get(name, wanted)
    assert is_same(KINDS[resource, name], stored, rounded)
    assert result.written == {}
    (again,) = await world.write(sent)
    assert (again.outcome, again.values, again.version) == (UNCHANGED, result.values, result.version)


async def test_the_version_and_the_time_are_those_of_the_reading(simulated: Any) -> None:
    ids = await simulated.create_product()
    (result,) = await simulated.write(update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}))
    row = await simulated.read(TEMPLATE, ids[0], "write_date")
    assert f"{result.version:%Y-%m-%d %H:%M:%S}" == row["write_date"]
    assert 0 <= result.read_at / 1000 - result.version.timestamp() < 5


async def test_publishing_and_html_are_for_databases_with_a_web_shop(simulated: Any, plain: Any) -> None:
    wanted = {"published": True, "description": "<p>One</p><p>two</p>"}
    with_shop = await simulated.create_product()
    (published,) = await simulated.write(update(with_shop, "products", {"published": False}, wanted))
    row = await simulated.read(TEMPLATE, with_shop[0], "is_published", "website_description")
    assert (published.outcome, row["is_published"]) == (APPLIED, True)
    assert row["website_description"] == wanted["description"]
    without = await plain.create_product()
    (refused,) = await plain.write(update(without, "products", {}, wanted))
    assert (refused.outcome, refused.reason_code) == (REFUSED, "odoo_data")
    (described,) = await plain.write(update(without, "products", {}, {"description": wanted["description"]}))
    assert described.outcome == APPLIED
    assert (await plain.read(TEMPLATE, without[0], "description_sale"))["description_sale"] == "One\ntwo"


async def test_two_requests_cause_one_write_and_only_fields_that_differ_are_sent(simulated: Any) -> None:
    ids = await simulated.create_product(default_code="A-1")
    sent = update(ids, "variants", {"sku": "A-1", "cost": "0"}, {"sku": "A-1", "cost": "5"})
    assert [one.outcome for one in await simulated.write(sent)] == [APPLIED]
    assert [one.outcome for one in await simulated.write(sent)] == [UNCHANGED]
    assert simulated.count_calls(VARIANT_WRITES) == 1


async def test_a_record_that_has_changed_meanwhile_is_a_conflict_and_nothing_is_written(simulated: Any) -> None:
    ids = await simulated.create_product()
    await simulated.edit(TEMPLATE, ids[0], name="Jacket", description_sale="x")
    simulated.count_calls(PRODUCT_WRITES)
    wanted = {"title": "Coat", "tags": ["new"]}
    (result,) = await simulated.write(update(ids, "products", {"title": "Shirt", "tags": []}, wanted))
    assert (result.outcome, result.values) == (CONFLICT, {"title": "Jacket", "tags": []})
    assert simulated.count_calls(PRODUCT_WRITES) == 0 and simulated.count_calls("product.tag.create") == 0


async def test_an_edit_right_after_a_write_is_told_from_what_was_written(simulated: Any) -> None:
    ids = await simulated.create_product(default_code="A-1")

    async def edit(call: str) -> None:
        if call == VARIANT_WRITES:
            await simulated.edit(VARIANT, ids[1], default_code="A-3", weight=7)

    simulated.after_call = edit
    expected, wanted = {"sku": "A-1", "cost": "0", "weight": "0"}, {"sku": "A-2", "cost": "5", "weight": "12"}
    (result,) = await simulated.write(update(ids, "variants", expected, wanted))
    assert (result.outcome, result.values) == (APPLIED, {"sku": "A-3", "cost": "5.0", "weight": "7000.0"})
    assert result.written == {"sku": "A-2", "weight": "10.00"}


async def test_a_value_that_odoo_rounds_is_not_written_for_ever(simulated: Any) -> None:
    ids = await simulated.create_product()
    wanted = {"weight": "12", "cost": "1.006"}
    (first,) = await simulated.write(update(ids, "variants", {"weight": "0", "cost": "0"}, wanted))
    assert (first.values, first.written) == ({"weight": "10.00", "cost": "1.01"}, {})
    simulated.count_calls(VARIANT_WRITES)
    (second,) = await simulated.write(update(ids, "variants", first.values, wanted))
    assert second.outcome == UNCHANGED and simulated.count_calls(VARIANT_WRITES) == 0


@pytest.mark.parametrize(
    ("resource", "wanted", "outcome"),
    [
        ("products", {"vendor": "Acme"}, REFUSED),
        ("products", {"vendor": None}, UNCHANGED),
        ("products", {"options": [{"name": "Size", "values": ["S"]}]}, REFUSED),
        ("products", {"title": " "}, REFUSED),
        ("products", {"title": 5}, REFUSED),
        ("products", {"colour": "red"}, REFUSED),
        ("products", {"product_type": "A / B"}, REFUSED),
        ("products", {"product_type": "All"}, REFUSED),
        ("variants", {"compare_at_price": "9"}, REFUSED),
        ("variants", {"compare_at_price": "0.00"}, UNCHANGED),
        ("variants", {"cost": "much"}, REFUSED),
    ],
)
async def test_what_odoo_has_no_place_for_is_refused_unless_it_is_empty(
    simulated: Any, resource: str, wanted: Any, outcome: str
) -> None:
    ids = await simulated.create_product()
    present = (await simulated.read_linked(ids[0])).values if resource == "products" else {}
    expected = {name: present.get(name) for name in wanted}
    (result,) = await simulated.write(update(ids, resource, expected, wanted))
    assert (result.outcome, result.reason_code) == (outcome, "odoo_data" if outcome == REFUSED else None)
    assert simulated.count_calls(PRODUCT_WRITES) == simulated.count_calls(VARIANT_WRITES) == 0


async def test_amounts_in_another_currency_are_refused(simulated: Any) -> None:
    ids = await simulated.create_product()
    known = (await simulated.read_linked(ids[0])).currency
    other = "CHF" if known != "CHF" else "EUR"
    (result,) = await simulated.write(update(ids, "variants", {"price": "10"}, {"price": "11"}, currency=other))
    assert (result.outcome, result.reason_code) == (REFUSED, "currency")
    (same,) = await simulated.write(update(ids, "variants", {"price": "10"}, {"price": "11"}, currency=known))
    assert same.outcome == APPLIED


async def test_the_price_of_one_of_several_variants_is_refused_unless_it_is_that(simulated: Any) -> None:
    (attribute,) = await simulated.client.call("product.attribute", "create", vals_list=[{"name": "Cut"}])
    names = ("wide", "slim")
    values = await simulated.client.call(
        "product.attribute.value", "create", vals_list=[{"name": name, "attribute_id": attribute} for name in names]
    )
    template, variant = await simulated.create_product(
        attribute_line_ids=[[0, 0, {"attribute_id": attribute, "value_ids": [[6, 0, values]]}]]
    )
    ids = template, variant
    (refused,) = await simulated.write(update(ids, "variants", {"price": "10"}, {"price": "11"}))
    assert (refused.outcome, refused.reason_code) == (REFUSED, "odoo_data") and "one price" in (refused.message or "")
    (unchanged,) = await simulated.write(update(ids, "variants", {"price": "9"}, {"price": "10"}))
    assert unchanged.outcome == UNCHANGED


async def test_the_price_of_a_single_variant_is_written_less_what_its_options_cost(simulated: Any) -> None:
    (attribute,) = await simulated.client.call("product.attribute", "create", vals_list=[{"name": "Engraving"}])
    value = {"name": "yes", "attribute_id": attribute, "default_extra_price": 2.5}
    values = await simulated.client.call("product.attribute.value", "create", vals_list=[value])
    ids = await simulated.create_product(
        attribute_line_ids=[[0, 0, {"attribute_id": attribute, "value_ids": [[6, 0, values]]}]]
    )
    (result,) = await simulated.write(update(ids, "variants", {"price": "12.5"}, {"price": "20"}))
    assert (result.outcome, is_same(KINDS["variants", "price"], result.values["price"], "20")) == (APPLIED, True)
    assert (await simulated.read(TEMPLATE, ids[0], "list_price"))["list_price"] == 17.5


async def test_a_category_is_found_by_its_name_and_one_of_two_is_a_persons_matter(simulated: Any) -> None:
    client = simulated.client
    (root,) = await client.search_read("product.category", [("name", "=", "All")], ["id"])
    (first,) = await client.call("product.category", "create", vals_list=[{"name": "Clogs", "parent_id": root["id"]}])
    ids = await simulated.create_product(categ_id=root["id"])
    sent = update(ids, "products", {"product_type": None}, {"product_type": "Clogs"})
    assert [one.outcome for one in await simulated.write(sent)] == [APPLIED]
    assert (await simulated.read(TEMPLATE, ids[0], "categ_id"))["categ_id"][0] == first
    await client.call("product.category", "create", vals_list=[{"name": "Clogs", "parent_id": first}])
    assert [one.outcome for one in await simulated.write(sent)] == [UNCHANGED]
    other = await simulated.create_product(categ_id=root["id"])
    (refused,) = await simulated.write(update(other, "products", {"product_type": None}, {"product_type": "Clogs"}))
    assert (refused.outcome, refused.message) == (REFUSED, "2 categories of Odoo have the name 'Clogs'")
    (emptied,) = await simulated.write(update(ids, "products", {"product_type": "Clogs"}, {"product_type": None}))
    assert (emptied.outcome, emptied.values) == (APPLIED, {"product_type": None})


async def test_products_of_a_batch_share_new_tags_and_present_ones_of_other_case(simulated: Any) -> None:
    (present,) = await simulated.client.call("product.tag", "create", vals_list=[{"name": "50% Off_"}])
    first, second = await simulated.create_product(), await simulated.create_product()
    wanted = {"tags": ["50% OFF_", "Brand new"]}
    results = await simulated.write(
        update(first, "products", {"tags": []}, wanted), update(second, "products", {"tags": []}, wanted)
    )
    assert [one.outcome for one in results] == [APPLIED, APPLIED]
    rows = [await simulated.read(TEMPLATE, ids[0], "product_tag_ids") for ids in (first, second)]
    assert rows[0]["product_tag_ids"] == rows[1]["product_tag_ids"] and present in rows[0]["product_tag_ids"]
    assert simulated.count_calls("product.tag.create") == 2


async def test_a_tag_that_is_made_meanwhile_is_found_at_the_next_attempt(simulated: Any) -> None:
    early, late = (ReferenceFinder(simulated.open_session(simulated.build_context())) for _ in range(2))
    await early.load([], [["Fresh"]])
    created = await simulated.client.call("product.tag", "create", vals_list=[{"name": "Fresh"}])
    with pytest.raises(RetryLaterError, match="made meanwhile"):
        await early.find_tags(["Fresh"])
    await late.load([], [["Fresh"]])
    assert await late.find_tags(["fresh"]) == created


async def test_a_record_that_comes_twice_is_read_in_between(simulated: Any) -> None:
    ids = await simulated.create_product()
    results = await simulated.write(
        update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}),
        update(ids, "products", {"title": "Shirt"}, {"title": "Hat"}),
    )
    assert [one.outcome for one in results] == [APPLIED, CONFLICT]


async def test_archived_records_are_written_and_records_that_are_gone_are_refused(simulated: Any) -> None:
    ids, gone = await simulated.create_product(), await simulated.create_product()
    await simulated.edit(TEMPLATE, ids[0], active=False)
    await simulated.client.call(TEMPLATE, "unlink", [int(gone[0])])
    results = await simulated.write(
        update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}),
        update(ids, "variants", {"sku": None}, {"sku": "A-9"}),
        update(gone, "products", {"title": "Shirt"}, {"title": "Coat"}),
        update((ids[0], gone[1]), "variants", {"sku": None}, {"sku": "A-9"}),
        update(("not an id", "0"), "products", {}, {"title": "Coat"}),
        update(ids, "products", {}, {"published": True}),
    )
    assert [one.outcome for one in results] == [APPLIED, APPLIED, *[REFUSED] * 4]
    assert {one.reason_code for one in results[2:]} == {"odoo_data"}
    (unpublished,) = await simulated.write(update(ids, "products", {}, {"published": False}))
    assert unpublished.outcome == UNCHANGED


async def test_one_bad_record_among_ten_stops_no_other(simulated: Any) -> None:
    await simulated.create_product(barcode="777")
    products = [await simulated.create_product() for _ in range(10)]
    results = await simulated.write(
        *(
            update(ids, "variants", {"barcode": None}, {"barcode": "777" if place == 3 else f"88{place}"})
            for place, ids in enumerate(products)
        )
    )
    assert [one.outcome for one in results] == [REFUSED if place == 3 else APPLIED for place in range(10)]
    assert results[3].reason_code == "odoo_data" and "already assigned" in (results[3].message or "")
    assert simulated.count_calls(VARIANT_WRITES) == 10
    assert simulated.calls <= 10 + 12


async def test_an_error_of_a_transaction_is_postponed_and_the_write_happens_once(simulated: Any) -> None:
    first, second = await simulated.create_product(), await simulated.create_product()
    sent = [update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}) for ids in (first, second)]
    simulated.set_faults(methods=["write"], spared_calls=1, concurrency_errors=1)
    results: dict[Any, Any] = {}
    with pytest.raises(RetryLaterError) as raised:
        await simulated.write_into(results, sent)
    assert (raised.value.seconds, raised.value.throttled) == (2.0, False)
    assert [one.outcome for one in results.values()] == [APPLIED]
    assert [one.outcome for one in await simulated.write(*sent)] == [UNCHANGED, APPLIED]
    assert simulated.count_calls(PRODUCT_WRITES) == 3


@pytest.mark.parametrize("fault", ["hidden_calls", "cut_calls"])
async def test_a_write_whose_answer_is_lost_is_not_sent_again(simulated: Any, fault: str) -> None:
    ids = await simulated.create_product()
    sent = update(ids, "products", {"title": "Shirt"}, {"title": "Coat"})
    simulated.set_faults(methods=["write"], **{fault: 1})
    with pytest.raises(RetryLaterError):
        await simulated.write(sent)
    assert simulated.count_calls(PRODUCT_WRITES) == 1
    (again,) = await simulated.write(sent)
    assert (again.outcome, again.values) == (UNCHANGED, {"title": "Coat"})
    assert simulated.count_calls(PRODUCT_WRITES) == 0


async def test_a_server_that_asks_to_wait_postpones_everything(simulated: Any) -> None:
    ids = await simulated.create_product()
    simulated.set_faults(fail_requests=-1, fail_status=503, retry_after=7)
    with pytest.raises(RetryLaterError) as raised:
        await simulated.write(update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}))
    assert (raised.value.seconds, raised.value.throttled) == (7, True)


async def test_a_removed_key_is_noticed_before_anything_is_written(simulated: Any) -> None:
    ids = await simulated.create_product()
    sent = update(ids, "products", {"title": "Shirt"}, {"title": "Coat"})
    await simulated.write(sent)
    for key in list(simulated.state.databases[DATABASE].list_rows(KEYS)):
        simulated.state.run(DATABASE, 1, lambda env, key=key: env.delete(KEYS, [key]))
    simulated.count_calls(PRODUCT_WRITES)
    with pytest.raises(ConnectionEndedError):
        await simulated.write(update(ids, "products", {"title": "Coat"}, {"title": "Hat"}))
    assert len(simulated.rejected) == 1 and simulated.count_calls(PRODUCT_WRITES) == 0


async def test_a_missing_right_to_write_is_refused_and_one_to_read_ends_the_batch(simulated: Any) -> None:
    ids = await simulated.create_product()
    sent = update(ids, "products", {"title": "Shirt"}, {"title": "Coat"})
    simulated.state.set_denied_rights(DATABASE, {TEMPLATE: ["write"]})
    (refused,) = await simulated.write(sent)
    assert (refused.outcome, refused.reason_code) == (REFUSED, "access_denied")
    assert "Traceback" not in (refused.message or "") and "\n" not in (refused.message or "")
    simulated.state.set_denied_rights(DATABASE, {TEMPLATE: ["read"]})
    with pytest.raises(AccessDeniedError):
        await simulated.write(sent)


async def test_writes_are_quiet_for_addons_and_name_no_language(simulated: Any) -> None:
    ids = await simulated.create_product()
    wanted = {"title": "Coat", "tags": ["one that is new"]}
    await simulated.write(update(ids, "products", {"title": "Shirt", "tags": []}, wanted))
    assert [call.context for call in simulated.written] == [{"skip_shopify_sync": True}] * 2


@pytest.mark.parametrize("operation", ["draft", "archive"])
async def test_products_are_taken_off_sale_and_archived_once(simulated: Any, plain: Any, operation: str) -> None:
    fields = {"draft": ("is_published", "sale_ok"), "archive": ("active", "active")}[operation]
    for world, field in zip((simulated, plain), fields, strict=True):
        ids = await world.create_product(**({"is_published": True} if world is simulated else {}))
        sent = request("products", ids[0], operation=operation)
        assert [one.outcome for one in await world.write(sent)] == [APPLIED]
        assert [one.outcome for one in await world.write(sent)] == [UNCHANGED]
        assert world.count_calls(PRODUCT_WRITES) == 1
        assert (await world.read(TEMPLATE, ids[0], field))[field] is False


async def test_nothing_is_ever_deleted(simulated: Any) -> None:
    ids = await simulated.create_product()
    (result,) = await simulated.write(request("products", ids[0], operation="delete"))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data")
    assert (await simulated.read(TEMPLATE, ids[0], "active"))["active"]


async def test_an_upgrade_is_noticed_at_the_next_batch(simulated: Any) -> None:
    ids = await simulated.create_product()
    await simulated.write(update(ids, "products", {"title": "Shirt"}, {"title": "Coat"}))
    setup = simulated.state.setup
    await asyncio.to_thread(
        simulated.state.set_setup, setup.model_copy(update={"version": 19, "apps": ["sale", "stock"]})
    )
    sent = update(ids, "products", {"title": "Coat"}, {"title": "Hat"})
    with pytest.raises(RetryLaterError, match="field"):
        await simulated.write(sent)
    assert [one.outcome for one in await simulated.write(sent)] == [APPLIED]
