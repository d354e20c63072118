"""The fetcher's calls to the Graph API: requests a Page, in a session that stays within the rate limits.

The token is sent in the `Authorization` header, because proxies log URLs. The `appsecret_proof` in the URL reveals
neither the token nor the app's secret, and is of no use without the token.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from contracts.events import parse_account
from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    RetryLaterError,
    ThrottledError,
    TransientError,
)
from platform_sdk.http import HttpClient, TraceCall, open_http_client
from platform_sdk.session import FULL, INCREMENTAL, MAX_WAIT_SECONDS, ApiSession, RateLimitWait, SyncContext
from platforms.facebook.errors import APP, PageResult, parse_page_or_error
from platforms.facebook.fields import RequestedFields
from platforms.facebook.ids import is_page_id
from platforms.facebook.rate_limit import MAX_CONCURRENT_CALLS, RateLimitState
from platforms.facebook.usage import RateLimitUsage, UsageHeaders, parse_usage

log = structlog.get_logger()
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
RESPONSE_SECONDS = {INCREMENTAL: 5.0, FULL: 15.0}
"""The time limit of a call, by mode. It is short for incremental syncs, which a slow call must not delay."""
UNUSED = RateLimitUsage(0.0)
"""The usage to assume when a response with a Page has no usage headers: they are missing while little is used."""


@dataclass(frozen=True)
class PageResponse:
    """A response of Graph, with the rate limit usage and the API version that its headers report.

    `read_at` is when the call was sent (ms).
    """

    read_at: int
    result: PageResult
    usage: UsageHeaders
    version: str | None = None


def compute_proof(app_secret: str, token: str) -> str:
    """Return the query parameter `appsecret_proof`: the HMAC-SHA256 of the token with the app's secret, in hex."""
    return hmac.new(app_secret.encode(), token.encode(), "sha256").hexdigest()


class GraphClient:
    """Requests Pages from the Graph API at `graph_url`, in API version `version`."""

    def __init__(self, http: HttpClient, graph_url: str, version: str, app_secret: str) -> None:
        self._http = http
        self._graph_url = graph_url
        self._app_secret = app_secret
        self.version = version

    async def fetch_page_or_error(self, page_id: str, token: str, fields: str, *, seconds: float) -> PageResponse:
        """Request these fields of a Page.

        Raises TransientError on every network error, when the response is not complete within `seconds`, and when it is
        larger than 4 MB. Errors of Graph are not raised; they are in the `result`.
        """
        response = await self._http.send(
            "GET",
            f"{self._graph_url}/{self.version}/{page_id}",
            params={"fields": fields, "appsecret_proof": compute_proof(self._app_secret, token)},
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            seconds=seconds,
            max_bytes=MAX_RESPONSE_BYTES,
        )
        if response.body is None:
            raise TransientError("a response of more than 4 MB")
        result = parse_page_or_error(response.status, response.body, token)
        usage = parse_usage(response.headers, page_id)
        return PageResponse(response.read_at, result, usage, response.headers.get("facebook-api-version"))


@asynccontextmanager
async def open_client(graph_url: str, version: str, app_secret: str, *, trace: TraceCall) -> AsyncIterator[GraphClient]:
    """Open a client with a connection pool of its own. The pool is closed when the context ends."""
    async with open_http_client(2 * MAX_CONCURRENT_CALLS, MAX_CONCURRENT_CALLS, trace) as http:
        yield GraphClient(http, graph_url, version, app_secret)


