"""Settings of the shopify-fetcher, from the environment."""

from typing import Annotated

from pydantic import AfterValidator

from connector.settings import FetcherSettings


def _with_shop(url: str) -> str:
    if "{shop}" not in url:
        raise ValueError("must contain {shop}")
    return url.rstrip("/")


class ShopifyFetcherSettings(FetcherSettings):
    """Where shops are, and which version of the Admin API is asked for."""

    shopify_shop_url: Annotated[str, AfterValidator(_with_shop)] = "https://{shop}"
    shopify_api_version: str = "2026-10"
