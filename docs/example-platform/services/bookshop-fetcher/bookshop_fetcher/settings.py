"""Settings of the bookshop-fetcher, from the environment."""

from connector.settings import FetcherSettings


class BookshopFetcherSettings(FetcherSettings):
    """The settings of every fetcher, and the URL of Bookshop's API."""

    bookshop_api_url: str
