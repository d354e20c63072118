"""Settings of the scheduler, from the environment."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from dotenv import dotenv_values
from pydantic import AfterValidator, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from database.url import DatabaseUrl
from platform_sdk.manifests import Manifest
from platforms.registry import PLATFORMS, load_role
from service.service_auth import CallersByHash, InternalKey
from service.settings import InternalApiSettings, list_settings_folders

DEFAULT_CRON = "0 0 * * *"
CRON_SUFFIX = "_POLL_CRON"


def _check_cron(value: str) -> str:
    try:
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {error}") from error
    return value


Cron = Annotated[str, AfterValidator(_check_cron)]
"""A cron expression of five fields, or of six with the seconds first."""


class PollCronSource(PydanticBaseSettingsSource):
    """Reads all settings named `<PLATFORM>_POLL_CRON`, so that a new platform needs no new field.

    A value in the environment overrides one in `.env`, and `.env` overrides the folders of settings, which have one
    file for each setting. Empty values count as not set.
    """

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return no value, because the crons are not declared as fields. `__call__` returns them."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return a dict from the name of each such setting, in lower case, to its cron expression."""
        sources = (
            *map(_read_crons_from_folder, list_settings_folders()),
            dotenv_values(".env").items(),
            os.environ.items(),
        )
        return {
            name.lower(): value
            for source in sources
            for name, value in source
            if value and name.upper().endswith(CRON_SUFFIX)
        }


def _read_crons_from_folder(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (setting, cron expression) from a folder of settings, which has one file for each setting."""
    for path in Path(folder).iterdir():
        if path.name.upper().endswith(CRON_SUFFIX):
            yield path.name, path.read_text().strip()


class SchedulerSettings(InternalApiSettings):
    """The settings of the scheduler: URLs of other systems, keys of its callers, and when connections are polled."""

    database_url: DatabaseUrl
    gateway_internal_url: str
    gateway_key: InternalKey
    """The key with which this service calls the gateway's internal API."""
    internal_key_hashes: CallersByHash
    """`caller:hash` of each key, separated by commas. Only the callers `gateway` and `operator` may read the ledger."""
    poll_spread_seconds: int = 3600
    port: int = 8080
    host: str = "127.0.0.1"
    poll_crons: dict[str, Cron] = Field(default_factory=dict)
    """The cron expressions by the names of their settings, `<PLATFORM>_POLL_CRON`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add PollCronSource, which reads the polls' cron expressions, to the usual sources of settings."""
        # Before the others: the source of `.env` also returns names that are no fields, and the environment must win.
        return (init_settings, PollCronSource(settings_cls), env_settings, dotenv_settings, file_secret_settings)

    @model_validator(mode="before")
    @classmethod
    def _collect_poll_crons(cls, values: dict[str, Any]) -> dict[str, Any]:
        crons = {name.upper(): cron for name, cron in values.items() if name.upper().endswith(CRON_SUFFIX)}
        return {**values, "poll_crons": crons}

    def get_poll_cron(self, platform: str) -> str:
        """Return the cron expression (UTC) for the polls of a platform: the setting's value, or the platform's default.

        A `-` in the platform's slug is written as `_` in the setting's name.
        """
        return self.poll_crons.get(platform.upper().replace("-", "_") + CRON_SUFFIX) or _get_default_cron(platform)


def _get_default_cron(platform: str) -> str:
    """Return the default of a platform's setting; `DEFAULT_CRON` for one that is not registered, or has none."""
    if platform not in PLATFORMS:
        return DEFAULT_CRON
    manifest: Manifest = load_role(platform, "manifest").MANIFEST
    setting = manifest.find_setting(manifest.poll_cron_setting)
    return (setting.default if setting else None) or DEFAULT_CRON
