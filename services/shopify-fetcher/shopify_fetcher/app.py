"""The composition root of the shopify-fetcher: opens its client and its source, and runs the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.app import run_fetcher
from messaging.tracing import trace_call
from platforms.known_settings import list_known_settings
from platforms.shopify.session import open_client
from shopify_fetcher.settings import ShopifyFetcherSettings
from shopify_fetcher.source import SLUG, ShopifySource

SERVICE = "shopify-fetcher"


@asynccontextmanager
async def _open_source(settings: ShopifyFetcherSettings) -> AsyncIterator[ShopifySource]:
    async with open_client(settings.shopify_shop_url, settings.shopify_api_version, trace=trace_call) as client:
        yield ShopifySource(client)


def main() -> None:
    """Run the service until the process receives SIGINT or SIGTERM."""
    run_fetcher(SERVICE, SLUG, ShopifyFetcherSettings, _open_source, known_settings=list_known_settings())


if __name__ == "__main__":
    main()
