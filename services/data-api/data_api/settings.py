"""Settings of the data API, from the environment."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from data_api.operator_keys import OperatorKey, parse_operator_keys
from database.url import DatabaseUrl
from platform_sdk.settings import OptionalUrl
from service.bucket_settings import BucketSettings
from service.encryption import EncryptionKeys
from service.public_settings import PublicApiSettings
from service.service_auth import InternalKey


def _parse_keys(value: object) -> object:
    return parse_operator_keys(value) if isinstance(value, str) else value


def _parse_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part) for part in value.replace(",", " ").split())
    except ValueError:
        raise ValueError("must be networks such as 10.1.0.0/16, separated by commas") from None


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
    endpoint_encryption_keys: EncryptionKeys = Field(repr=False)
    """The keys under which the secrets of endpoints are stored. The first one encrypts."""
    endpoint_private_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_parse_networks)
    ] = ()
    """Networks of the operator's own to which webhooks may be sent too, also without TLS."""
