"""The gateway's settings: names are the environment's; what is missing or malformed stops the start by name."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from gateway.platforms.shopify import Shopify
from serving.callers import CallerKeys
from serving.settings import Settings

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValueError("must be an http or https address")
    return value


def _origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    for origin in origins:
        if "*" in origin:
            raise ValueError("'*' is refused: name each origin")
        if urlsplit(origin).path or not urlsplit(origin).hostname:
            raise ValueError("must be origins such as https://app.example, separated by commas")
    return origins


def _named(value: str) -> list[tuple[str, str]]:
    pairs = [tuple(part.strip().partition(":")[::2]) for part in value.split(",") if part.strip()]
    if not pairs or not all(name and key for name, key in pairs):
        raise ValueError("must be name:key, separated by commas")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("names a key twice")
    return [(name, key) for name, key in pairs]


def _encryption_keys(value: object) -> object:
    keys: dict[str, bytes] = {}
    for key_id, encoded in _named(str(value)):
        try:
            keys[key_id] = b64decode(encoded, altchars=b"-_", validate=True)
        except NotBase64 as error:
            raise ValueError(f"the key {key_id} is not base64") from error
        if len(keys[key_id]) != 32 or "." in key_id:
            raise ValueError(f"the key {key_id} must be 32 bytes in base64, its id without a dot")
    return keys


def _shop_url(value: str) -> str:
    if "{shop}" not in value:
        raise ValueError("must contain {shop}")
    _address(value.replace("{shop}", "shop"))
    return value.rstrip("/")


def _scopes(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]


class GatewaySettings(Settings):
    """Everything that can be set; the README says what each is for."""

    kafka_bootstrap_servers: str
    database_url: SecretStr
    gateway_host: str = "0.0.0.0"
    gateway_port: int = Field(default=5000, ge=1, le=65535)
    gateway_processes: int = Field(default=2, ge=1, le=64)
    gateway_internal_host: str = "127.0.0.1"
    gateway_internal_port: int = Field(default=5001, ge=1, le=65535)
    scheduler_url: Address
    internal_keys: CallerKeys
    internal_key: SecretStr
    state_token_secret: SecretStr = Field(min_length=32)
    token_encryption_keys: Annotated[dict[str, bytes], NoDecode, BeforeValidator(_encryption_keys)] = Field(repr=False)
    session_ttl_seconds: int = Field(default=3600, ge=60)
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = ()
    webhook_max_bytes: int = Field(default=1024 * 1024, ge=1024)
    sandbox_url: str = ""

    shopify_api_key: str = Field(min_length=1)
    shopify_api_secret: SecretStr = Field(min_length=1)
    shopify_api_secret_previous: SecretStr = SecretStr("")
    shopify_redirect_uri: Address
    shopify_webhook_address: Address
    shopify_api_version: str = Field(default="2026-10", pattern=r"^(\d{4}-\d{2}|unstable)$")
    shopify_shop_url: Annotated[str, AfterValidator(_shop_url)] = "https://{shop}"
    shopify_scopes: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_scopes)] = (
        *("read_products", "read_inventory", "read_locations", "read_discounts"),
    )

    def shopify(self) -> Shopify:
        """Shopify as this app sees it."""
        secrets = (self.shopify_api_secret.get_secret_value(), self.shopify_api_secret_previous.get_secret_value())
        return Shopify(
            api_key=self.shopify_api_key,
            secrets=tuple(secret for secret in secrets if secret),
            redirect_uri=self.shopify_redirect_uri,
            webhook_address=self.shopify_webhook_address,
            scopes=self.shopify_scopes,
            shop_url=self.shopify_shop_url,
        )

    @property
    def origin(self) -> str:
        """Where browsers and platforms reach the gateway, without a path."""
        parts = urlsplit(self.shopify_redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def https(self) -> bool:
        """Whether browsers reach the gateway by https, so that its cookies may be marked Secure."""
        return urlsplit(self.shopify_redirect_uri).scheme == "https"

    def doubts(self) -> list[str]:
        """Settings that are allowed and probably not meant, in words."""
        addresses = {
            "SHOPIFY_REDIRECT_URI": self.shopify_redirect_uri,
            "SHOPIFY_WEBHOOK_ADDRESS": self.shopify_webhook_address,
        }
        return [
            f"{name} names this machine with port {_port(address)}, and the gateway listens on {self.gateway_port}"
            for name, address in addresses.items()
            if urlsplit(address).hostname in _LOOPBACK and _port(address) != self.gateway_port
        ]


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
