"""The gateway's settings: names are the environment's; what is missing or malformed stops the start by name."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from database.url import DatabaseUrl
from gateway.platforms.facebook import Facebook
from gateway.platforms.facebook_fields import WEBHOOK_FIELDS
from gateway.platforms.shopify import Shopify
from service.service_auth import CallerKeys
from service.settings import KafkaSettings

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


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _base(value: str) -> str:
    return _address(value).rstrip("/")


def _subscribable(fields: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in fields if name not in WEBHOOK_FIELDS]
    if unknown or not fields:
        raise ValueError(f"names no field of a Page that Facebook tells changes of: {', '.join(unknown) or 'none'}")
    return tuple(dict.fromkeys(fields))


Address = Annotated[str, AfterValidator(_address)]
AddressIfAny = Annotated[str, AfterValidator(lambda value: value and _address(value))]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class GatewaySettings(KafkaSettings):
    """Everything that can be set; the README says what each is for."""

    database_url: DatabaseUrl
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
    webhook_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    sandbox_url: str = ""
    sandbox_relayed: AddressIfAny = ""

    shopify_api_key: str = Field(min_length=1)
    shopify_api_secret: SecretStr = Field(min_length=1)
    shopify_api_secret_previous: SecretStr = SecretStr("")
    shopify_redirect_uri: Address
    shopify_webhook_address: Address
    shopify_api_version: str = Field(default="2026-10", pattern=r"^(\d{4}-\d{2}|unstable)$")
    shopify_shop_url: Annotated[str, AfterValidator(_shop_url)] = "https://{shop}"
    shopify_people_url: Annotated[str, AfterValidator(lambda value: value and _shop_url(value))] = ""
    shopify_scopes: Names = ("read_products", "read_inventory", "read_locations", "read_discounts")

    facebook_app_id: str = Field(default="", pattern=r"^([0-9]{15,20})?$")
    facebook_app_secret: SecretStr = SecretStr("")
    facebook_app_secret_previous: SecretStr = SecretStr("")
    facebook_verify_token: SecretStr = SecretStr("")
    facebook_redirect_uri: AddressIfAny = ""
    facebook_webhook_address: AddressIfAny = ""
    facebook_api_version: str = Field(default="v25.0", pattern=r"^v[0-9]{2,3}\.[0-9]$")
    facebook_graph_url: Annotated[str, AfterValidator(_base)] = "https://graph.facebook.com"
    facebook_dialog_url: Annotated[str, AfterValidator(_base)] = "https://www.facebook.com"
    facebook_scopes: Names = (
        *("pages_show_list", "pages_manage_metadata", "pages_read_engagement", "pages_messaging"),
    )
    facebook_subscribed_fields: Annotated[Names, AfterValidator(_subscribable)] = (
        *("name", "category", "picture", "description", "website", "phone"),
        *("email", "location", "hours", "bio", "general_info"),
    )

    @model_validator(mode="after")
    def _facebook_whole_or_none(self) -> Self:
        """Facebook is configured by five settings together, or by none of them."""
        five = {
            "FACEBOOK_APP_ID": self.facebook_app_id,
            "FACEBOOK_APP_SECRET": self.facebook_app_secret.get_secret_value(),
            "FACEBOOK_VERIFY_TOKEN": self.facebook_verify_token.get_secret_value(),
            "FACEBOOK_REDIRECT_URI": self.facebook_redirect_uri,
            "FACEBOOK_WEBHOOK_ADDRESS": self.facebook_webhook_address,
        }
        missing = [name for name, value in five.items() if not value]
        if missing and len(missing) < len(five):
            raise ValueError(f"{', '.join(missing)}: required, because other settings of Facebook's app are given")
        return self

    def shopify(self) -> Shopify:
        """Shopify as this app sees it."""
        return Shopify(
            api_key=self.shopify_api_key,
            secrets=_given(self.shopify_api_secret, self.shopify_api_secret_previous),
            redirect_uri=self.shopify_redirect_uri,
            webhook_address=self.shopify_webhook_address,
            scopes=self.shopify_scopes,
            shop_url=self.shopify_shop_url,
            people_url=self.shopify_people_url or self.shopify_shop_url,
        )

    def facebook(self) -> Facebook:
        """Facebook as this app sees it; not configured where there is no app."""
        return Facebook(
            app_id=self.facebook_app_id,
            secrets=_given(self.facebook_app_secret, self.facebook_app_secret_previous),
            verify_token=self.facebook_verify_token.get_secret_value(),
            redirect_uri=self.facebook_redirect_uri,
            webhook_address=self.facebook_webhook_address,
            scopes=self.facebook_scopes,
            subscribed_fields=self.facebook_subscribed_fields,
            version=self.facebook_api_version,
            dialog_url=self.facebook_dialog_url,
        )

    @property
    def https(self) -> bool:
        """Whether browsers reach the gateway by https, so that its cookies may be marked Secure."""
        return urlsplit(self.shopify_redirect_uri).scheme == "https"

    def doubts(self) -> list[str]:
        """Settings that are allowed and probably not meant, in words."""
        addresses = {
            "SHOPIFY_REDIRECT_URI": self.shopify_redirect_uri,
            "SHOPIFY_WEBHOOK_ADDRESS": self.shopify_webhook_address,
            "FACEBOOK_REDIRECT_URI": self.facebook_redirect_uri,
            "FACEBOOK_WEBHOOK_ADDRESS": self.facebook_webhook_address,
        }
        return [
            f"{name} names this machine with port {_port(address)}, and the gateway listens on {self.gateway_port}"
            for name, address in addresses.items()
            if urlsplit(address).hostname in _LOOPBACK and _port(address) != self.gateway_port
        ]


def _given(*secrets: SecretStr) -> tuple[str, ...]:
    return tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
