"""Connects shops: Shopify's OAuth, its accounts, and the adapter that the gateway loads.

Source: shopify.dev on the authorization code grant and access scopes. The query of a callback is signed in one of two
encodings: that of Shopify's Python library, or that of its JavaScript library.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
from pydantic import BaseModel

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountForm, ConnectedAccount, OAuthCallback
from platform_sdk.errors import RequestRejectedError
from platform_sdk.grants import Grant
from platform_sdk.query_strings import parse_query, require_parameters
from platform_sdk.resources import expand_scopes
from platforms.shopify.admin_api import AdminApi
from platforms.shopify.manifest import MANIFEST
from platforms.shopify.resources import CATALOG
from platforms.shopify.scopes import LINK_SCOPES, STOCK_SCOPES
from platforms.shopify.settings import SHOP_URL, Settings
from platforms.shopify.shop_names import derive_shop_domain, parse_shop_domain
from platforms.shopify.webhooks import ShopifyWebhooks

__all__ = ["Settings", "create_adapter"]

CALLBACK_TOLERANCE_SECONDS = 300


class UngrantedScope(BaseModel):
    """A requested scope that was not granted. `costs` are the resources that are not read because of this."""

    scope: str
    costs: list[str]


class ShopConnected(BaseModel):
    """The response to a callback whose grant was stored. It sets the cookie `session_id`."""

    connection: str
    sync_id: UUID
    sync_url: str
    missing_scopes: list[UngrantedScope]


class ShopifyAccounts:
    """Tells the URL of a shop's admin, checks record ids, and finds missing scopes.

    The accounts are the domains of shops.
    """

    def __init__(self, settings: Settings) -> None:
        self._scopes = settings.shopify_scopes
        self._people_url = settings.people_url

    def build_account_url(self, account: str) -> str:
        """Return the URL of the shop's admin. In the sandbox (the simulated Shopify), return the URL of the shop."""
        page = "admin" if self._people_url == SHOP_URL else ""
        return f"{self._people_url.format(shop=account)}/{page}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:  # noqa: ARG002
        """Return the gid (Shopify's global id) of the record of `resource` whose gid or number is `text`.

        Returns None when `text` names no record. Whether the record exists is not checked.
        """
        return CATALOG.get(resource).build_gid(text) if resource in CATALOG else None

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the requested scopes that are not in `granted`, each with the resources that need it."""
        expanded = expand_scopes(granted)
        return {scope: CATALOG.list_resources_by_scope(scope) for scope in self._scopes if scope not in expanded}


class ShopifyOAuth:
    """Connects a shop by OAuth's authorization code grant.

    The tokens are offline tokens: they are valid without a logged-in user. A proof is made with an online token, which
    is valid as long as its user is logged in, and leaves the shop's offline tokens as they are.
    """

    form = AccountForm(field="shop", hint="acme, acme.myshopify.com or the URL of your shop")
    result_model = ShopConnected
    callback_parameters: Mapping[str, str] = {
        "code": "Exchanged for tokens, once",
        "hmac": "Signs the other parameters",
        "shop": "The shop's domain",
        "state": "That of the login, from the same browser",
        "timestamp": "Seconds; at most five minutes off",
    }

    def __init__(self, settings: Settings, api: AdminApi, accounts: ShopifyAccounts) -> None:
        self._settings = settings
        self._api = api
        self._accounts = accounts

    def parse_account(self, text: str) -> str | None:
        """Return the domain of the shop whose handle, domain or URL is `text`; None when it names no shop."""
        return derive_shop_domain(text)

    def build_authorize_url(
        self,
        account: str,
        state: str,
        *,
        again: bool = False,  # noqa: ARG002
        for_proof: bool = False,
        for_link: bool = False,
        for_stock: bool = False,
    ) -> str:
        """Return the URL of the shop's consent page.

        `again` has no effect, because Shopify asks for all scopes each time. With `for_proof` the token will be online.
        With `for_link` the scopes that a link needs are asked for, too, and with `for_stock` those for its stock.
        """
        link_scopes = (*(LINK_SCOPES if for_link else ()), *(STOCK_SCOPES if for_stock else ()))
        scopes = (*self._settings.shopify_scopes, *link_scopes)
        query = {
            "client_id": self._settings.shopify_api_key,
            "scope": ",".join(dict.fromkeys(scopes)),
            "redirect_uri": self._settings.shopify_redirect_uri,
            "state": state,
            **({"grant_options[]": "per-user"} if for_proof else {}),
        }
        shop_url = self._settings.people_url.format(shop=account)
        return f"{shop_url}/admin/oauth/authorize?{urlencode(query, quote_via=quote)}"

    def parse_callback(self, query: bytes, now: float) -> OAuthCallback:
        """Verify an OAuth callback and return its parameters. `now` is in seconds since the Unix epoch.

        Raises RequestRejectedError for a repeated or missing parameter, a cancelled consent, a wrong signature, a
        `timestamp` that differs from `now` by more than five minutes, and a `shop` that is not a shop's domain.
        """
        parameters = parse_query(query)
        if "error" in parameters:
            raise RequestRejectedError(400, "the consent was cancelled")
        require_parameters(parameters, "code", "shop", "state")
        if not is_query_signed(parameters, self._settings.secrets):
            raise RequestRejectedError(400, "the signature (hmac) is not Shopify's")
        if abs(now - _parse_seconds(parameters.get("timestamp", ""))) > CALLBACK_TOLERANCE_SECONDS:
            raise RequestRejectedError(400, "the answer is older than five minutes")
        shop = parse_shop_domain(parameters["shop"])
        if shop is None:
            raise RequestRejectedError(400, "the parameter shop is not a shop's domain")
        return OAuthCallback(account=shop, code=parameters["code"], state=parameters["state"])

    async def exchange_code(self, account: str, code: str, *, for_proof: bool = False) -> Mapping[str, Grant]:
        """Exchange an authorization code, and return the shop's grant, by account."""
        return await self._api.exchange_code(account, code, for_proof=for_proof)

    def build_callback_result(
        self, grants: Mapping[str, Grant], accounts: Sequence[ConnectedAccount]
    ) -> dict[str, object]:
        """Return the merchant's connection, the id and URL of its first sync, and the scopes that were not granted."""
        (shop,) = accounts
        missing = self._accounts.find_missing_scopes(grants[shop.account].scopes)
        return {
            "connection": shop.connection,
            "sync_id": shop.sync_id,
            "sync_url": f"/syncs/{shop.sync_id}",
            "missing_scopes": [{"scope": scope, "costs": list(costs)} for scope, costs in missing.items()],
        }


