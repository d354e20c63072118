"""Shopify's settings: malformed values are refused by name at the start."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from platforms.shopify.settings import Settings

Make = Callable[..., Settings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shopify_shop_url", "https://example.com"),
        ("shopify_people_url", "https://example.com"),
        ("shopify_redirect_uri", "gateway/callback"),
        ("shopify_webhook_address", "ftp://gateway/hook"),
        ("shopify_api_version", "latest"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(make_settings: Make, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make_settings(**{name: value})
    assert [error["loc"] for error in raised.value.errors()] == [(name,)]
    assert len(value) < 8 or value not in str(raised.value)


@pytest.mark.parametrize("name", ["api_key", "api_secret", "redirect_uri", "webhook_address"])
def test_shopify_is_configured_completely_or_not_at_all(make_settings: Make, name: str) -> None:
    assert make_settings().is_configured
    assert not Settings(_env_file=None).is_configured
    with pytest.raises(ValidationError, match=f"SHOPIFY_{name.upper()}: required") as raised:
        make_settings(**{f"shopify_{name}": ""})
    assert "secret" not in str(raised.value).replace("SHOPIFY_API_SECRET", "")


def test_scopes_are_separated_by_commas(make_settings: Make) -> None:
    settings = make_settings(shopify_scopes="read_products , read_inventory")
    assert settings.shopify_scopes == ("read_products", "read_inventory")
