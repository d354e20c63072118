"""Settings: what is refused at the start, by name, and what is doubted."""

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cors_allowed_origins", "*"),
        ("cors_allowed_origins", "https://good.example,https://*.example"),
        ("cors_allowed_origins", "good.example"),
        ("state_token_secret", "short"),
        ("token_encryption_keys", "k1:c2hvcnQ="),
        ("token_encryption_keys", "k1"),
        ("token_encryption_keys", ""),
        ("token_encryption_keys", "k1:" + b64encode(b"k" * 32).decode() + ",k1:" + b64encode(b"o" * 32).decode()),
        ("internal_keys", "scheduler:short"),
        ("internal_keys", "scheduler"),
        ("internal_keys", "scheduler:" + "s" * 20 + ",fetcher:" + "s" * 20),
        ("shopify_shop_url", "https://example.com"),
        ("shopify_redirect_uri", "gateway/callback"),
        ("shopify_webhook_address", "ftp://gateway/hook"),
        ("shopify_api_secret", ""),
        ("shopify_api_version", "latest"),
        ("gateway_port", "seven"),
        ("session_ttl_seconds", "0"),
        ("scheduler_url", "nowhere"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(make_settings: Callable[..., Any], name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_settings(**{name: value})
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]
    assert value == "" or len(value) < 8 or value not in str(refused.value)


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
def test_a_malformed_setting_of_facebook_is_refused_by_name(with_facebook: Any, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        with_facebook(**{name: value})
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("name", ["app_id", "app_secret", "verify_token", "redirect_uri", "webhook_address"])
def test_facebook_is_configured_whole_or_not_at_all(make_settings: Any, with_facebook: Any, name: str) -> None:
    assert with_facebook().facebook().configured
    assert not make_settings().facebook().configured
    with pytest.raises(ValidationError, match=f"FACEBOOK_{name.upper()}: required") as refused:
        with_facebook(**{f"facebook_{name}": ""})
    assert "secret" not in str(refused.value).replace("FACEBOOK_APP_SECRET", "")


def test_lists_are_separated_by_commas(make_settings: Callable[..., Any]) -> None:
    settings = make_settings(
        cors_allowed_origins="https://a.example, https://b.example/", shopify_scopes="read_products , read_inventory"
    )
    assert settings.cors_allowed_origins == ("https://a.example", "https://b.example")
    assert settings.shopify_scopes == ("read_products", "read_inventory")
    assert make_settings().cors_allowed_origins == ()


def test_a_loopback_address_with_another_port_is_doubted(make_settings: Callable[..., Any]) -> None:
    settings = make_settings(
        shopify_redirect_uri="http://localhost:5000/shopify/callback",
        shopify_webhook_address="http://127.0.0.1:5001/shopify/webhook",
    )
    assert settings.doubts() == [
        "SHOPIFY_WEBHOOK_ADDRESS names this machine with port 5001, and the gateway listens on 5000"
    ]


def test_a_missing_setting_stops_the_start_with_one_line(tmp_path: Any) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway.app"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "STATE_TOKEN_SECRET: Field required" in ended.stderr
