"""Settings that are refused by name at the start, and addresses that are reported as doubtful."""

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.adapters import create_adapters, list_configured_adapters, list_port_warnings, load_platform_settings
from platforms.registry import PLATFORMS, load_role
from platforms.shopify.connect import create_adapter


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
        ("internal_key_hashes", "scheduler:" + "s" * 64),
        ("internal_key_hashes", "scheduler"),
        ("internal_key_hashes", "scheduler:" + "a" * 64 + ",fetcher:" + "a" * 64),
        ("scheduler_key", "s" * 31),
        ("linker_key", "l" * 31),
        ("gateway_port", "seven"),
        ("session_ttl_seconds", "0"),
        ("scheduler_url", "nowhere"),
        ("linker_url", "nowhere"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(make_settings: Callable[..., Any], name: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make_settings(**{name: value})
    assert [error["loc"] for error in raised.value.errors()] == [(name,)]
    assert value == "" or len(value) < 8 or value not in str(raised.value)


def test_lists_are_separated_by_commas(make_settings: Callable[..., Any]) -> None:
    settings = make_settings(cors_allowed_origins="https://a.example, https://b.example/")
    assert settings.cors_allowed_origins == ("https://a.example", "https://b.example")
    assert make_settings().cors_allowed_origins == ()


def test_a_loopback_address_with_another_port_is_reported(make_shopify: Callable[..., Any]) -> None:
    settings = make_shopify(
        shopify_redirect_uri="http://localhost:5000/shopify/callback",
        shopify_webhook_address="http://127.0.0.1:5001/shopify/webhook",
    )
    adapter = create_adapter(settings, httpx.AsyncClient(), lambda: 0)
    assert list_port_warnings([adapter], 5000) == [
        "SHOPIFY_WEBHOOK_ADDRESS names this machine with port 5001, and the gateway listens on 5000"
    ]


def test_production_says_which_proxies_are_in_front_of_the_gateway(make_settings: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="production needs the networks of the proxies"):
        make_settings(merchant_sync_env="production", trusted_proxies="")
    assert make_settings(merchant_sync_env="production", trusted_proxies="none").trusted_proxies == ()
    assert make_settings().trusted_proxies is None


def test_secrets_are_in_no_repr(make_settings: Callable[..., Any]) -> None:
    for secret in ("a secret of more", "s" * 20, "kkkk"):
        assert secret not in repr(make_settings())


def test_every_platform_may_be_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    manifests = [load_role(slug, "manifest").MANIFEST for slug in PLATFORMS]
    for manifest in manifests:
        for name in manifest.mandatory_settings:
            monkeypatch.delenv(name, raising=False)
    adapters = create_adapters(load_platform_settings(), httpx.AsyncClient(), lambda: 0)
    assert list(adapters) == list(PLATFORMS)
    configured = [adapter.slug for adapter in list_configured_adapters(adapters)]
    assert configured == [manifest.slug for manifest in manifests if manifest.works_without_settings]


def test_an_incomplete_platform_stops_the_start_with_the_names_of_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPIFY_API_KEY", "a key")
    with pytest.raises(SystemExit):
        load_platform_settings()
    line = capsys.readouterr().err
    assert "SHOPIFY_API_SECRET, SHOPIFY_REDIRECT_URI, SHOPIFY_WEBHOOK_ADDRESS: required" in line
    assert "a key" not in line


def test_a_missing_setting_stops_the_start_with_one_line(tmp_path: Any) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
    process = subprocess.run(
        [sys.executable, "-m", "gateway.app"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "STATE_TOKEN_SECRET: Field required" in process.stderr
