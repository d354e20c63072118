"""Reads the settings of the odoo-fetcher from the environment."""

from pydantic import Field

from connector.settings import FetcherSettings
from platform_sdk.settings import AllowedHosts


class OdooFetcherSettings(FetcherSettings):
    """The settings of every fetcher, the hosts that may be called, and how often hosted databases are."""

    odoo_allowed_hosts: AllowedHosts = ()
    odoo_calls_per_second: float = Field(default=1.0, gt=0, le=100)
