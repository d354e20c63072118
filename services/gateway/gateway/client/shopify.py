"""Shopify's token endpoint and GraphQL, in its own words."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from gateway.client.answers import TIMEOUT, Again, dated, parsed, until_answered
from gateway.client.topic_subscriptions import THERE, Subscription, ensure_topics, list_outcomes, plan_steps
from gateway.platforms import shopify_graphql as graphql
from gateway.platforms.shopify import Shopify, expanded, split_scopes
from platform_sdk.adapters import WebhookReport
from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

TITLE = "Shopify"
_until_answered = partial(until_answered, TITLE)
_parsed = partial(parsed, TITLE)


class ShopifyClient:
    """Shopify for the gateway: grants, subscriptions, and whether a token works. `now` is milliseconds.

    Every account has passed `shop_of` before an address is made of it. What is not answered after three attempts
    is `TransientError`. No error's text holds what was sent.
    """

    def __init__(self, http: httpx.AsyncClient, app: Shopify, *, version: str, now: Callable[[], int]) -> None:
        self._http = http
        self._app = app
        self._version = version
        self._now = now
        self._served = version

    async def exchange(self, account: str, code: str) -> dict[str, Grant]:
        """The shop's grant for a code: expiring tokens where Shopify gives them. Raises `RequestRejectedError`."""
        sent_at = self._now()
        answer = await self._token_endpoint(account, {"code": code, "expiring": "1"})
        if answer.is_client_error:
            log.warning("code refused", account=account, http_status=answer.status_code, error=_told(answer))
            raise RequestRejectedError(
                400, "Shopify does not take the code: it was used already, is too old, or is another app's"
            )
        return {account: _grant(answer, sent_at)}

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        """New tokens for a refresh token. Raises `TokenRejectedError` for `invalid_grant`, and for nothing else."""
        sent_at = self._now()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = await self._token_endpoint(account, form)
        if answer.is_client_error:
            error = _told(answer)
            if error == "invalid_grant":
                raise TokenRejectedError
            log.error("refresh refused", account=account, http_status=answer.status_code, error=error)
            raise TransientError(f"Shopify's token endpoint answers HTTP {answer.status_code} {error}")
        return _grant(answer, sent_at)

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Whether Shopify takes this token: False only for its 401."""
        try:
            await self._query(account, token, graphql.ALIVE, {}, graphql.Alive, refused=TransientError)
        except TokenRejectedError:
            return False
        return True

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        """The scopes that the shop grants now."""
        answer = await self._query(account, token, graphql.SCOPES, {}, graphql.Scopes, refused=TransientError)
        return tuple(sorted(expanded(scope.handle for scope in answer.installation.scopes)))

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """One subscription for each topic, made or moved where it is not there."""
        address = self._app.webhook_address
        return await ensure_topics(self, account=account, token=token, topics=topics, address=address)

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Which topics are delivered to this installation, and whether the version that answers is the one asked."""
        steps = plan_steps(topics, self._app.webhook_address, await self.list_subscriptions(account, token))
        subscribed = {step.topic for step in steps if step.action == THERE}
        return WebhookReport(list_outcomes(topics, subscribed), self._remarks())

    def _remarks(self) -> tuple[str, ...]:
        if self._served == self._version:
            return ()
        return (f"{TITLE} answers as {self._served}, and SHOPIFY_API_VERSION is {self._version}",)

    async def list_subscriptions(self, account: str, token: str) -> list[Subscription]:
        """All subscriptions that the app made through the API in this shop."""
        found: list[Subscription] = []
        more, after = True, None
        while more:
            values = {"after": after}
            read = await self._query(
                account, token, graphql.SUBSCRIPTIONS, values, graphql.Listed, refused=TransientError
            )
            found += [Subscription(node.id, node.topic, node.uri) for node in read.page.nodes]
            more, after = read.page.page_info.more, read.page.page_info.end_cursor
        return found

    async def subscribe(self, account: str, token: str, topic: str, address: str) -> None:
        """Subscribe to a topic; "already been taken" is as good."""
        values = {"topic": topic, "uri": address}
        made = await self._query(account, token, graphql.SUBSCRIBE, values, graphql.Subscribed, refused=PermanentError)
        _check([error for error in made.payload.user_errors if "already been taken" not in error.message])

    async def move(self, account: str, token: str, subscription: str, address: str) -> None:
        """Give a subscription another address."""
        values = {"id": subscription, "uri": address}
        moved = await self._query(account, token, graphql.MOVE, values, graphql.Moved, refused=PermanentError)
        _check(moved.payload.user_errors)

    async def uninstall(self, account: str, token: str) -> None:
        """Uninstall the app from this shop; one that has it no more, or is no more, is fine."""
        url = f"{self._app.shop_url.format(shop=account)}/admin/api_permissions/current.json"
        headers = {"X-Shopify-Access-Token": token}
        answer = await _until_answered(lambda: self._http.delete(url, headers=headers, timeout=TIMEOUT))
        if not answer.is_success and answer.status_code not in (401, 404):
            raise TransientError(f"Shopify answers HTTP {answer.status_code}")

    async def _token_endpoint(self, account: str, form: Mapping[str, str]) -> httpx.Response:
        """Its answer, good or a refusal (4xx)."""
        url = f"{self._app.shop_url.format(shop=account)}/admin/oauth/access_token"
        data = {"client_id": self._app.api_key, "client_secret": self._app.secrets[0], **form}
        headers = {"Accept": "application/json"}
        return await _until_answered(lambda: self._http.post(url, data=data, headers=headers, timeout=TIMEOUT))

    async def _query(
        self,
        account: str,
        token: str,
        document: str,
        variables: Mapping[str, object],
        kind: type[M],
        *,
        refused: type[Exception],
    ) -> M:
        """The data. Raises `TokenRejectedError` for 401, `refused` for errors that no other attempt mends."""
        url = f"{self._app.shop_url.format(shop=account)}/admin/api/{self._version}/graphql.json"
        headers = {"X-Shopify-Access-Token": token}
        body = {"query": document, "variables": variables}

        async def send() -> httpx.Response:
            answer = await self._http.post(url, json=body, headers=headers, timeout=TIMEOUT)
            self._served = answer.headers.get("X-Shopify-API-Version", self._served)
            _raise_throttled(answer)
            return answer

        answer = await _until_answered(send)
        if answer.status_code == 401:
            raise TokenRejectedError
        if answer.status_code != 200:
            raise TransientError(f"Shopify answers HTTP {answer.status_code}")
        read = _parsed(graphql.QueryAnswer, answer)
        if read.reasons:
            raise refused(read.reasons[:500])
        return _validated(kind, read.data)


