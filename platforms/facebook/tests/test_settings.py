"""Facebook's settings: malformed values are refused by name at the start."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from platforms.facebook.settings import Settings

Make = Callable[..., Settings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("facebook_app_id", "12345678901234"),
        ("facebook_app_id", "123456789012345678901"),
        ("facebook_app_id", "12345678901234x"),
        ("facebook_api_version", "25.0"),
        ("facebook_graph_url", "graph.facebook.com"),
        ("facebook_subscribed_fields", "name,about"),
        ("facebook_redirect_uri", "gateway/callback"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(make_settings: Make, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make_settings(**{name: value})
    assert [error["loc"] for error in raised.value.errors()] == [(name,)]


@pytest.mark.parametrize("name", ["app_id", "app_secret", "verify_token", "redirect_uri", "webhook_address"])
def test_facebook_is_configured_completely_or_not_at_all(make_settings: Make, name: str) -> None:
    assert make_settings().is_configured
    assert not Settings(_env_file=None).is_configured
    with pytest.raises(ValidationError, match=f"FACEBOOK_{name.upper()}: required") as raised:
        make_settings(**{f"facebook_{name}": ""})
    assert "secret" not in str(raised.value).replace("FACEBOOK_APP_SECRET", "")
