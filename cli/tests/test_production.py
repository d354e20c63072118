"""Every process refuses to start in production with what is not for production: one line names the setting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from merchant_sync import dev_secrets
from merchant_sync.environment import Environment
from merchant_sync.manifests import MANIFESTS
from merchant_sync.parts import SERVICES

PUBLIC = "https://sync.example.com"


def build_settings(service: str, tmp_path: Path) -> dict[str, str]:
    """Settings of one service with which production starts, until it finds nothing at their addresses."""
    given = {
        setting.name: setting.render_stack_value({"gateway_url": PUBLIC, "gateway_people_url": PUBLIC})
        for manifest in MANIFESTS
        for setting in manifest.settings
        if setting.stack_value and not setting.uses_sandbox
    }
    given |= {
        setting.name: setting.default or ""
        for manifest in MANIFESTS
        for setting in manifest.settings
        if setting.uses_sandbox
    }
    secrets = dev_secrets.load_or_generate_secrets(tmp_path / "secrets.json")
    given |= {"TRUSTED_PROXIES": "none", "DATA_API_PUBLIC_URL": "https://data.example.com"}
    given |= {
        setting.name: secrets[setting.name.lower()] for m in MANIFESTS for setting in m.settings if setting.generated
    }
    environment = Environment({**given, "MERCHANT_SYNC_ENV": "production"}, secrets, lambda _: 1)
    return environment.build_service_settings(service, service)


def start(module: str, settings: dict[str, str], folder: Path) -> tuple[int, str]:
    process = subprocess.run(
        [sys.executable, "-P", "-m", module],
        # PYTHONPATH says where the code under test is, if it is not the installed one.
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | settings,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return process.returncode, process.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_everything_that_production_refuses(service: str, tmp_path: Path) -> None:
    settings = build_settings(service, tmp_path)
    offered = {setting.name for manifest in MANIFESTS for setting in manifest.settings}
    bad = {
        "SANDBOX_URL": "http://sandbox",
        "SANDBOX_RELAYED": "http://sandbox",
        "CORS_ALLOWED_ORIGINS": "http://shop.example",
        "DATA_API_PUBLIC_URL": "http://data.example.com",
        "DATA_API_KEYS": "bot:a-secret-of-mine-to-change",
        "GATEWAY_KEY": "k" * 32,
        "SPACES_BUCKT": "mine",
        **dict.fromkeys(offered & {m.redirect_uri_setting for m in MANIFESTS}, "http://sync.example.com/callback"),
        **dict.fromkeys(offered & {m.webhook_address_setting for m in MANIFESTS}, "http://sync.example.com/webhook"),
    }

    code, error = start(f"{service.replace('-', '_')}.app", settings | bad, tmp_path)

    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("cannot start, setting ")
    assert [name for name in bad if f"{name}: " not in error] == []
    named = {part.split(":")[0] for part in error.removeprefix("cannot start, setting ").split("; ")}
    assert named == bad.keys(), "nothing else is refused"


def test_the_gateway_has_to_be_told_in_production_which_proxies_are_in_front_of_it(tmp_path: Path) -> None:
    settings = build_settings("gateway", tmp_path)
    del settings["TRUSTED_PROXIES"]

    code, error = start("gateway.app", settings, tmp_path)

    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("cannot start, setting TRUSTED_PROXIES: ")
    assert "or 'none'" in error and ";" not in error


def test_the_sandbox_refuses_to_run_in_production(tmp_path: Path) -> None:
    given = {"SHOPIFY_API_KEY": "a key", "SHOPIFY_API_SECRET": "a secret", "MERCHANT_SYNC_ENV": "production"}

    assert start("sandbox.app", given, tmp_path) == (
        1,
        "sandbox: MERCHANT_SYNC_ENV is production, which has no sandbox\n",
    )


@pytest.mark.parametrize("port", ["PORT", "GATEWAY_PORT"])
def test_a_malformed_port_is_one_line(port: str, tmp_path: Path) -> None:
    service = "gateway" if port == "GATEWAY_PORT" else "scheduler"
    settings = build_settings(service, tmp_path) | {port: "abc"}

    code, error = start(f"{service}.app", settings, tmp_path)

    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith(f"cannot start, setting {port}: ")


def test_the_health_check_names_a_malformed_port(tmp_path: Path) -> None:
    assert start("service.healthcheck", {"PORT": "abc"}, tmp_path) == (1, "PORT: must be a number\n")
