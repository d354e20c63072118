"""Settings of the app at Facebook, from the environment."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from platform_sdk.settings import BaseUrl, Names, OptionalUrl, PlatformSettings, check_all_or_none, list_secrets
from platforms.facebook.webhook_fields import WEBHOOK_FIELDS


def _check_subscribable(fields: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in fields if name not in WEBHOOK_FIELDS]
    if unknown or not fields:
        raise ValueError(f"names no field of a Page whose changes Facebook delivers: {', '.join(unknown) or 'none'}")
    return tuple(dict.fromkeys(fields))


class Settings(PlatformSettings):
    """The app and its addresses. Its required settings are given together, or none of them: then there is no app."""

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

    @model_validator(mode="after")
    def check_required(self) -> Self:
        """The required settings are all given, or none of them is."""
        required = {
            "FACEBOOK_APP_ID": self.facebook_app_id,
            "FACEBOOK_APP_SECRET": self.facebook_app_secret.get_secret_value(),
            "FACEBOOK_VERIFY_TOKEN": self.facebook_verify_token.get_secret_value(),
            "FACEBOOK_REDIRECT_URI": self.facebook_redirect_uri,
            "FACEBOOK_WEBHOOK_ADDRESS": self.facebook_webhook_address,
        }
        check_all_or_none(required, "Facebook")
        return self

    @property
    def is_configured(self) -> bool:
        """Whether there is an app at Facebook."""
        return bool(self.facebook_app_id)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The app's secrets, the current one first."""
        return list_secrets(self.facebook_app_secret, self.facebook_app_secret_previous)

    @property
    def secret(self) -> str:
        """The current secret; empty where there is no app."""
        return next(iter(self.secrets), "")

    @property
    def app_token(self) -> str:
        """The access token of the app itself."""
        return f"{self.facebook_app_id}|{self.secret}"
