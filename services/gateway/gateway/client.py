"""Remote APIs in their own words: Shopify's token endpoint and GraphQL, the scheduler's reads, one POST of ours."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx
import stamina
import structlog
from pydantic import BaseModel, ValidationError

from gateway.grants import Grant
from gateway.platforms import shopify_graphql as graphql
from gateway.platforms.shopify import Shopify, expanded, split_scopes
from gateway.problems import CodeRefused, GrantDead, NotReached, PlatformAway, SchedulerAway, TokenRefused
from gateway.subscriptions import Subscription, SubscriptionRefused
from gateway.views import ConnectionView, SyncView

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

TIMEOUT = httpx.Timeout(4.0, connect=2.0)
POST_TIMEOUT = httpx.Timeout(5.0)
SCHEDULER_TIMEOUT = httpx.Timeout(3.0, connect=1.0)
ATTEMPTS, TRYING_SECONDS, LONGEST_WAIT = 3, 8.0, 4.0


class _Again(Exception):
    """Not answered this time; `wait` is the platform's own hint in seconds, if it gave one."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class ShopifyClient:
    """Shopify for the gateway: grants, subscriptions, and whether a token works. `now` is milliseconds.

    Every account has passed `shop_of` before an address is made of it. What is not answered after three attempts
    is `PlatformAway`. No error's text holds what was sent.
    """

    def __init__(self, http: httpx.AsyncClient, app: Shopify, *, version: str, now: Callable[[], int]) -> None:
        self._http = http
        self._app = app
        self._version = version
        self._now = now

    async def exchange(self, account: str, code: str) -> Grant:
        """The grant for an authorization code: expiring tokens where Shopify gives them. Raises `CodeRefused`."""
        sent_at = self._now()
        answer = await self._token_endpoint(account, {"code": code, "expiring": "1"})
        if answer.is_client_error:
            log.warning("code refused", account=account, http_status=answer.status_code, error=_told(answer))
            raise CodeRefused("Shopify does not take the code: it was used already, is too old, or is another app's")
        return _grant(answer, sent_at)

    async def refresh(self, account: str, refresh_token: str) -> Grant:
        """New tokens for a refresh token. Raises `GrantDead` for `invalid_grant`, and for nothing else."""
        sent_at = self._now()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = await self._token_endpoint(account, form)
        if answer.is_client_error:
            error = _told(answer)
            if error == "invalid_grant":
                raise GrantDead
            log.error("refresh refused", account=account, http_status=answer.status_code, error=error)
            raise PlatformAway(f"Shopify's token endpoint answers HTTP {answer.status_code} {error}")
        return _grant(answer, sent_at)

    async def is_alive(self, account: str, token: str) -> bool:
        """Whether Shopify takes this token: False only for its 401."""
        try:
            await self._query(account, token, graphql.ALIVE, {}, graphql.Alive, refused=PlatformAway)
        except TokenRefused:
            return False
        return True

    async def scopes(self, account: str, token: str) -> tuple[str, ...]:
        """The scopes that the shop grants now."""
        answer = await self._query(account, token, graphql.SCOPES, {}, graphql.Scopes, refused=PlatformAway)
        return tuple(sorted(expanded(scope.handle for scope in answer.installation.scopes)))

    async def subscriptions(self, account: str, token: str) -> list[Subscription]:
        """All subscriptions that the app made through the API in this shop."""
        found: list[Subscription] = []
        more, after = True, None
        while more:
            values = {"after": after}
            read = await self._query(
                account, token, graphql.SUBSCRIPTIONS, values, graphql.Listed, refused=PlatformAway
            )
            found += [Subscription(node.id, node.topic, node.uri) for node in read.page.nodes]
            more, after = read.page.page_info.more, read.page.page_info.end_cursor
        return found

    async def subscribe(self, account: str, token: str, topic: str, address: str) -> None:
        """Subscribe to a topic; "already been taken" is as good."""
        values = {"topic": topic, "uri": address}
        made = await self._query(
            account, token, graphql.SUBSCRIBE, values, graphql.Subscribed, refused=SubscriptionRefused
        )
        _check([error for error in made.payload.user_errors if "already been taken" not in error.message])

    async def move(self, account: str, token: str, subscription: str, address: str) -> None:
        """Give a subscription another address."""
        values = {"id": subscription, "uri": address}
        moved = await self._query(account, token, graphql.MOVE, values, graphql.Moved, refused=SubscriptionRefused)
        _check(moved.payload.user_errors)

    async def let_go(self, account: str, token: str) -> None:
        """Uninstall the app from this shop; one that has it no more, or is no more, is fine."""
        url = f"{self._app.shop_url.format(shop=account)}/admin/api_permissions/current.json"
        headers = {"X-Shopify-Access-Token": token}
        answer = await _until_answered(lambda: self._http.delete(url, headers=headers, timeout=TIMEOUT))
        if not answer.is_success and answer.status_code not in (401, 404):
            raise PlatformAway(f"Shopify answers HTTP {answer.status_code}")

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
        """The data of a query. Raises `TokenRefused` for 401, `refused` for errors that no other attempt mends."""
        url = f"{self._app.shop_url.format(shop=account)}/admin/api/{self._version}/graphql.json"
        headers = {"X-Shopify-Access-Token": token}
        body = {"query": document, "variables": variables}

        async def send() -> httpx.Response:
            answer = await self._http.post(url, json=body, headers=headers, timeout=TIMEOUT)
            _raise_throttled(answer)
            return answer

        answer = await _until_answered(send)
        if answer.status_code == 401:
            raise TokenRefused
        if answer.status_code != 200:
            raise PlatformAway(f"Shopify answers HTTP {answer.status_code}")
        read = _parsed(graphql.QueryAnswer, answer)
        if read.reasons:
            raise refused(read.reasons[:500])
        return _validated(kind, read.data)


