"""Settings of the data API, from the environment."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from data_api.operator_keys import OperatorKey, parse_operator_keys
from database.url import DatabaseUrl
from platform_sdk.settings import OptionalUrl
from service.bucket_settings import BucketSettings
from service.public_settings import PublicApiSettings
from service.service_auth import InternalKey


def _parse_keys(value: object) -> object:
    return parse_operator_keys(value) if isinstance(value, str) else value


class DataApiSettings(BucketSettings, PublicApiSettings):
    """The settings of the data API. `deploy/env.example` describes each of them."""

    database_url: DatabaseUrl
    data_api_replica_url: DatabaseUrl | None = None
    """The database of a read replica, from which records are read where it is recent enough."""
    gateway_internal_url: str
    gateway_url: OptionalUrl = ""
    """The gateway as browsers reach it: where accounts are connected again."""
    gateway_key: InternalKey
    """The key with which this service calls the gateway's internal API."""
    data_api_host: str = "0.0.0.0"
    data_api_port: int = Field(default=5010, ge=1, le=65535)
    data_api_max_connections: int = Field(default=12_000, ge=10)
    """How many connections may be open at the public port of a process, most of them with a stream."""
    host: str = "127.0.0.1"
    port: int = 8080
    data_api_keys: Annotated[tuple[OperatorKey, ...], NoDecode, BeforeValidator(_parse_keys)] = Field(
        default=(), repr=False
    )
    data_api_requests_per_minute: int = Field(default=600, ge=1)
    stream_seconds: float = Field(default=300, gt=0)
    snapshot_cache_dir: str = ""
    """The folder for snapshots, of one process alone. Empty: a temporary one, which goes with the process."""
    snapshot_cache_bytes: int = Field(default=1024**3, ge=0)
    data_api_demo: bool = True
