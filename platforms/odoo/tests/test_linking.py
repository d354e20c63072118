"""Products of a database in the form that both sides of a link share."""

from typing import Any

import pytest

from linking.fields import FIELDS
from linking.records import DomainPreset, ExtractOptions, LinkedRecord, MatchKeys
from linking.values import is_same, normalise
from platforms.odoo.linking import MODELS, extract_currency, extract_record


def build_variant(**fields: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "active": True,
        "default_code": "A-1",
        "barcode": "400",
        "price": 9.9,
        "cost": 4.5,
        "weight": 0.25,
        "options": [],
        **fields,
    }


def build_body(*variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "name": "Shirt",
        "active": True,
        "type": "consu",
        "is_storable": True,
        "sale_ok": True,
        "description_sale": "Cotton & linen",
        "currency": "EUR",
        "category": {"id": 1, "name": "All / Clothes / Shirts"},
        "tags": [{"id": 1, "name": "summer"}],
        "weight_unit": "kg",
        "attributes": [
            {
                "id": 3,
                "attribute": {"id": 1, "name": "Size"},
                "values": [{"id": 1, "name": "S"}, {"id": 2, "name": "M"}],
            }
        ],
        "variants": list(variants or [build_variant()]),
        "x_fields": {},
        **fields,
    }


def extract(body: dict[str, Any], *domain: DomainPreset) -> LinkedRecord:
    record = extract_record("products", "5", body, ExtractOptions(domain=domain))
    assert record is not None
    return record


def test_a_template_has_its_shared_fields() -> None:
    record = extract(build_body())
    assert (record.resource, record.id, record.currency) == ("products", "5", "EUR")
    assert record.values == {
        "title": "Shirt",
        "description": "Cotton &amp; linen",
        "product_type": "Shirts",
        "tags": ["summer"],
        "options": [{"name": "Size", "values": ["S", "M"]}],
    }


def test_a_variant_has_its_shared_fields_and_keys() -> None:
    (variant,) = extract(build_body()).children
    assert (variant.resource, variant.id, variant.parent) == ("variants", "7", "5")
    assert variant.keys == MatchKeys("A-1", "400")
    assert variant.values == {"sku": "A-1", "barcode": "400", "price": "9.9", "cost": "4.5", "weight": "250.00"}
    assert MODELS[variant.resource] == "product.product"


def test_every_value_has_the_form_of_its_kind() -> None:
    record = extract(build_body(is_published=False, website_description="<p>Cotton</p>"))
    for one in (record, *record.children):
        kinds = {field.name: field.kind for field in FIELDS if field.resource == one.resource}
        for name, value in one.values.items():
            normalise(kinds[name], value, "EUR")


def test_empty_values_are_empty() -> None:
    variant = build_variant(default_code=None, barcode=None, cost=None, weight=None)
    record = extract(build_body(variant, description_sale=None, category=None, tags=[], attributes=[]))
    (child,) = record.children
    assert child.keys == MatchKeys()
    for field in FIELDS:
        for one in (record, child):
            if field.resource == one.resource and field.name in one.values and field.name not in ("title", "price"):
                assert is_same(field.kind, one.values[field.name], None)


def test_the_web_shop_s_description_counts_where_there_is_a_web_shop() -> None:
    assert extract(build_body(website_description="<p>Cotton</p>")).values["description"] == "<p>Cotton</p>"
    assert extract(build_body(website_description=None)).values["description"] is None


@pytest.mark.parametrize(
    ("name", "kind"), [("All", None), ("Shirts", "Shirts"), ("All / Shirts", "Shirts"), (None, None)]
)
def test_a_product_type_is_the_last_part_of_the_category(name: str | None, kind: str | None) -> None:
    assert (extract(build_body(category={"id": 1, "name": name})).values["product_type"] or None) == kind


def test_a_product_is_published_as_its_web_shop_says() -> None:
    assert extract(build_body(is_published=True)).values["published"] is True
    assert extract(build_body(is_published=False)).values["published"] is False
    assert "published" not in extract(build_body()).values


def test_an_archived_template_says_nothing_of_being_published() -> None:
    record = extract(build_body(active=False, is_published=True))
    assert record.is_archived
    assert "published" not in record.values


def test_an_archived_variant_is_archived_alone() -> None:
    record = extract(build_body(build_variant(), build_variant(id=8, active=False)))
    assert [one.is_archived for one in (record, *record.children)] == [False, False, True]


def test_weights_in_pounds_are_the_same_in_grams() -> None:
    (variant,) = extract(build_body(build_variant(weight=1.0), weight_unit="lb")).children
    assert variant.values["weight"] == "453.592370"


@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        (DomainPreset.SALE_OK, {"sale_ok": False}),
        (DomainPreset.ACTIVE, {"active": False}),
        (DomainPreset.GOODS, {"type": "service"}),
        (DomainPreset.IS_PUBLISHED, {"is_published": False}),
        (DomainPreset.WEBSITE_DESCRIPTION, {"website_description": None}),
        (DomainPreset.IS_READY_FOR_SALE, {"is_ready_for_sale": False}),
    ],
)
def test_a_product_that_does_not_meet_a_condition_is_not_in_the_domain(
    preset: DomainPreset, fields: dict[str, Any]
) -> None:
    met = {"is_published": True, "website_description": "<p>x</p>", "is_ready_for_sale": True}
    assert extract(build_body(**met), *DomainPreset).is_in_domain
    assert not extract(build_body(**{**met, **fields}), *DomainPreset).is_in_domain
    assert extract(build_body(**{**met, **fields}), *(set(DomainPreset) - {preset})).is_in_domain


def test_a_condition_on_a_field_that_the_database_lacks_is_not_met_and_the_field_is_named() -> None:
    record = extract(build_body(), DomainPreset.IS_PUBLISHED, DomainPreset.GOODS, DomainPreset.IS_READY_FOR_SALE)
    assert (record.is_in_domain, record.lacking) == (False, ("is_published", "is_ready_for_sale"))
    has_all = build_body(is_published=False, website_description=None, is_ready_for_sale=False)
    assert extract(has_all, *DomainPreset).lacking == ()


def test_other_resources_are_not_linked() -> None:
    assert extract_record("taxes", "1", {}, ExtractOptions()) is None


def test_the_company_tells_the_currency() -> None:
    assert extract_currency("company", {"currency": "EUR"}) == "EUR"
    assert extract_currency("products", build_body()) is None


@pytest.mark.parametrize("is_storable", [True, False])
def test_a_variant_is_stocked_where_its_template_is(is_storable: bool) -> None:
    record = extract_record("products", "5", build_body(is_storable=is_storable), ExtractOptions())
    assert record is not None
    assert record.children[0].is_stocked is is_storable


def test_stock_is_what_is_free_in_whole_units() -> None:
    body = {"product_id": 7, "location": {"id": 8, "name": "WH/Stock"}, "on_hand": 9.0, "reserved": 2.5, "free": 6.5}
    assert extract_record("stock", "7-8", body, ExtractOptions()) == LinkedRecord("stock", "7-8", {"8": 6}, parent="7")
