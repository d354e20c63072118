"""Reads the settings of the phpmyadmin-fetcher from the environment."""

from pydantic import Field

from connector.settings import FetcherSettings
from platform_sdk.settings import AllowedHosts


class PhpMyAdminFetcherSettings(FetcherSettings):
    """The settings of every fetcher, the hosts that may be called, and how much is read at once."""

    phpmyadmin_allowed_hosts: AllowedHosts = ()
    phpmyadmin_rows_per_second: int = Field(default=10_000, ge=1)
    phpmyadmin_max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
