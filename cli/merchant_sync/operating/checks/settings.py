"""Check the settings that `merchant-sync doctor` needs, and whether each service would accept the known settings."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from data_api.settings import DataApiSettings
from gateway.settings import GatewaySettings
from linker.settings import LinkerSettings
from merchant_sync.access import Access
from merchant_sync.environment import OWNERS
from merchant_sync.internal_keys import KEY_SETTINGS
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating.checks import Finding, report_bad, report_good
from merchant_sync.parts import DATA_API, GATEWAY, LINKER, SCHEDULER, SPACES_WRITER
from platform_sdk.manifests import Manifest
from platform_sdk.settings import MISSING_SETTINGS
from platforms.known_settings import list_known_settings
from scheduler.settings import SchedulerSettings
from service.known_settings import list_setting_errors
from spaces_writer.settings import WriterSettings

REQUIRED = (
    *("GATEWAY_URL", "DATA_API_URL", "GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "LINKER_URL", *KEY_SETTINGS.values()),
    "KAFKA_BOOTSTRAP_SERVERS",
    *("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET"),
)
"""The settings of the command itself. Without them, some of its checks are not possible."""
_PER_PROCESS = {*KEY_SETTINGS.values(), "PORT", "HOST"}
"""Settings with another value in each process."""
SettingsClass = type[BaseSettings]


def check(access: Access) -> Iterator[Finding]:
    """Look for settings that `merchant-sync doctor` lacks, and for known settings that a service would refuse."""
    manifests = [manifest for manifest in MANIFESTS if access.has_platform(manifest)]
    webhook_addresses = (
        manifest.webhook_address_setting
        for manifest in manifests
        if manifest.find_setting(manifest.webhook_address_setting)
    )
    missing = [name for name in (*REQUIRED, *webhook_addresses) if not access.get_setting(name)]
    missing += [f"{owner.upper()}_DATABASE_URL" for owner in OWNERS.values() if not access.get_database_url(owner)]
    if missing:
        details = f"missing: {', '.join(missing)}"
        yield report_bad("settings of this command", details, "set them (deploy/env.example)")
    else:
        yield report_good("settings of this command", "complete")
    if errors := list(list_setting_errors(access.settings, list_known_settings())):
        yield report_bad("settings for production", "; ".join(errors), "correct them: no service starts with them")
    for service, classes in list_settings_classes(manifests).items():
        yield _check_service(service, classes, access)


def list_settings_classes(manifests: list[Manifest]) -> dict[str, tuple[SettingsClass, ...]]:
    """Return the settings classes of each service. For the gateway, these include the class of each platform."""
    platform_modules = (f"platforms.{manifest.slug}.settings" for manifest in manifests)
    platform_classes = (cls for name in platform_modules if find_spec(name) for cls in _find_classes(name))
    return {
        GATEWAY: (GatewaySettings, *platform_classes),
        SCHEDULER: (SchedulerSettings,),
        SPACES_WRITER: (WriterSettings,),
        DATA_API: (DataApiSettings,),
        LINKER: (LinkerSettings,),
        **{
            service: tuple(_find_classes(f"{service.replace('-', '_')}.settings"))
            for manifest in manifests
            for service in manifest.services
        },
    }


def _find_classes(module_name: str) -> Iterator[SettingsClass]:
    """Yield the settings classes that the module defines."""
    module: ModuleType = import_module(module_name)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module_name:
            yield value


def _check_service(service: str, classes: tuple[SettingsClass, ...], access: Access) -> Finding:
    given = {name: value for name, value in access.settings.items() if name not in _PER_PROCESS}
    if service in OWNERS and (url := access.get_database_url(OWNERS[service])):
        given["DATABASE_URL"] = url
    subject = f"settings of {service}"
    invalid, missing = list[str](), list[str]()
    for cls in classes:
        for problems, found in zip((invalid, missing), _find_invalid_and_missing(cls, given), strict=True):
            problems += found
    if invalid:
        return report_bad(subject, "; ".join(invalid), "correct them where the service gets its settings")
    if missing:
        return report_good(subject, f"valid as far as known here; not known here: {', '.join(missing)}")
    return report_good(subject, "complete and valid")


def _find_invalid_and_missing(cls: SettingsClass, given: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Validate the `given` settings by the settings class `cls`, without any from the environment.

    Return the errors as text, and the names of the missing settings.
    """

    class OnlyGiven(cls):  # type: ignore[valid-type, misc] # a class that is an argument
        @classmethod
        def settings_customise_sources(cls, *_: object, init_settings: object, **__: object) -> tuple[object, ...]:
            return (init_settings,)

    try:
        OnlyGiven(**{name.lower(): value for name, value in given.items()})
    except ValidationError as error:
        invalid, missing = list[str](), list[str]()
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"])).upper()
            if problem["type"] == MISSING_SETTINGS:
                missing += problem["ctx"]["names"].split(", ")
            elif problem["type"] == "missing":
                missing.append(name)
            else:
                invalid.append(f"{name or 'together'}: {problem['msg']}")
        return invalid, [name for name in missing if name not in _PER_PROCESS]
    return [], []
