"""Settings of the linker, from the environment."""

from pydantic import Field

from database.url import DatabaseUrl
from service.service_auth import CallersByHash, InternalKey
from service.settings import InternalApiSettings


class LinkerSettings(InternalApiSettings):
    """The settings of the linker: how to reach Kafka and Postgres, and who may call it."""

    database_url: DatabaseUrl
    gateway_internal_url: str
    gateway_key: InternalKey
    """The key with which this service calls the gateway's internal API."""
    internal_key_hashes: CallersByHash
    """`caller:hash` of each key, separated by commas. Only the callers `gateway` and `operator` may see links."""
    write_attempts: int = Field(default=10, ge=1, le=100)
    """How often a write may fail before it is given up."""
    link_health_seconds: float = Field(default=3600, ge=0)
    """A link of which no sync has succeeded for so long is synced, to see whether it works; 0: never."""
    port: int = 8080
    host: str = "127.0.0.1"
