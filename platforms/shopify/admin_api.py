"""The calls of the gateway to Shopify's token endpoint and Admin API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from platform_sdk.errors import (
    AccountBlockedError,
    PermanentError,
    RequestRejectedError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.grants import Grant
from platform_sdk.http_retries import (
    REQUEST_TIMEOUT,
    FailedAttempt,
    parse_response,
    read_date,
    request_until_answered,
)
from platform_sdk.resources import expand_scopes
from platforms.shopify import graphql
from platforms.shopify.errors import BLOCKED_REASONS, INACTIVE_CODE, INACTIVE_REASON
from platforms.shopify.graphql import SubscriptionChange
from platforms.shopify.manifest import MANIFEST
from platforms.shopify.settings import Settings

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

_NOT_ONLINE = "Shopify does not say who signed in, so this proves nothing; begin again, and do not change the address"
_NOT_OFFLINE = (
    "Shopify gives access only for as long as you are signed in there, and a connection needs it for longer; "
    "begin again, and do not change the address"
)

_request = partial(request_until_answered, MANIFEST.title)
_parse = partial(parse_response, MANIFEST.title)


@dataclass(frozen=True)
class ShopifySubscription:
    """A webhook subscription that Shopify lists. `address` is the URL that receives its deliveries."""

    id: str
    topic: str
    address: str


class AdminApi:
    """Calls the Admin API of any shop for one app. `now` returns ms since the Unix epoch.

    Every `account` must be a result of `parse_shop_domain`. All methods raise TransientError when Shopify does not
    answer within three attempts; those that send queries raise its subclass AccountBlockedError when the shop is closed
    to every query. The texts of errors contain nothing of the request.
    """

    def __init__(self, http: httpx.AsyncClient, settings: Settings, *, now: Callable[[], int]) -> None:
        self._http = http
        self._settings = settings
        self._version = settings.shopify_api_version
        self._served_version = self._version
        self._now = now

    @property
    def remarks(self) -> tuple[str, ...]:
        """A warning when Shopify responds with another API version than requested; otherwise empty."""
        if self._served_version == self._version:
            return ()
        return (f"{MANIFEST.title} answers as {self._served_version}, and SHOPIFY_API_VERSION is {self._version}",)

    async def exchange_code(self, account: str, code: str, *, for_proof: bool = False) -> dict[str, Grant]:
        """Exchange an authorization code and return the shop's grant, by account. Requests tokens that expire.

        With `for_proof` the code must be one for an online token, which always expires and is never refreshed;
        otherwise it must be one for an offline token. The browser carries the request for the one or the other, so
        whoever sits there can change it. Raises RequestRejectedError for a code that Shopify refuses, and for a token
        of the wrong kind.
        """
        sent_at = self._now()
        form = {"code": code} if for_proof else {"code": code, "expiring": "1"}
        response = await self._call_token_endpoint(account, form)
        if response.is_client_error:
            error = _parse_oauth_error(response)
            log.warning("code refused", account=account, http_status=response.status_code, error=error)
            reason = "Shopify does not take the code: it was used already, is too old, or is another app's"
            raise RequestRejectedError(400, reason)
        tokens = _parse_tokens(response)
        is_online = tokens.associated_user is not None
        if is_online is not for_proof:
            log.warning("token of the wrong kind", account=account, is_online=is_online)
            raise RequestRejectedError(400, _NOT_ONLINE if for_proof else _NOT_OFFLINE)
        return {account: _build_grant(tokens, response, sent_at)}

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        """Return new tokens for a refresh token.

        Raises TokenRejectedError for the error `invalid_grant`, AccountBlockedError for a status with which a shop that
        is closed answers, and TransientError for any other refusal.
        """
        sent_at = self._now()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        response = await self._call_token_endpoint(account, form)
        if response.is_client_error:
            error = _parse_oauth_error(response)
            if error == "invalid_grant":
                raise TokenRejectedError("the refresh token is not valid any more")
            log.error("refresh refused", account=account, http_status=response.status_code, error=error)
            if response.status_code in BLOCKED_REASONS:
                raise AccountBlockedError(BLOCKED_REASONS[response.status_code])
            raise TransientError(f"Shopify's token endpoint answers HTTP {response.status_code} {error}")
        return _build_grant(_parse_tokens(response), response, sent_at)

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Return whether Shopify accepts this token. Returns False only when Shopify responds with 401."""
        try:
            await self._query(account, token, graphql.SHOP_ID, {}, graphql.ShopIdData)
        except TokenRejectedError:
            return False
        return True

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        """Return the scopes that the shop grants now, sorted. Raises TokenRejectedError for an invalid token."""
        data = await self._query(account, token, graphql.GRANTED_SCOPES, {}, graphql.GrantedScopesData)
        return tuple(sorted(expand_scopes(scope.handle for scope in data.installation.scopes)))

    async def uninstall(self, account: str, token: str) -> None:
        """Uninstall the app from this shop. Does nothing when the shop does not have the app or does not exist."""
        url = f"{self._build_shop_url(account)}/admin/api_permissions/current.json"
        headers = {"X-Shopify-Access-Token": token}
        response = await _request(lambda: self._http.delete(url, headers=headers, timeout=REQUEST_TIMEOUT))
        if not response.is_success and response.status_code not in (401, 404):
            raise TransientError(f"Shopify answers HTTP {response.status_code}")

    async def list_subscriptions(self, account: str, token: str) -> list[ShopifySubscription]:
        """Return all subscriptions that the app has made through the API in this shop.

        Raises TokenRejectedError for a token that is not valid.
        """
        subscriptions: list[ShopifySubscription] = []
        has_next_page, after = True, None
        while has_next_page:
            data = await self._query(
                account, token, graphql.LIST_SUBSCRIPTIONS, {"after": after}, graphql.ListSubscriptionsData
            )
            subscriptions += [ShopifySubscription(node.id, node.topic, node.uri) for node in data.page.nodes]
            has_next_page, after = data.page.page_info.has_next_page, data.page.page_info.end_cursor
        return subscriptions

    async def change_subscriptions(
        self, account: str, token: str, changes: Sequence[SubscriptionChange], address: str
    ) -> list[str | None]:
        """Make `changes`, at least one, so that the topics are delivered to the URL `address`.

        Returns for each change why Shopify refuses it for good; None when it was made, now or before. They are sent in
        one document. When Shopify refuses the whole document, its halves are sent, so that a topic that Shopify does
        not know keeps no other one from being subscribed.

        Raises TokenRejectedError for an invalid token, and TransientError when Shopify could not make a change now.
        Others may have been made then.
        """
        document, variables, aliases = graphql.build_subscription_changes(changes, address)
        envelope = await self._post_graphql(account, token, document, variables)
        if envelope.data is not None:
            return [_find_refusal(envelope, alias) for alias in aliases]
        refusal = _find_refusal(envelope, aliases[0])
        if len(changes) == 1:
            return [refusal]
        middle = len(changes) // 2
        halves = (changes[:middle], changes[middle:])
        return [
            refusal for half in halves for refusal in await self.change_subscriptions(account, token, half, address)
        ]

    def _build_shop_url(self, account: str) -> str:
        return self._settings.shopify_shop_url.format(shop=account)

    async def _call_token_endpoint(self, account: str, form: Mapping[str, str]) -> httpx.Response:
        """Post `form` to the token endpoint. Returns its response, which may have a 4xx status."""
        url = f"{self._build_shop_url(account)}/admin/oauth/access_token"
        app = {"client_id": self._settings.shopify_api_key, "client_secret": self._settings.secrets[0]}
        headers = {"Accept": "application/json"}
        return await _request(
            lambda: self._http.post(url, data={**app, **form}, headers=headers, timeout=REQUEST_TIMEOUT)
        )

    async def _query(self, account: str, token: str, query: str, variables: Mapping[str, object], model: type[M]) -> M:
        """Send a GraphQL query and return the response's data as `model`.

        Raises TokenRejectedError for status 401, and TransientError for GraphQL errors.
        """
        try:
            return await self._call_graphql(account, token, query, variables, model)
        except PermanentError as error:
            raise TransientError(error.reason) from None

    async def _call_graphql(
        self, account: str, token: str, query: str, variables: Mapping[str, object], model: type[M]
    ) -> M:
        """Send a GraphQL query and return the response's data as `model`.

        Raises TokenRejectedError for status 401, and PermanentError for GraphQL errors.
        """
        envelope = await self._post_graphql(account, token, query, variables)
        if envelope.reason:
            raise PermanentError(envelope.reason[:500])
        return _validate_data(model, envelope.data)

    async def _post_graphql(
        self, account: str, token: str, document: str, variables: Mapping[str, object]
    ) -> graphql.QueryResponse:
        """Send a GraphQL document and return the response, which may contain errors.

        Raises TokenRejectedError for status 401. A throttled document is sent again after the wait that Shopify states.
        """
        url = f"{self._build_shop_url(account)}/admin/api/{self._version}/graphql.json"
        headers = {"X-Shopify-Access-Token": token}
        body = {"query": document, "variables": variables}

        async def send() -> httpx.Response | FailedAttempt:
            response = await self._http.post(url, json=body, headers=headers, timeout=REQUEST_TIMEOUT)
            self._served_version = response.headers.get("X-Shopify-API-Version", self._served_version)
            return _find_throttled_attempt(response) or response

        response = await _request(send)
        if response.status_code == 401:
            raise TokenRejectedError("Shopify answers HTTP 401")
        if response.status_code in BLOCKED_REASONS:
            raise AccountBlockedError(BLOCKED_REASONS[response.status_code])
        if response.status_code != 200:
            raise TransientError(f"Shopify answers HTTP {response.status_code}")
        envelope = _parse(graphql.QueryResponse, response)
        if INACTIVE_CODE in envelope.error_codes:
            raise AccountBlockedError(INACTIVE_REASON)
        return envelope


