"""Reads the settings of the shopify-fetcher from the environment."""

from typing import Annotated

from pydantic import AfterValidator

from connector.settings import FetcherSettings


def _validate_shop_url(url: str) -> str:
    if "{shop}" not in url:
        raise ValueError("must contain {shop}")
    return url.rstrip("/")


class ShopifyFetcherSettings(FetcherSettings):
    """The URL of shops, in which `{shop}` stands for the shop's domain, and the requested version of the Admin API."""

    shopify_shop_url: Annotated[str, AfterValidator(_validate_shop_url)] = "https://{shop}"
    shopify_api_version: str = "2026-10"
