"""Which values of the platforms' settings production refuses."""

import pytest

from platform_sdk.manifests import Manifest, Setting
from platforms.known_settings import choose_check, list_known_settings
from platforms.registry import PLATFORMS, load_role
from service.known_settings import list_setting_errors

STRONG = "9f86d081884c7d659a2feaa0c55ad015"
MANIFESTS = [load_role(slug, "manifest").MANIFEST for slug in PLATFORMS]
SETTINGS = [(manifest, setting) for manifest in MANIFESTS for setting in manifest.settings]


def refuse(name: str, value: str) -> list[str]:
    return list(list_setting_errors({"MERCHANT_SYNC_ENV": "production", name: value}, list_known_settings()))


@pytest.mark.parametrize(
    "name",
    [
        name
        for manifest in MANIFESTS
        for name in (manifest.redirect_uri_setting, manifest.webhook_address_setting)
        if manifest.find_setting(name)
    ],
)
def test_production_is_reached_by_https(name: str) -> None:
    assert refuse(name, "http://sync.example.com/callback") == [f"{name}: must begin with https://"]
    assert refuse(name, "https://sync.example.com/callback") == []


@pytest.mark.parametrize(
    "setting", [one for _, one in SETTINGS if one.uses_sandbox and not one.is_foreign], ids=lambda one: one.name
)
def test_production_uses_the_platform_itself(setting: object) -> None:
    name, default = setting.name, setting.default  # type: ignore[attr-defined]
    (error,) = refuse(name, "https://sandbox.example/{shop}")
    assert error.startswith(f"{name}: production ")
    assert default is None or refuse(name, default) == []


@pytest.mark.parametrize(
    "name",
    [setting.name for _, setting in SETTINGS if setting.is_secret and not setting.is_app and not setting.is_foreign],
)
def test_production_refuses_weak_secrets_of_an_app(name: str) -> None:
    (error,) = refuse(name, "changeme")
    assert error.startswith(f"{name}: too short")
    assert refuse(name, STRONG) == []


def test_production_takes_the_address_and_the_login_of_somebody_elses_server() -> None:
    url = Setting("DEPOT_URL", stack_value="{sandbox_url}/depot", is_foreign=True)
    password = Setting("DEPOT_PASSWORD", secret=True, is_foreign=True)
    manifest = Manifest("depot", "Depot", "store", (url, password), works_without_settings=True)
    assert choose_check(url, manifest)("https://depot.example") is None
    assert choose_check(password, manifest)("changeme") is None
    (reason,) = {choose_check(Setting("DEPOT_KEY", secret=True), manifest)("changeme")}
    assert reason is not None


@pytest.mark.parametrize("name", [setting.name for _, setting in SETTINGS])
def test_a_misspelt_setting_of_a_platform_is_named(name: str) -> None:
    wrong = f"{name[:-2]}{name[-1]}{name[-2]}"
    if name[-1] == name[-2]:
        wrong = name[:-1]
    (error,) = refuse(wrong, "x")
    assert error.startswith(f"{wrong}: is not a setting, {name} is one")
