"""The settings of the sandbox. They come from environment variables or from files in a folder."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings of the sandbox.

    The API key and secret of Shopify have no defaults, because the services must use the same ones. Without the id of a
    Facebook app, the sandbox simulates Shopify only.
    """

    model_config = SettingsConfigDict(extra="ignore")

    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = 8100
    sandbox_state: Path = Path("data/sandbox")
    sandbox_public_url: str = ""
    sandbox_retry_scale: float = Field(default=1.0, gt=0)
    shopify_api_key: str = Field(min_length=1)
    shopify_api_secret: str = Field(min_length=1)
    facebook_app_id: str = Field(default="", pattern=r"^(\d{15,20})?$")
    facebook_app_secret: str = ""
    facebook_deauthorize_url: str = ""
    facebook_deletion_url: str = ""
    sandbox_phpmyadmin_password: str = ""
    sandbox_odoo_key: str = ""
    sandbox_odoo_version: Annotated[Literal[17, 18, 19], BeforeValidator(int)] = 18

    @field_validator("sandbox_public_url")
    @classmethod
    def _strip_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _require_facebook_id_and_secret(self) -> Self:
        if bool(self.facebook_app_id) != bool(self.facebook_app_secret):
            raise ValueError("FACEBOOK_APP_ID and FACEBOOK_APP_SECRET together")
        return self

    @property
    def base_path(self) -> str:
        """The path of the public URL, usually empty. Browsers put it before every path of the sandbox."""
        return urlsplit(self.public_url).path

    @property
    def public_url(self) -> str:
        """The URL under which browsers and services reach the sandbox, without a trailing slash."""
        return self.sandbox_public_url or f"http://127.0.0.1:{self.sandbox_port}"
