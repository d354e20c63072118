"""The settings of a service with a public port: which proxies are in front of it, and which web pages may call it."""

from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from service.client_addresses import Network
from service.known_settings import DEVELOPMENT, PRODUCTION
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


def _parse_networks(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        return None
    if value.strip() == "none":
        return ()
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be 'none', or networks such as 10.0.0.0/8, separated by commas: {error}") from error


class PublicApiSettings(InternalApiSettings):
    """The settings of a service with a public port. `deploy/env.example` describes each of them."""

    merchant_sync_env: str = DEVELOPMENT
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)] = ()
    trusted_proxies: Annotated[tuple[Network, ...] | None, NoDecode, BeforeValidator(_parse_networks)] = Field(
        default=None, validate_default=True
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _require_in_production(cls, value: tuple[Network, ...] | None, info: ValidationInfo) -> object:
        """Raise an error when production does not say which proxies are in front of the service.

        Without it, all clients share the limits of a process, so that one of them can keep all others out, and logs
        show the address of the nearest proxy.
        """
        if value is None and info.data.get("merchant_sync_env") == PRODUCTION:
            # Of the type of a missing setting: who checks settings without having all of them takes it for one.
            raise PydanticCustomError(
                "missing", "production needs the networks of the proxies in front of the service, or 'none'"
            )
        return value
