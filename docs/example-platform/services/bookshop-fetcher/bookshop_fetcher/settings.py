"""Settings of the bookshop-fetcher, from the environment."""

from connector.settings import FetcherSettings


class BookshopFetcherSettings(FetcherSettings):
    """Where Bookshop's API is."""

    bookshop_api_url: str
