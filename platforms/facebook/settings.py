"""The settings of the Facebook app, read from the environment."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from platform_sdk.manifests import Manifest
from platform_sdk.settings import BaseUrl, Names, OptionalUrl, PlatformSettings, list_secrets
from platforms.facebook.manifest import MANIFEST
from platforms.facebook.webhook_fields import WEBHOOK_FIELDS


def _check_subscribable(fields: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in fields if name not in WEBHOOK_FIELDS]
    if unknown or not fields:
        raise ValueError(f"names no field of a Page whose changes Facebook delivers: {', '.join(unknown) or 'none'}")
    return tuple(dict.fromkeys(fields))


class Settings(PlatformSettings):
    """The settings of the app: its id and secrets, its URLs, the requested permissions and the subscribed fields."""

    manifest: ClassVar[Manifest] = MANIFEST
    facebook_app_id: str = Field(default="", pattern=r"^([0-9]{15,20})?$")
    facebook_app_secret: SecretStr = SecretStr("")
    facebook_app_secret_previous: SecretStr = SecretStr("")
    facebook_verify_token: SecretStr = SecretStr("")
    facebook_redirect_uri: OptionalUrl = ""
    facebook_webhook_address: OptionalUrl = ""
    facebook_api_version: str = Field(default="v25.0", pattern=r"^v[0-9]{2,3}\.[0-9]$")
    facebook_graph_url: BaseUrl = "https://graph.facebook.com"
    facebook_dialog_url: BaseUrl = "https://www.facebook.com"
    facebook_scopes: Names = (
        *("pages_show_list", "pages_manage_metadata", "pages_read_engagement", "pages_messaging"),
    )
    facebook_subscribed_fields: Annotated[Names, AfterValidator(_check_subscribable)] = (
        *("name", "category", "picture", "description", "website", "phone"),
        *("email", "location", "hours", "bio", "general_info"),
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The app's secrets, the current one first."""
        return list_secrets(self.facebook_app_secret, self.facebook_app_secret_previous)

    @property
    def secret(self) -> str:
        """The current secret; empty when no app is configured."""
        return next(iter(self.secrets), "")

    @property
    def app_token(self) -> str:
        """The access token of the app itself."""
        return f"{self.facebook_app_id}|{self.secret}"