def _raise_throttled(answer: httpx.Response) -> None:
    """A throttled query is HTTP 200 at Shopify."""
    if answer.status_code == 200 and b'"THROTTLED"' in answer.content:
        read = _parsed(graphql.QueryAnswer, answer)
        if "THROTTLED" in read.codes:
            raise Again("that it is throttled", read.extensions.cost.wait if read.extensions.cost else 1.0)


def _grant(answer: httpx.Response, sent_at: int) -> Grant:
    """The grant in a token answer. Its life counts from when we asked, which is the careful side."""
    if answer.status_code != 200:
        raise TransientError(f"Shopify's token endpoint answers HTTP {answer.status_code}")
    given = _parsed(graphql.TokenAnswer, answer)
    return Grant(
        access_token=given.access_token,
        scopes=split_scopes(given.scope),
        granted_at=dated(answer) or sent_at,
        expires_at=_after(sent_at, given.expires_in),
        refresh_token=given.refresh_token,
        refresh_expires_at=_after(sent_at, given.refresh_token_expires_in),
    )


def _after(moment: int, seconds: int | None) -> int | None:
    return None if seconds is None else moment + seconds * 1000


def _told(answer: httpx.Response) -> str:
    """The OAuth error's code, cut short; nothing of what was sent."""
    try:
        return graphql.TokenError.model_validate_json(answer.content).error[:60]
    except ValidationError:
        return ""


def _validated(kind: type[M], data: Any) -> M:
    try:
        return kind.model_validate(data)
    except ValidationError:
        raise TransientError("Shopify's answer lacks what was asked for") from None


def _check(errors: Sequence[graphql.UserError]) -> None:
    if errors:
        raise PermanentError("; ".join(error.message for error in errors)[:500])
