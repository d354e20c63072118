"""Composition root of the facebook-fetcher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.app import run_fetcher
from facebook_fetcher.client import open_client
from facebook_fetcher.fields import Asking
from facebook_fetcher.platform import SLUG, FacebookSource
from facebook_fetcher.settings import FacebookFetcherSettings

SERVICE = "facebook-fetcher"


@asynccontextmanager
async def _open_platform(settings: FacebookFetcherSettings) -> AsyncIterator[FacebookSource]:
    secret = settings.facebook_app_secret.get_secret_value()
    async with open_client(settings.facebook_graph_url, settings.facebook_api_version, secret) as client:
        yield FacebookSource(client, Asking(settings.facebook_page_fields))


def main() -> None:
    """Run the service until it is asked to end."""
    run_fetcher(SERVICE, SLUG, FacebookFetcherSettings, _open_platform)


if __name__ == "__main__":
    main()