class SchedulerClient:
    """The scheduler's read API. Raises `SchedulerAway` when it does not answer as it should."""

    def __init__(self, http: httpx.AsyncClient, url: str, *, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def sync(self, sync_id: UUID) -> SyncView | None:
        """A sync; None when the scheduler does not know it."""
        return await self._read(f"/syncs/{sync_id}", SyncView)

    async def connection(self, name: str) -> ConnectionView | None:
        """A connection's next poll and latest syncs; None when the scheduler does not know it."""
        return await self._read(f"/connections/{name}", ConnectionView)

    async def _read(self, path: str, kind: type[M]) -> M | None:
        try:
            answer = await self._http.get(self._url + path, headers=self._headers, timeout=SCHEDULER_TIMEOUT)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            return kind.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("scheduler not read", path=path, error=type(error).__name__)
            raise SchedulerAway from error


async def post_delivery(http: httpx.AsyncClient, address: str, headers: dict[str, str], body: bytes) -> int:
    """POST once, following no redirect, for 5 s at most; the HTTP status. Raises `NotReached`."""
    try:
        answer = await http.post(address, content=body, headers=headers, timeout=POST_TIMEOUT, follow_redirects=False)
    except httpx.HTTPError as error:
        raise NotReached(str(error) or type(error).__name__) from error
    return answer.status_code


async def _until_answered(send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, unless it is 429, 430 or 5xx three times over."""
    try:
        async for attempt in stamina.retry_context(on=_again, attempts=ATTEMPTS, timeout=TRYING_SECONDS, wait_max=2.0):
            with attempt:
                answer = await send()
                if answer.status_code in (429, 430) or answer.is_server_error:
                    raise _Again(f"HTTP {answer.status_code}", _hint(answer))
    except _Again as error:
        raise PlatformAway(f"Shopify answers {error}") from error
    except httpx.HTTPError as error:
        raise PlatformAway(f"Shopify does not answer ({type(error).__name__})") from error
    return answer


def _again(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds."""
    if isinstance(error, _Again) and error.wait is not None:
        return max(0.05, error.wait) if error.wait <= LONGEST_WAIT else False
    return isinstance(error, (_Again, httpx.HTTPError))


def _hint(answer: httpx.Response) -> float | None:
    given = answer.headers.get("retry-after", "")
    return float(given) if given.replace(".", "", 1).isdigit() else None


def _raise_throttled(answer: httpx.Response) -> None:
    """A throttled query is HTTP 200 at Shopify."""
    if answer.status_code == 200 and b'"THROTTLED"' in answer.content:
        read = _parsed(graphql.QueryAnswer, answer)
        if "THROTTLED" in read.codes:
            raise _Again("that it is throttled", read.extensions.cost.wait if read.extensions.cost else 1.0)


def _grant(answer: httpx.Response, sent_at: int) -> Grant:
    """The grant in a token answer. Its life counts from when we asked, which is the careful side."""
    if answer.status_code != 200:
        raise PlatformAway(f"Shopify's token endpoint answers HTTP {answer.status_code}")
    given = _parsed(graphql.TokenAnswer, answer)
    return Grant(
        access_token=given.access_token,
        scopes=split_scopes(given.scope),
        granted_at=_date(answer) or sent_at,
        expires_at=_after(sent_at, given.expires_in),
        refresh_token=given.refresh_token,
        refresh_expires_at=_after(sent_at, given.refresh_token_expires_in),
    )


def _after(moment: int, seconds: int | None) -> int | None:
    return None if seconds is None else moment + seconds * 1000


def _date(answer: httpx.Response) -> int | None:
    """The answer's `Date` in ms."""
    try:
        stamp = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return int((stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() * 1000)


def _told(answer: httpx.Response) -> str:
    """The OAuth error's code, cut short; nothing of what was sent."""
    try:
        return graphql.TokenError.model_validate_json(answer.content).error[:60]
    except ValidationError:
        return ""


def _parsed(kind: type[M], answer: httpx.Response) -> M:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError:
        raise PlatformAway("Shopify's answer is not what it should be") from None


def _validated(kind: type[M], data: Any) -> M:
    try:
        return kind.model_validate(data)
    except ValidationError:
        raise PlatformAway("Shopify's answer lacks what was asked for") from None


def _check(errors: Sequence[graphql.UserError]) -> None:
    if errors:
        raise SubscriptionRefused("; ".join(error.message for error in errors)[:500])
