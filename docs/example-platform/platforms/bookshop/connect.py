"""Connect a shop by its name and an API key. The key is tried before anything is stored."""

from collections.abc import Callable, Iterable, Mapping

import httpx

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import CredentialField
from platform_sdk.errors import RequestRejectedError, TokenRejectedError
from platform_sdk.grants import Grant
from platform_sdk.http_retries import REQUEST_TIMEOUT, request_until_answered
from platforms.bookshop.manifest import MANIFEST
from platforms.bookshop.resources import CATALOG
from platforms.bookshop.settings import Settings

__all__ = ["Settings", "create_adapter"]


class BookshopApi:
    """Calls Bookshop's API for the gateway. An API key does not expire and has no scopes."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Return whether the shop accepts the key. Raises TransientError when Bookshop does not answer."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self._url}/shops/{account}"
        response = await request_until_answered(
            MANIFEST.title, lambda: self._http.get(url, headers=headers, timeout=REQUEST_TIMEOUT)
        )
        return response.status_code == 200

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        """Raise TokenRejectedError: a key that is not accepted any more must be entered again."""
        raise TokenRejectedError

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        """Return no scopes: a key opens the whole shop."""
        return ()

    async def uninstall(self, account: str, token: str) -> None:
        """Do nothing: there is no app to remove."""


class BookshopCredentials:
    """The form in which a merchant enters the shop's name and API key."""

    fields = (
        CredentialField("shop", "Shop", hint="the name of your shop"),
        CredentialField("key", "API key", hint="from the settings of your shop", secret=True),
    )

    def __init__(self, api: BookshopApi, now: Callable[[], int]) -> None:
        self._api = api
        self._now = now

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        """Return the grant of the shop. Raises RequestRejectedError for a wrong name or key."""
        shop = values["shop"].strip().lower()
        if not (shop.isascii() and shop.isalnum()):
            raise RequestRejectedError(400, "Shop is not a shop's name: write letters and digits only")
        if not await self._api.is_token_valid(shop, values["key"]):
            raise RequestRejectedError(400, "Shop and API key do not belong together: check both")
        return {shop: Grant(access_token=values["key"], scopes=(), granted_at=self._now(), title=shop.title())}


class BookshopAccounts:
    """Derives URLs and ids for shops."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def build_account_url(self, account: str) -> str:
        """Return the URL of the shop."""
        return f"{self._url}/shops/{account}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:
        """Return the id of a book or an author; None for a text that is not a number."""
        return text if resource in CATALOG and text.isdecimal() else None

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return an empty mapping: Bookshop has no scopes."""
        return {}


def create_adapter(settings: Settings, http: httpx.AsyncClient, now: Callable[[], int]) -> PlatformAdapter:
    """Return the gateway's adapter for Bookshop. Bookshop has no webhooks: it is only polled.

    `now` returns the time in milliseconds.
    """
    api = BookshopApi(http, settings.bookshop_api_url)
    return PlatformAdapter(
        manifest=MANIFEST,
        is_configured=settings.is_configured,
        connection_method=BookshopCredentials(api, now),
        accounts=BookshopAccounts(settings.bookshop_api_url),
        api=api,
    )
