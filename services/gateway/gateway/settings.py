"""The gateway's own settings, read from the environment. Each platform has a settings class of its own."""

from base64 import b64decode
from binascii import Error as Base64Error
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from database.url import DatabaseUrl
from platform_sdk.settings import OptionalBaseUrl, OptionalUrl, Url
from service.client_addresses import Network
from service.known_settings import DEVELOPMENT, PRODUCTION
from service.service_auth import CallersByHash, InternalKey
from service.settings import InternalApiSettings


def _parse_origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    for origin in origins:
        if "*" in origin:
            raise ValueError("'*' is refused: name each origin")
        if urlsplit(origin).path or not urlsplit(origin).hostname:
            raise ValueError("must be origins such as https://app.example, separated by commas")
    return origins


def _parse_named_keys(value: str) -> list[tuple[str, str]]:
    pairs = [tuple(part.strip().partition(":")[::2]) for part in value.split(",") if part.strip()]
    if not pairs or not all(name and key for name, key in pairs):
        raise ValueError("must be name:key, separated by commas")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("names a key twice")
    return [(name, key) for name, key in pairs]


def _parse_networks(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        return None
    if value.strip() == "none":
        return ()
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be 'none', or networks such as 10.0.0.0/8, separated by commas: {error}") from error


def _parse_encryption_keys(value: object) -> object:
    keys: dict[str, bytes] = {}
    for key_id, encoded in _parse_named_keys(str(value)):
        try:
            keys[key_id] = b64decode(encoded, altchars=b"-_", validate=True)
        except Base64Error as error:
            raise ValueError(f"the key {key_id} is not base64") from error
        if len(keys[key_id]) != 32 or "." in key_id:
            raise ValueError(f"the key {key_id} must be 32 bytes in base64, its id without a dot")
    return keys


class GatewaySettings(InternalApiSettings):
    """The settings of the gateway itself. `deploy/env.example` describes each of them."""

    merchant_sync_env: str = DEVELOPMENT
    database_url: DatabaseUrl
    gateway_host: str = "0.0.0.0"
    gateway_port: int = Field(default=5000, ge=1, le=65535)
    gateway_processes: int = Field(default=2, ge=1, le=64)
    gateway_internal_host: str = "127.0.0.1"
    gateway_internal_port: int = Field(default=5001, ge=1, le=65535)
    scheduler_url: Url
    scheduler_key: InternalKey
    internal_key_hashes: CallersByHash
    state_token_secret: SecretStr = Field(min_length=32)
    token_encryption_keys: Annotated[dict[str, bytes], NoDecode, BeforeValidator(_parse_encryption_keys)] = Field(
        repr=False
    )
    session_ttl_seconds: int = Field(default=43_200, ge=60)
    session_idle_seconds: int = Field(default=3600, ge=60)
    proof_read_seconds: int = Field(default=43_200, ge=60)
    proof_act_seconds: int = Field(default=900, ge=60)
    audit_kept_days: int = Field(default=365, ge=1)
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)] = ()
    webhook_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    gateway_max_connections: int = Field(default=1000, ge=10)
    trusted_proxies: Annotated[tuple[Network, ...] | None, NoDecode, BeforeValidator(_parse_networks)] = Field(
        default=None, validate_default=True
    )
    data_api_public_url: OptionalBaseUrl = ""
    sandbox_url: str = ""
    sandbox_relayed: OptionalUrl = ""

    @field_validator("trusted_proxies")
    @classmethod
    def _require_in_production(cls, value: tuple[Network, ...] | None, info: ValidationInfo) -> object:
        """Raise an error when production does not say which proxies are in front of the gateway.

        Without it, all clients share the limits of a process, so that one of them can keep all others from signing in,
        and the audit log shows the address of the nearest proxy.
        """
        if value is None and info.data.get("merchant_sync_env") == PRODUCTION:
            # Of the type of a missing setting: who checks settings without having all of them takes it for one.
            raise PydanticCustomError(
                "missing", "production needs the networks of the proxies in front of the gateway, or 'none'"
            )
        return value
