"""Composition root of the shopify-fetcher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.app import run_fetcher
from shopify_fetcher.client import open_client
from shopify_fetcher.platform import SLUG, ShopifySource
from shopify_fetcher.settings import ShopifyFetcherSettings

SERVICE = "shopify-fetcher"


@asynccontextmanager
async def _open_platform(settings: ShopifyFetcherSettings) -> AsyncIterator[ShopifySource]:
    async with open_client(settings.shopify_shop_url, settings.shopify_api_version) as client:
        yield ShopifySource(client)


def main() -> None:
    """Run the service until it is asked to end."""
    run_fetcher(SERVICE, SLUG, ShopifyFetcherSettings, _open_platform)


if __name__ == "__main__":
    main()
