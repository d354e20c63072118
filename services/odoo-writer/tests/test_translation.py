"""What is written is read as the same: the way back of the translation into the form that links share."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linking.fields import FIELDS
from linking.records import ExtractOptions
from linking.values import GRAMS, is_same
from odoo_writer.attributes import AttributeLine
from odoo_writer.loading import build_load_error, build_rows
from odoo_writer.references import split_tags
from odoo_writer.refusals import RefusedWriteError
from odoo_writer.translation import (
    build_list_price,
    build_product_values,
    build_variant_values,
    settle_values,
)
from odoo_writer.writable_fields import COST, PRICE, WEIGHT, WritableFields
from platform_sdk.errors import AccessDeniedError, PermanentError, RetryLaterError
from platforms.odoo.database_fields import TEMPLATE_FIELDS, VARIANT_FIELDS, DatabaseFields
from platforms.odoo.linking import extract_record
from platforms.odoo.products import ProductMapper, ProductParts

KINDS = {(one.resource, one.name): one.kind for one in FIELDS}
DECIMALS = {WEIGHT: 2, COST: 2, PRICE: 2}
WEB = WritableFields(DatabaseFields(frozenset(TEMPLATE_FIELDS), frozenset(VARIANT_FIELDS)), DECIMALS)
PLAIN_NAMES = frozenset(TEMPLATE_FIELDS) - {"website_description", "is_published"}
PLAIN = WritableFields(DatabaseFields(PLAIN_NAMES, frozenset(VARIANT_FIELDS)), DECIMALS)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)
pieces = st.sampled_from(
    ["<p>", "</p>", "<br>", "<li>", "<b>", "</b>", "&amp;", "&lt;b&gt;", "<script>x</script>", "\n", " "]
)
htmls = st.lists(st.one_of(pieces, texts), max_size=8).map("".join)
numbers = st.decimals(min_value=0, max_value=10**7, allow_nan=False, places=4)


def read_back(template: dict[str, Any], variant: dict[str, Any], *, unit: str = "kg", tags: Any = ()) -> Any:
    """Return a product and its variant as a link reads them, from fields of Odoo."""
    row = {
        "id": 5,
        "name": "Shirt",
        "active": True,
        "list_price": 1.0,
        "description_sale": False,
        "currency_id": [1, "EUR"],
        "categ_id": [1, "All"],
        "product_tag_ids": list(range(len(tags))),
        "weight_uom_name": unit,
        **template,
    }
    child = {
        "id": 7,
        "product_tmpl_id": [5, "Shirt"],
        "active": True,
        "default_code": False,
        "barcode": False,
        "lst_price": row["list_price"],
        "standard_price": 0.0,
        "weight": 0.0,
        **variant,
    }
    mapper = ProductMapper(ProductParts([child], names={"product.tag": dict(enumerate(tags))}))
    body = mapper.map_template(row, 1).body
    linked = extract_record("products", "5", body or {}, ExtractOptions())
    assert linked is not None
    return linked


@given(title=texts.filter(str.strip), html=htmls, published=st.booleans(), database=st.sampled_from([WEB, PLAIN]))
def test_what_is_written_of_a_product_is_read_as_the_same(
    title: str, html: str, published: bool, database: WritableFields
) -> None:
    wanted = {"title": title, "description": html}
    if database is WEB:
        wanted["published"] = published  # type: ignore[assignment]
    values = build_product_values(wanted, database)
    linked = read_back(values, {})
    for name, value in wanted.items():
        assert is_same(KINDS["products", name], linked.values[name], value), name


@given(tags=st.lists(texts, max_size=6))
def test_tags_are_split_as_they_are_compared(tags: list[str]) -> None:
    linked = read_back({}, {}, tags=split_tags(tags))
    assert is_same(KINDS["products", "tags"], linked.values["tags"], tags)


@given(sku=texts, barcode=texts, cost=numbers, weight=numbers, price=numbers, unit=st.sampled_from(["kg", "lb"]))
def test_what_is_written_of_a_variant_is_read_as_what_it_is_rounded_to(
    sku: str, barcode: str, cost: Decimal, weight: Decimal, price: Decimal, unit: str
) -> None:
    wanted = {"sku": sku, "barcode": barcode, "cost": str(cost), "weight": str(weight), "price": str(price)}
    settled = settle_values("variants", wanted, WEB, unit)
    template = {"list_price": build_list_price(wanted["price"], Decimal(0), WEB)}
    variant = build_variant_values(wanted, WEB, unit)
    (child,) = read_back(template, variant, unit=unit).children
    for name, value in settled.items():
        assert is_same(KINDS["variants", name], child.values[name], value), name
    assert settle_values("variants", settled, WEB, unit) == settled
    assert abs(Decimal(settled["weight"]) - weight) <= GRAMS[unit] / 200
    assert abs(Decimal(settled["price"]) - price) <= Decimal("0.005")


@given(extra=numbers, price=numbers)
def test_a_price_is_written_less_what_the_options_cost(extra: Decimal, price: Decimal) -> None:
    extra = extra.quantize(Decimal("0.01"))
    written = Decimal(str(build_list_price(str(price), extra, WEB)))
    assert abs(written + extra - price) <= Decimal("0.005")


def test_a_description_without_html_keeps_its_lines() -> None:
    html = "<h1>One</h1>two <b>three</b><ul><li>four &lt;i&gt;\n five</li></ul>"
    assert build_product_values({"description": html}, PLAIN) == {"description_sale": "One\ntwo three\nfour <i> five"}


@pytest.mark.parametrize("values", [{"title": None}, {"title": " "}])
def test_a_product_without_a_name_is_refused(values: Any) -> None:
    with pytest.raises(RefusedWriteError):
        build_product_values(values, WEB)


@pytest.mark.parametrize("values", [{"cost": "NaN"}, {"weight": "Infinity"}, {"sku": 5}])
def test_values_of_another_form_are_errors(values: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        build_variant_values(values, WEB, "kg")


def test_lines_have_external_ids_and_follow_in_rows_of_their_own() -> None:
    columns, rows = build_rows("a_1", {"name": "Shirt"}, [AttributeLine(3, (4, 5)), AttributeLine(6, (7,))])
    assert columns[:2] == ["id", "name"] and len(columns) == 5
    assert rows == [
        ["__merchant_sync__.a_1", "Shirt", "__merchant_sync__.a_1_line_1", "3", "4,5"],
        ["", "", "__merchant_sync__.a_1_line_2", "6", "7"],
    ]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("could not serialize access due to concurrent update", RetryLaterError),
        ("Unknown error during import: <class 'psycopg2.errors.LockNotAvailable'>: canceling", RetryLaterError),
        ("Unknown error during import: <class 'odoo.exceptions.AccessError'>: no", AccessDeniedError),
        ("Missing required value for the field 'Name' (name)", PermanentError),
    ],
)
def test_the_messages_of_load_say_whether_it_may_be_tried_again(message: str, error: type[Exception]) -> None:
    assert type(build_load_error([message])) is error