def create_adapter(settings: Settings, http: httpx.AsyncClient, now: Callable[[], int]) -> PlatformAdapter:
    """Create the adapter by which the gateway uses Shopify. `now` returns ms since the Unix epoch."""
    api = AdminApi(http, settings, now=now)
    accounts = ShopifyAccounts(settings)
    return PlatformAdapter(
        manifest=MANIFEST,
        is_configured=settings.is_configured,
        connection_method=ShopifyOAuth(settings, api, accounts),
        accounts=accounts,
        api=api,
        webhooks=ShopifyWebhooks(api, secrets=settings.secrets, address=settings.shopify_webhook_address),
        own_addresses={
            "SHOPIFY_REDIRECT_URI": settings.shopify_redirect_uri,
            "SHOPIFY_WEBHOOK_ADDRESS": settings.shopify_webhook_address,
        },
    )


def is_query_signed(parameters: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Return whether the parameter `hmac` is a valid signature of the other parameters by one of the app's secrets.

    Shopify encodes the parameters like its Python or like its JavaScript library; both encodings are tried.
    """
    signature = parameters.get("hmac", "").encode()
    python = sorted(
        f"{_escape(name).replace('=', '%3D')}={_escape(value)}" for name, value in parameters.items() if name != "hmac"
    )
    javascript = sorted((name, value) for name, value in parameters.items() if name not in ("hmac", "signature"))
    messages = ("&".join(python), urlencode(javascript, quote_via=quote, safe="*"))
    expected = [hmac.digest(s.encode(), m.encode(), "sha256").hex().encode() for s in secrets for m in messages]
    # All signatures are compared, so that the response time reveals nothing about them.
    return True in [hmac.compare_digest(signature, own) for own in expected]


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("&", "%26")


def _parse_seconds(timestamp: str) -> int:
    return int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 else 0