def split_scopes(text: str) -> tuple[str, ...]:
    """Return the scopes of a comma-separated list and those that they include (`write_x`: `read_x`), sorted."""
    return tuple(sorted(expand_scopes(part.strip() for part in text.split(",") if part.strip())))


def _find_throttled_attempt(response: httpx.Response) -> FailedAttempt | None:
    """Return a failed attempt when the query was throttled; otherwise None. Shopify throttles queries with HTTP 200."""
    if response.status_code != 200 or b'"THROTTLED"' not in response.content:
        return None
    envelope = _parse(graphql.QueryResponse, response)
    if "THROTTLED" not in envelope.error_codes:
        return None
    cost = envelope.extensions.cost
    return FailedAttempt("that it is throttled", cost.wait_seconds if cost else 1.0)


def _parse_tokens(response: httpx.Response) -> graphql.ShopifyTokenResponse:
    if response.status_code != 200:
        raise TransientError(f"Shopify's token endpoint answers HTTP {response.status_code}")
    return _parse(graphql.ShopifyTokenResponse, response)


def _build_grant(tokens: graphql.ShopifyTokenResponse, response: httpx.Response, sent_at: int) -> Grant:
    # Lifetimes are counted from the request, not from the response: the token must not seem valid for too long.
    return Grant(
        access_token=tokens.access_token,
        scopes=split_scopes(tokens.scope),
        granted_at=read_date(response) or sent_at,
        expires_at=_add_seconds(sent_at, tokens.expires_in),
        refresh_token=tokens.refresh_token,
        refresh_expires_at=_add_seconds(sent_at, tokens.refresh_token_expires_in),
    )


