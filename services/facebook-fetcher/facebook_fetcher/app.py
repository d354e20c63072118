"""The composition root of the facebook-fetcher: opens its client and its source, and runs the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.app import run_fetcher
from facebook_fetcher.settings import FacebookFetcherSettings
from facebook_fetcher.source import SLUG, FacebookSource
from messaging.tracing import trace_call
from platforms.facebook.fields import RequestedFields
from platforms.facebook.session import open_client
from platforms.known_settings import list_known_settings

SERVICE = "facebook-fetcher"


@asynccontextmanager
async def _open_source(settings: FacebookFetcherSettings) -> AsyncIterator[FacebookSource]:
    secret = settings.facebook_app_secret.get_secret_value()
    url, version = settings.facebook_graph_url, settings.facebook_api_version
    async with open_client(url, version, secret, trace=trace_call) as client:
        yield FacebookSource(client, RequestedFields(settings.facebook_page_fields))


def main() -> None:
    """Run the service until the process receives SIGINT or SIGTERM."""
    run_fetcher(SERVICE, SLUG, FacebookFetcherSettings, _open_source, known_settings=list_known_settings())


if __name__ == "__main__":
    main()
