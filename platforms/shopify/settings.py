"""The settings of the Shopify app, read from the environment."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from platform_sdk.manifests import Manifest
from platform_sdk.settings import Names, OptionalUrl, PlatformSettings, check_url, list_secrets
from platforms.shopify.manifest import MANIFEST

SHOP_URL = "https://{shop}"
"""The URL of a shop at Shopify. `{shop}` is replaced by the shop's domain."""


def _check_shop_url(value: str) -> str:
    if "{shop}" not in value:
        raise ValueError("must contain {shop}")
    check_url(value.replace("{shop}", "shop"))
    return value.rstrip("/")


ShopUrl = Annotated[str, AfterValidator(_check_shop_url)]
"""The setting with the URL of a shop, in which `{shop}` stands for the shop's domain."""


class Settings(PlatformSettings):
    """The settings of the app: its id and secrets, its URLs, and the requested scopes."""

    manifest: ClassVar[Manifest] = MANIFEST
    shopify_api_key: str = ""
    shopify_api_secret: SecretStr = SecretStr("")
    shopify_api_secret_previous: SecretStr = SecretStr("")
    shopify_redirect_uri: OptionalUrl = ""
    shopify_webhook_address: OptionalUrl = ""
    shopify_api_version: str = Field(default="2026-10", pattern=r"^(\d{4}-\d{2}|unstable)$")
    shopify_shop_url: ShopUrl = SHOP_URL
    shopify_people_url: Annotated[str, AfterValidator(lambda value: value and _check_shop_url(value))] = ""
    shopify_scopes: Names = ("read_products", "read_inventory", "read_locations", "read_discounts")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The app's secrets, the current one first."""
        return list_secrets(self.shopify_api_secret, self.shopify_api_secret_previous)

    @property
    def people_url(self) -> str:
        """The URL of a shop for browsers, with the placeholder `{shop}`."""
        return self.shopify_people_url or self.shopify_shop_url
