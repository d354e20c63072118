"""The settings that every fetcher reads from the environment."""

from pydantic import Field

from service.service_auth import InternalKey
from service.settings import InternalApiSettings


class FetcherSettings(InternalApiSettings):
    """The settings of a fetcher: the gateway's internal URL and the key for it, and its own port and host.

    A full sync is read in steps of about `step_seconds`.
    """

    gateway_internal_url: str
    gateway_key: InternalKey
    port: int = 8080
    host: str = "127.0.0.1"
    step_seconds: float = Field(default=5.0, gt=0, le=60)
