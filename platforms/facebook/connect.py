"""Connects Facebook Pages: Facebook's OAuth, its accounts, and the adapter that the gateway loads.

Source: developers.facebook.com on the manual login flow and permissions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
from pydantic import BaseModel

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import ConnectedAccount, OAuthCallback
from platform_sdk.errors import RequestRejectedError
from platform_sdk.grants import Grant
from platform_sdk.query_strings import parse_query, require_parameters
from platforms.facebook.graph import Graph
from platforms.facebook.manifest import MANIFEST
from platforms.facebook.page_api import PageApi
from platforms.facebook.resources import CATALOG, PAGE
from platforms.facebook.settings import Settings
from platforms.facebook.webhooks import FacebookUserRequests, FacebookWebhooks

__all__ = ["Settings", "create_adapter"]

WEBHOOK_PERMISSION = "pages_manage_metadata"
"""The permission that webhooks need. A Page without it can be read, but Facebook delivers no changes of it."""


class PageConnected(BaseModel):
    """A Facebook Page that was connected, with the id of its first sync."""

    id: str
    name: str
    connection: str
    sync_id: UUID


class Pages(BaseModel):
    """The Facebook Pages that one consent has connected."""

    data: list[PageConnected]


class PagesConnected(BaseModel):
    """The response to a callback whose grants were stored. It sets the cookie `session_id`."""

    pages: Pages
    declined_permissions: list[str]


class FacebookAccounts:
    """Tells the URL of a Page, checks record ids, and finds missing permissions.

    The accounts are the ids of Facebook Pages.
    """

    def __init__(self, settings: Settings) -> None:
        self._scopes = settings.facebook_scopes
        self._dialog_url = settings.facebook_dialog_url

    def build_account_url(self, account: str) -> str:
        """Return the URL of the Page, at which the merchant manages it."""
        return f"{self._dialog_url}/{account}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:
        """Return the Page's id when `resource` and `text` name the Page itself; otherwise None.

        The Page is the only record of its connection.
        """
        return text if (resource, text) == (PAGE.name, account) else None

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the requested permissions that are not in `granted`, each with the resources that need it.

        A permission that webhooks need has the entry `webhooks` in place of a resource.
        """
        kept = frozenset(granted)
        return {scope: _list_costs(scope) for scope in self._scopes if scope not in kept}


class FacebookOAuth:
    """Connects Pages by OAuth's authorization code grant. The user chooses the Pages in Facebook's consent dialog."""

    form = None
    result_model = PagesConnected
    callback_parameters: Mapping[str, str] = {
        "code": "Exchanged for tokens, once",
        "state": "That of the login, from the same browser",
    }

    def __init__(self, settings: Settings, api: PageApi, accounts: FacebookAccounts) -> None:
        self._settings = settings
        self._api = api
        self._accounts = accounts

    def parse_account(self, text: str) -> str | None:  # noqa: ARG002
        """Return None, because the user chooses Pages in the dialog and names no account before."""
        return None

    def build_authorize_url(
        self,
        account: str,  # noqa: ARG002
        state: str,
        *,
        again: bool = False,
        for_proof: bool = False,  # noqa: ARG002
        for_link: bool = False,  # noqa: ARG002
        for_stock: bool = False,  # noqa: ARG002
    ) -> str:
        """Return the URL of the consent dialog, which is the same for a proof, and for a link: there are none of pages.

        With `again` the dialog asks once more for declined permissions. Without, Facebook does not ask for them again.
        """
        query = {
            "client_id": self._settings.facebook_app_id,
            "redirect_uri": self._settings.facebook_redirect_uri,
            "state": state,
            "scope": ",".join(self._settings.facebook_scopes),
            "response_type": "code",
            **({"auth_type": "rerequest"} if again else {}),
        }
        dialog = f"{self._settings.facebook_dialog_url}/{self._settings.facebook_api_version}/dialog/oauth"
        return f"{dialog}?{urlencode(query, quote_via=quote)}"

    def parse_callback(self, query: bytes, now: float) -> OAuthCallback:  # noqa: ARG002
        """Return `code` and `state` of an OAuth callback. Facebook does not sign its parameters.

        Instead, the state proves that this gateway requested the consent, and the later exchange of the code proves
        that Facebook issued the code. Raises RequestRejectedError for a repeated or missing parameter and for a
        cancelled consent.
        """
        parameters = parse_query(query)
        if "error" in parameters or "error_reason" in parameters:
            reason = "the consent was cancelled, and nothing has changed; start again to choose your pages"
            raise RequestRejectedError(400, reason)
        require_parameters(parameters, "code", "state")
        return OAuthCallback(account="", code=parameters["code"], state=parameters["state"])

    async def exchange_code(
        self,
        account: str,
        code: str,
        *,
        for_proof: bool = False,  # noqa: ARG002
    ) -> Mapping[str, Grant]:
        """Exchange an authorization code, and return a grant for each Page that the user chose, by Page id."""
        return await self._api.exchange_code(account, code)

    def build_callback_result(
        self, grants: Mapping[str, Grant], accounts: Sequence[ConnectedAccount]
    ) -> dict[str, object]:
        """Return the connected Pages with the ids of their first syncs, and the declined permissions."""
        pages = [
            {"id": page.account, "name": page.title, "connection": page.connection, "sync_id": page.sync_id}
            for page in accounts
        ]
        # One consent has the same permissions for all of its pages.
        granted = next(iter(grants.values())).scopes
        return {"pages": {"data": pages}, "declined_permissions": list(self._accounts.find_missing_scopes(granted))}


def create_adapter(settings: Settings, http: httpx.AsyncClient, now: Callable[[], int]) -> PlatformAdapter:
    """Create the adapter by which the gateway uses Facebook. `now` returns ms since the Unix epoch."""
    graph = Graph(http, settings)
    api = PageApi(graph, settings, now=now)
    accounts = FacebookAccounts(settings)
    return PlatformAdapter(
        manifest=MANIFEST,
        is_configured=settings.is_configured,
        connection_method=FacebookOAuth(settings, api, accounts),
        accounts=accounts,
        api=api,
        webhooks=FacebookWebhooks(settings, graph, now=now),
        user_requests=FacebookUserRequests(settings.secrets),
        own_addresses={
            "FACEBOOK_REDIRECT_URI": settings.facebook_redirect_uri,
            "FACEBOOK_WEBHOOK_ADDRESS": settings.facebook_webhook_address,
        },
    )


def _list_costs(permission: str) -> tuple[str, ...]:
    if permission == WEBHOOK_PERMISSION:
        return ("webhooks",)
    return CATALOG.list_resources_by_scope(permission)
