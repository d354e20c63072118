"""The settings of this installation: the product's own and those of every platform."""

from collections.abc import Iterator, Mapping

from platform_sdk.manifests import Manifest, Setting
from platforms.registry import PLATFORMS, load_role
from service.known_settings import OWN_SETTINGS
from service.production import Check, accept, check_https, check_secret, create_default_check


def list_known_settings() -> Mapping[str, Check]:
    """Return every setting by name, with the check of its value in production."""
    manifests = (load_role(slug, "manifest").MANIFEST for slug in PLATFORMS)
    return {**OWN_SETTINGS, **{name: check for manifest in manifests for name, check in _list_checks(manifest)}}


def _list_checks(manifest: Manifest) -> Iterator[tuple[str, Check]]:
    return ((setting.name, choose_check(setting, manifest)) for setting in manifest.settings)


def choose_check(setting: Setting, manifest: Manifest) -> Check:
    """Return the check of a setting's value in production."""
    if setting.name in (manifest.redirect_uri_setting, manifest.webhook_address_setting):
        return check_https
    if setting.is_foreign:
        return accept
    if setting.uses_sandbox:
        return create_default_check(setting.default)
    return check_secret if setting.is_secret and not setting.is_app else accept
