"""Calls to the Graph API: one Page's fields over HTTP, and a session that keeps to the rate limits.

The token travels in the `Authorization` header, because addresses are logged on the way. The proof in the address
reveals neither token nor secret, and is worth nothing without the token.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from contracts.events import parse_account
from platform_sdk.errors import AccessDeniedError, PermanentError, RetryLaterError, ThrottledError, TransientError
from platform_sdk.http import HttpClient, TraceCall, open_http_client
from platform_sdk.session import FULL, INCREMENTAL, MAX_WAIT_SECONDS, ApiSession, RateLimitWait, SyncContext
from platforms.facebook.errors import APP, PageResult, parse_response
from platforms.facebook.fields import RequestedFields
from platforms.facebook.ids import is_page_id
from platforms.facebook.rate_limit import MAX_CONCURRENT_CALLS, RateLimitState
from platforms.facebook.usage import RateLimitUsage, UsageHeaders, parse_usage

log = structlog.get_logger()
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
RESPONSE_SECONDS = {INCREMENTAL: 5.0, FULL: 15.0}
"""By mode, how long a call may take. A Page that hangs must not delay incremental syncs."""
UNUSED = RateLimitUsage(0.0)
"""The usage that a Page without usage headers stands for: they are missing while little is used."""


@dataclass(frozen=True)
class PageResponse:
    """A response to a call that was sent at `read_at` (ms), with the usage and the version in its headers."""

    read_at: int
    result: PageResult
    usage: UsageHeaders
    version: str | None = None


def compute_proof(app_secret: str, token: str) -> str:
    """Return the parameter `appsecret_proof`: HMAC-SHA256 of the token by the app's secret, in hex."""
    return hmac.new(app_secret.encode(), token.encode(), "sha256").hexdigest()


class GraphClient:
    """Requests Pages from `graph_url` in `version`."""

    def __init__(self, http: HttpClient, graph_url: str, version: str, app_secret: str) -> None:
        self._http = http
        self._graph_url = graph_url
        self._app_secret = app_secret
        self.version = version

    async def fetch_page(self, page_id: str, token: str, fields: str, *, seconds: float) -> PageResponse:
        """Return the response with these fields of the Page, which must be complete within `seconds`.

        Raises TransientError on every fault of the network, and for a response of more than 4 MB.
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
        result = parse_response(response.status, response.body, token)
        usage = parse_usage(response.headers, page_id)
        return PageResponse(response.read_at, result, usage, response.headers.get("facebook-api-version"))


@asynccontextmanager
async def open_client(graph_url: str, version: str, app_secret: str, *, trace: TraceCall) -> AsyncIterator[GraphClient]:
    """Open a client with its own connections, which stay alive while the context lasts."""
    async with open_http_client(2 * MAX_CONCURRENT_CALLS, MAX_CONCURRENT_CALLS, trace) as http:
        yield GraphClient(http, graph_url, version, app_secret)


class FacebookSession(ApiSession):
    """Requests the Page of one sync's token. `rate_limit` and `fields` are shared by all sessions of the process."""

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
        """Return the Page, or a response without one where it does not exist.

        Raises RetryLaterError where the call must wait, PermanentError where it is hopeless, and as the gateway.
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
        """Make one call; None: a field was dropped, or there is another token, and the call is to be made again."""
        fields = self._fields.text
        with self._rate_limit.reserve_call(self.page_id):
            async with self._rate_limit.slots:
                sent = self._elapsed()
                self.context.calls += 1
                token, seconds = self.context.token.token, self._compute_time_left(began)
                response = await self._client.fetch_page(self.page_id, token, fields, seconds=seconds)
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
        """Continue with the token of now: more may have been granted since the last one was issued.

        Raises `error` where it is the same token.
        """
        token = self.context.token.token
        await self._refresh_token()
        if self.context.token.token == token:
            raise error

    def _drop_field(self, name: str, fields: str) -> None:
        """Stop requesting a field that the platform does not know, and report it once.

        Raises PermanentError where no requested field is to blame.
        """
        dropped = self._fields.drop_field(name)
        for field in dropped:
            log.error("unknown field dropped", field=field, unknown=name)
        # A concurrent call may have dropped the field while this one was in flight.
        if not dropped and self._fields.text == fields:
            raise PermanentError(f"there is no field {name}")

    def _suspend_limit(self, error: ThrottledError, usage: UsageHeaders) -> RetryLaterError:
        """Make no calls for as long as the response says, for all who share the rate limit."""
        log.warning("call throttled", page=self.page_id, mode=self.context.mode, reason=error.reason)
        limit = self._rate_limit.app if error.limit == APP else self._rate_limit.pages[self.page_id]
        limit.suspend(self._elapsed(), usage.regain_seconds)
        return RetryLaterError(error.reason, seconds=self._find_wait().seconds, escalates=True, throttled=True)


def parse_page_id(connection: str) -> str:
    """Return the id of the connection's Page. Raises PermanentError for an account that is no Page's id."""
    page_id = parse_account(connection)
    if not is_page_id(page_id):
        raise PermanentError("not the id of a page")
    return page_id
