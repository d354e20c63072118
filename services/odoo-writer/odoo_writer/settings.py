"""Reads the settings of the odoo-writer from the environment."""

from pydantic import Field

from destination.settings import DestinationSettings
from platform_sdk.settings import AllowedHosts


class OdooWriterSettings(DestinationSettings):
    """The settings of every writer, the hosts that may be called, and how often hosted databases are."""

    odoo_allowed_hosts: AllowedHosts = ()
    odoo_calls_per_second: float = Field(default=1.0, gt=0, le=100)