def _add_seconds(milliseconds: int, seconds: int | None) -> int | None:
    return None if seconds is None else milliseconds + seconds * 1000


def _parse_oauth_error(response: httpx.Response) -> str:
    """Return the first 60 characters of the OAuth error code. They contain nothing of the request."""
    try:
        return graphql.TokenErrorResponse.model_validate_json(response.content).error[:60]
    except ValidationError:
        return ""


def _validate_data(model: type[M], data: Any) -> M:
    try:
        return model.model_validate(data)
    except ValidationError:
        raise TransientError("Shopify's response lacks fields of the query") from None


def _find_refusal(envelope: graphql.QueryResponse, alias: str) -> str | None:
    """Return why the mutation with this alias is refused for good; None when it had its effect, now or before.

    Raises TransientError when the mutation may succeed at the next attempt, and when its result is missing.
    """
    payload = (envelope.data or {}).get(alias)
    if payload is not None:
        errors = _validate_data(graphql.MutationPayload, payload).user_errors
        messages = [error.message for error in errors if "already been taken" not in error.message]
        return "; ".join(messages)[:500] or None
    query_errors = envelope.list_errors_of(alias)
    reason = "; ".join(error.message for error in query_errors) or envelope.reason
    if not reason or any(error.is_transient for error in query_errors):
        raise TransientError(f"{MANIFEST.title} answers: {reason or 'no data and no errors'}"[:500])
    return reason[:500]
