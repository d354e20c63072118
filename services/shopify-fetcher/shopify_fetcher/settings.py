"""Reads the settings of the shopify-fetcher from the environment."""

from connector.settings import FetcherSettings
from platforms.shopify.settings import SHOP_URL, ShopUrl


class ShopifyFetcherSettings(FetcherSettings):
    """The URL of shops, in which `{shop}` stands for the shop's domain, and the requested version of the Admin API."""

    shopify_shop_url: ShopUrl = SHOP_URL
    shopify_api_version: str = "2026-10"
