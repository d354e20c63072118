"""The composition root of the shopify-writer: opens its client and its destination, and runs the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from destination.app import run_writer
from messaging.tracing import trace_call
from platforms.known_settings import list_known_settings
from platforms.shopify.session import open_client
from shopify_writer.destination import SLUG, ShopifyDestination
from shopify_writer.settings import ShopifyWriterSettings

SERVICE = "shopify-writer"


@asynccontextmanager
async def _open_destination(settings: ShopifyWriterSettings) -> AsyncIterator[ShopifyDestination]:
    async with open_client(settings.shopify_shop_url, settings.shopify_api_version, trace=trace_call) as client:
        yield ShopifyDestination(client)


def main() -> None:
    """Run the service until the process receives SIGINT or SIGTERM."""
    run_writer(SERVICE, SLUG, ShopifyWriterSettings, _open_destination, known_settings=list_known_settings())


if __name__ == "__main__":
    main()
