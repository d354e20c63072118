"""Settings of the scheduler, from the environment."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from dotenv import dotenv_values
from pydantic import AfterValidator, Field, NonNegativeInt, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from database.url import DatabaseUrl
from platform_sdk.manifests import Manifest
from platforms.registry import PLATFORMS, load_role
from service.service_auth import CallersByHash, InternalKey
from service.settings import InternalApiSettings, list_settings_folders

DEFAULT_CRON = "0 0 * * *"
CRON_SUFFIX, SECONDS_SUFFIX = "_POLL_CRON", "_POLL_SECONDS"


def _check_cron(value: str) -> str:
    try:
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {error}") from error
    return value


Cron = Annotated[str, AfterValidator(_check_cron)]
"""A cron expression of five fields, or of six with the seconds first."""


class PollSource(PydanticBaseSettingsSource):
    """Reads all settings named `<PLATFORM>_POLL_CRON` or `<PLATFORM>_POLL_SECONDS`, so that a new platform needs no
    new field.

    A value in the environment overrides one in `.env`, and `.env` overrides the folders of settings, which have one
    file for each setting. Empty values count as not set.
    """

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return no value, because these settings are not declared as fields. `__call__` returns them."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return a dict from the name of each such setting, in lower case, to its value."""
        sources = (
            *map(_read_polls_from_folder, list_settings_folders()),
            dotenv_values(".env").items(),
            os.environ.items(),
        )
        return {name.lower(): value for source in sources for name, value in source if value and _is_poll_setting(name)}


def _is_poll_setting(name: str) -> bool:
    return name.upper().endswith((CRON_SUFFIX, SECONDS_SUFFIX))


def _read_polls_from_folder(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (setting, value) from a folder of settings, which has one file for each setting."""
    for path in Path(folder).iterdir():
        if _is_poll_setting(path.name):
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
    poll_seconds: dict[str, NonNegativeInt] = Field(default_factory=dict)
    """The seconds by the names of their settings, `<PLATFORM>_POLL_SECONDS`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add PollSource, which reads when platforms are polled, to the usual sources of settings."""
        # Before the others: the source of `.env` also returns names that are no fields, and the environment must win.
        return (init_settings, PollSource(settings_cls), env_settings, dotenv_settings, file_secret_settings)

    @model_validator(mode="before")
    @classmethod
    def _collect_polls(cls, values: dict[str, Any]) -> dict[str, Any]:
        polls = {name.upper(): value for name, value in values.items() if _is_poll_setting(name)}
        crons = {name: value for name, value in polls.items() if name.endswith(CRON_SUFFIX)}
        seconds = {name: value for name, value in polls.items() if name.endswith(SECONDS_SUFFIX)}
        return {**values, "poll_crons": crons, "poll_seconds": seconds}

    def get_poll_cron(self, platform: str) -> str:
        """Return the cron expression (UTC) for the polls of a platform: the setting's value, or the platform's default.

        A `-` in the platform's slug is written as `_` in the setting's name.
        """
        name = _name_platform(platform) + CRON_SUFFIX
        return self.poll_crons.get(name) or _get_default(platform, name) or DEFAULT_CRON

    def get_poll_seconds(self, platform: str) -> int:
        """Return after how many seconds what has changed at a platform is read; 0 where its cron alone says when."""
        name = _name_platform(platform) + SECONDS_SUFFIX
        seconds = self.poll_seconds.get(name)
        return int(_get_default(platform, name) or 0) if seconds is None else seconds


def _name_platform(platform: str) -> str:
    return platform.upper().replace("-", "_")


def _get_default(platform: str, name: str) -> str | None:
    """Return the default of a platform's setting; None for one that is not registered, or has none."""
    if platform not in PLATFORMS:
        return None
    manifest: Manifest = load_role(platform, "manifest").MANIFEST
    setting = manifest.find_setting(name)
    return setting.default if setting else None
