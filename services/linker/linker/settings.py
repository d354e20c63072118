"""Settings of the linker, from the environment."""

from pydantic import Field

from database.url import DatabaseUrl
from service.service_auth import CallersByHash
from service.settings import InternalApiSettings


class LinkerSettings(InternalApiSettings):
    """The settings of the linker: how to reach Kafka and Postgres, and who may call it."""

    database_url: DatabaseUrl
    internal_key_hashes: CallersByHash
    """`caller:hash` of each key, separated by commas. Only the caller `operator` may see and change links."""
    write_attempts: int = Field(default=10, ge=1, le=100)
    """How often a write may fail before it is given up."""
    port: int = 8080
    host: str = "127.0.0.1"
