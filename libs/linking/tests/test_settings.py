"""The settings of a link are one form: what is unknown or contradicts itself is refused."""

import pytest
from pydantic import ValidationError

from linking.fields import DEFAULT_RULES, Authority, Group, GroupRule
from linking.records import DomainPreset, ExtractOptions, Side, SkuFormat
from linking.settings import LinkSettings


def test_a_link_without_settings_has_the_defaults() -> None:
    settings = LinkSettings.model_validate({})
    assert dict(settings.build_rules("EUR").groups) == DEFAULT_RULES
    assert settings.build_rules("EUR").currency == "EUR"
    assert settings.build_extract_options() == ExtractOptions()


def test_settings_are_the_same_after_json() -> None:
    settings = LinkSettings.model_validate(
        {
            "groups": {"content": {"authority": "hold"}, "price": {"one_way": "odoo"}},
            "fields": ["title", "price", "title"],
            "sku_format": "sku-bin",
            "odoo_domain": ["sale_ok", "goods", "sale_ok"],
            "locations": {"gid://shopify/Location/1": 8},
        }
    )
    assert LinkSettings.model_validate_json(settings.model_dump_json()) == settings
    assert settings.fields == ("title", "price")
    assert settings.build_extract_options() == ExtractOptions(
        SkuFormat.SKU_BIN, (DomainPreset.SALE_OK, DomainPreset.GOODS)
    )


def test_a_rule_changes_what_it_names() -> None:
    settings = LinkSettings.model_validate({"groups": {"content": {"authority": "hold"}, "price": {"one_way": "odoo"}}})
    assert settings.get_rule(Group.CONTENT) == GroupRule(Authority.HOLD)
    assert settings.get_rule(Group.PRICE) == GroupRule(DEFAULT_RULES[Group.PRICE].authority, Side.ODOO)
    assert settings.get_rule(Group.STATUS) == DEFAULT_RULES[Group.STATUS]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"fields": ["titel", "price"]}, "titel"),
        ({"sku_format": "bin-sku"}, "sku_format"),
        ({"groups": {"colour": {"authority": "odoo"}}}, "colour"),
        ({"groups": {"price": {"authority": "oldest"}}}, "authority"),
        ({"groups": {"stock": {"authority": "newest"}}}, "newest"),
        ({"on_shopify_delete": "delete"}, "on_shopify_delete"),
        ({"locations": {"gid://shopify/Location/1": 8, "gid://shopify/Location/2": 8}}, "one Shopify location"),
        ({"locations": {"gid://shopify/Location/1": 0}}, "greater than 0"),
        ({"authority": "odoo"}, "authority"),
    ],
)
def test_what_is_unknown_or_contradicts_itself_is_refused(form: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LinkSettings.model_validate(form)
