"""Settings that every fetcher has, from the environment."""

from pydantic import Field, SecretStr

from service.settings import KafkaSettings


class FetcherSettings(KafkaSettings):
    """Where the gateway is, and how many seconds one step of a full sync reads."""

    gateway_internal_url: str
    internal_key: SecretStr = Field(min_length=1)
    port: int = 8080
    host: str = "127.0.0.1"
    step_seconds: float = Field(default=5.0, gt=0, le=60)
