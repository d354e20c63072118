"""The settings that every fetcher reads from the environment."""

from pydantic import Field, SecretStr

from service.settings import KafkaSettings


class FetcherSettings(KafkaSettings):
    """The settings of a fetcher: the gateway's internal URL and key, its own port and host, and a step's seconds.

    A full sync is read in steps of about `step_seconds`.
    """

    gateway_internal_url: str
    internal_key: SecretStr = Field(min_length=1)
    port: int = 8080
    host: str = "127.0.0.1"
    step_seconds: float = Field(default=5.0, gt=0, le=60)