class FacebookSession(ApiSession):
    """Requests the Page of the token for one sync. All sessions of the process share `rate_limit` and `fields`."""

    def __init__(
        self,
        client: GraphClient,
        context: SyncContext,
        fields: RequestedFields,
        rate_limit: RateLimitState,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(context, RESPONSE_SECONDS, elapsed=elapsed, sleep=sleep)
        self._client = client
        self._fields = fields
        self._rate_limit = rate_limit
        self.page_id = parse_page_id(context.token.connection)

    async def fetch_page(self) -> PageResponse:
        """Request the Page. The `page` of the response's result is None when the Page does not exist.

        Raises RetryLaterError when the call must wait, AccountBlockedError when no call for the Page is allowed,
        PermanentError when Facebook refuses this call, and the exceptions of the context's `replace_token` and
        `refresh_token`.
        """
        response = await self._call_with_retries(self._send, self._find_wait)
        page = response.result.page
        if page is not None and page.get("id") != self.page_id:
            raise PermanentError("the platform answered with another page")
        return response

    def _find_wait(self) -> RateLimitWait:
        seconds, limit = self._rate_limit.compute_wait(self.page_id, self.context.mode, self._elapsed())
        return RateLimitWait(seconds, f"the {limit}'s rate limit", max(seconds, MAX_WAIT_SECONDS))

    async def _send(self, began: float) -> PageResponse | None:
        """Request the Page once. Returns None when this must be repeated, with fewer fields or with another token.

        `began` is when the first attempt began; this one's time limit depends on it. Other errors of Graph are raised.
        """
        fields = self._fields.text
        with self._rate_limit.reserve_call(self.page_id):
            async with self._rate_limit.slots:
                sent = self._elapsed()
                self.context.calls += 1
                token, seconds = self.context.token.token, self._compute_attempt_timeout(began)
                response = await self._client.fetch_page_or_error(self.page_id, token, fields, seconds=seconds)
        self._record_usage(response, sent)
        match response.result:
            case PageResult(unknown_field=str() as name):
                self._drop_field(name, fields)
                return None
            case PageResult(error=AccessDeniedError() as error):
                await self._find_other_token(error)
                return None
            case PageResult(error=ThrottledError() as error):
                raise self._suspend_limit(error, response.usage)
            case PageResult(error=Exception() as error):
                raise error
        return response

    def _record_usage(self, response: PageResponse, sent: float) -> None:
        default = UNUSED if response.result.page is not None else None
        now = self._elapsed()
        if (app := response.usage.app or default) is not None:
            self._rate_limit.app.update(app, sent, now)
        if (page := response.usage.page or default) is not None:
            self._rate_limit.pages[self.page_id].update(page, sent, now)
        version, requested = response.version, self._client.version
        if version is not None and version != requested and self._rate_limit.record_version(version):
            log.error("unexpected API version served", requested=requested, served=version)

    async def _find_other_token(self, error: AccessDeniedError) -> None:
        """Get the current token from the gateway, because the merchant may have granted more permissions.

        Raises AccountBlockedError when the token is still the same: the Page is the connection's only record, so
        nothing can be read without the permission.
        """
        token = self.context.token.token
        await self._fetch_token_once()
        if self.context.token.token == token:
            raise AccountBlockedError(f"not readable: {error.reason}") from error

    def _drop_field(self, name: str, fields: str) -> None:
        """Stop requesting a field that Graph does not know, and log it. `fields` is what the failed call requested.

        Raises PermanentError when no requested field contains `name`.
        """
        dropped = self._fields.drop_field(name)
        for field in dropped:
            log.error("unknown field dropped", field=field, unknown=name)
        # A concurrent call may have dropped the field while this one was in flight.
        if not dropped and self._fields.text == fields:
            raise PermanentError(f"there is no field {name}")

    def _suspend_limit(self, error: ThrottledError, usage: UsageHeaders) -> RetryLaterError:
        """Stop all calls that count for the used-up rate limit, for as long as the headers in `usage` say.

        Returns the error that the caller must raise.
        """
        log.warning("call throttled", page=self.page_id, mode=self.context.mode, reason=error.reason)
        limit = self._rate_limit.app if error.limit == APP else self._rate_limit.pages[self.page_id]
        limit.suspend(self._elapsed(), usage.regain_seconds)
        return RetryLaterError(error.reason, seconds=self._find_wait().seconds, escalates=True, throttled=True)


def parse_page_id(connection: str) -> str:
    """Return the id of the connection's Page. Raises PermanentError when the account is not a Page's id."""
    page_id = parse_account(connection)
    if not is_page_id(page_id):
        raise PermanentError("not the id of a page")
    return page_id
