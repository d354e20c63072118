"""Settings of a platform that are given completely or not at all, also where accounts can be connected without them."""

from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from platform_sdk.manifests import Manifest, Setting
from platform_sdk.settings import PlatformSettings

SETTINGS = (
    Setting("DEPOT_URL", required=True, is_foreign=True),
    Setting("DEPOT_PASSWORD", required=True, secret=True, is_foreign=True),
    Setting("DEPOT_POLL_CRON", default="0 * * * *"),
)


class DepotSettings(PlatformSettings):
    """Settings without which no account can be connected."""

    manifest: ClassVar[Manifest] = Manifest("depot", "Depot", "store", SETTINGS)
    depot_url: str = ""
    depot_password: SecretStr = SecretStr("")


class OpenDepotSettings(DepotSettings):
    """Settings that only name own accounts."""

    manifest: ClassVar[Manifest] = Manifest("depot", "Depot", "store", SETTINGS, works_without_settings=True)


GIVEN = {"depot_url": "https://depot.test", "depot_password": "short"}


@pytest.mark.parametrize("kind", [DepotSettings, OpenDepotSettings])
def test_a_part_of_the_required_settings_is_refused_in_either_case(kind: type[DepotSettings]) -> None:
    for name, value in GIVEN.items():
        with pytest.raises(ValidationError, match="required, because other settings of Depot are given") as raised:
            kind(_env_file=None, **{name: value})
        assert "short" not in str(raised.value)


def test_a_platform_that_works_without_settings_has_own_accounts_with_them_alone() -> None:
    without, given = OpenDepotSettings(_env_file=None), OpenDepotSettings(_env_file=None, **GIVEN)
    assert (without.is_configured, without.has_own_accounts) == (True, False)
    assert (given.is_configured, given.has_own_accounts) == (True, True)
    assert not OpenDepotSettings.manifest.needs_settings and not OpenDepotSettings.manifest.is_optional


def test_any_other_platform_is_configured_with_its_settings_alone_and_has_no_own_accounts() -> None:
    without, given = DepotSettings(_env_file=None), DepotSettings(_env_file=None, **GIVEN)
    assert (without.is_configured, without.has_own_accounts) == (False, False)
    assert (given.is_configured, given.has_own_accounts) == (True, False)
    assert DepotSettings.manifest.needs_settings
