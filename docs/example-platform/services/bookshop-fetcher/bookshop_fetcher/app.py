"""Build and run the bookshop-fetcher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from bookshop_fetcher.settings import BookshopFetcherSettings
from bookshop_fetcher.source import BookshopSource
from connector.app import run_fetcher
from platforms.bookshop.manifest import MANIFEST
from platforms.known_settings import list_known_settings


@asynccontextmanager
async def _open_source(settings: BookshopFetcherSettings) -> AsyncIterator[BookshopSource]:
    async with httpx.AsyncClient(base_url=settings.bookshop_api_url, timeout=10) as http:
        yield BookshopSource(http)


def main() -> None:
    """Run the service until it receives a stop signal."""
    known = list_known_settings()
    run_fetcher(MANIFEST.fetcher, MANIFEST.slug, BookshopFetcherSettings, _open_source, known_settings=known)


if __name__ == "__main__":
    main()
