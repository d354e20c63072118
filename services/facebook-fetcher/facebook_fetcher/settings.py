"""Reads the settings of the facebook-fetcher from the environment."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from connector.settings import FetcherSettings
from platforms.facebook.fields import PAGE_FIELDS, PageField, parse_fields


def _parse_fields_setting(value: object) -> object:
    return parse_fields(value) if isinstance(value, str) else value


def _strip_slash(url: str) -> str:
    return url.rstrip("/")


class FacebookFetcherSettings(FetcherSettings):
    """The URL and version of the Graph API, the requested fields, and the secret that authenticates the app's calls."""

    facebook_app_secret: SecretStr = Field(min_length=1)
    facebook_api_version: str = Field(default="v25.0", pattern=r"^v\d+\.\d+$")
    facebook_graph_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+[^?#]*$"), AfterValidator(_strip_slash)] = (
        "https://graph.facebook.com"
    )
    facebook_page_fields: Annotated[tuple[PageField, ...], NoDecode, BeforeValidator(_parse_fields_setting)] = (
        parse_fields(PAGE_FIELDS)
    )
