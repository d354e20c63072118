"""Settings that every fetcher has, from the environment."""

from pydantic import Field, SecretStr

from serving.settings import Settings


class FetcherSettings(Settings):
    """Where Kafka and the gateway are, and how long one step of a walk may take."""

    kafka_bootstrap_servers: str
    gateway_internal_url: str
    internal_key: SecretStr = Field(min_length=1)
    port: int = 8080
    host: str = "127.0.0.1"
    step_seconds: float = Field(default=5.0, gt=0, le=60)
