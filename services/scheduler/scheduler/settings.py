"""Settings of the scheduler, from the environment."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from dotenv import dotenv_values
from pydantic import field_validator

from database.url import DatabaseUrl
from service.service_auth import CallerKeys
from service.settings import KafkaSettings

DEFAULT_CRON = "0 0 * * *"
CRON_SUFFIX = "_POLL_CRON"


class SchedulerSettings(KafkaSettings):
    """Where Postgres and the gateway are, who may ask, and how polls are spread."""

    database_url: DatabaseUrl
    gateway_internal_url: str
    internal_key: str
    internal_keys: CallerKeys
    """`name:key` of each caller, separated by commas; gateway and operator may read."""
    poll_spread_seconds: int = 3600
    port: int = 8080
    host: str = "127.0.0.1"
    shopify_poll_cron: str = DEFAULT_CRON
    facebook_poll_cron: str = DEFAULT_CRON

    @field_validator("shopify_poll_cron", "facebook_poll_cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return checked_cron(value)


def checked_cron(value: str) -> str:
    """`value` if it is a cron expression of five (or, with seconds first, six) fields; raises ValueError."""
    try:
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {error}") from error
    return value


def read_environment() -> dict[str, str]:
    """What is set in `.env`, and above it in the environment."""
    return {name: value for name, value in {**dotenv_values(".env"), **os.environ}.items() if value}


def poll_crons(settings: SchedulerSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The cron of every platform by slug: `<PLATFORM>_POLL_CRON`, so that a new platform needs no new setting."""
    crons = {
        name.removesuffix(CRON_SUFFIX).lower(): checked_cron(value)
        for name, value in environment.items()
        if name.endswith(CRON_SUFFIX)
    }
    return {**crons, "shopify": settings.shopify_poll_cron, "facebook": settings.facebook_poll_cron}
