"""Builders: a Graph API that responds from a script, a clock, tokens, and a publisher that keeps its messages."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from contracts.events import Event, FullSyncStepRequested, Record, RecordsPage, SyncProgressed, SyncRequested
from facebook_fetcher.source import FacebookSource
from messaging.publisher import OutboundMessage
from messaging.tracing import trace_call
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.http import HttpClient
from platform_sdk.tokens import AccessToken
from platforms.facebook.fields import PAGE_FIELDS, RequestedFields, parse_fields
from platforms.facebook.session import GraphClient

PAGE = "1029384756"
TOKEN, SECRET = "page-token-of-the-merchant", "the-secret-of-the-app"
NOW = 1_700_000_000.0


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.seconds += seconds


def build_error(code: int, message: str = "", *, status: int = 400, headers: Any = None, **more: Any) -> httpx.Response:
    """Graph's error envelope."""
    body = {"message": message or f"(#{code}) said so", "type": "OAuthException", "code": code, **more}
    return httpx.Response(status, json={"error": {**body, "fbtrace_id": "A1"}}, headers=headers)


def build_usage(app: float | None = None, page: float | None = None, minutes: float = 0) -> dict[str, str]:
    """Usage headers, in percent."""
    headers = {}
    if app is not None:
        headers["X-App-Usage"] = json.dumps({"call_count": app, "total_time": 1, "total_cputime": 1})
    if page is not None:
        use = {"type": "pages", "call_count": page, "estimated_time_to_regain_access": minutes}
        headers["X-Business-Use-Case-Usage"] = json.dumps({PAGE: [use]})
    return headers


class Graph:
    """Responds from `script`, then with the requested page; functions are called, exceptions raised."""

    def __init__(self) -> None:
        self.page: dict[str, Any] = {"name": "Rosa's"}
        self.headers: dict[str, str] = {}
        self.script: list[Any] = []
        self.calls: list[httpx.Request] = []
        self.respond: Callable[[httpx.Request], Awaitable[httpx.Response]] = self.follow_script

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return await self.respond(request)

    async def follow_script(self, request: httpx.Request) -> httpx.Response:
        """The next of the script, or the page."""
        response = self.script.pop(0) if self.script else self.build_page(request)
        if callable(response):
            response = response(request)
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, httpx.Response)
        return response

    def build_page(self, request: httpx.Request) -> httpx.Response:
        """The page, as far as its fields are filled in."""
        page = {"id": request.url.path.rpartition("/")[2], **self.page}
        return httpx.Response(200, json=page, headers={"facebook-api-version": "v25.0", **self.headers})

    def get_fields(self, call: int = -1) -> str:
        """The fields that a call requested."""
        return self.calls[call].url.params["fields"]


class FakePublisher:
    """Keeps messages, in order."""

    def __init__(self) -> None:
        self.messages: list[OutboundMessage] = []

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages."""
        self.messages += messages

    def select(self, event_type: type[Event]) -> list[Any]:
        """All events of this type."""
        return [message.event for message in self.messages if isinstance(message.event, event_type)]

    @property
    def records(self) -> list[Record]:
        """All records of all pages."""
        return [record for page in self.select(RecordsPage) for record in page.records]

    @property
    def last(self) -> SyncProgressed:
        """The last event about progress."""
        progressed: SyncProgressed = self.select(SyncProgressed)[-1]
        return progressed


@dataclass
class FakeTokens:
    """Gives one token for all connections; `replacement` takes the place of a rejected one, exceptions are raised."""

    token: str = TOKEN
    replacement: Any = None
    granted: str | None = None
    epoch: int = 1
    reported: list[str] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The token that was set, or `granted` where a fresh one is requested."""
        if fresh and self.granted is not None:
            self.token = self.granted
        return AccessToken(connection, 1, self.token)

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """The replacement."""
        self.reported.append(token.fingerprint)
        if isinstance(self.replacement, Exception):
            raise self.replacement
        return AccessToken(token.connection, self.epoch, self.replacement)


class Bench:
    """Both handlers on a scripted Graph API."""

    PAGE, TOKEN, SECRET, NOW = PAGE, TOKEN, SECRET, NOW
    build_error, build_usage = staticmethod(build_error), staticmethod(build_usage)
    ConnectionEndedError = ConnectionEndedError

    def __init__(self, fields: str = PAGE_FIELDS) -> None:
        self.graph, self.clock, self.tokens, self.publisher = Graph(), Clock(), FakeTokens(), FakePublisher()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self.graph))
        http = HttpClient(self.http, trace=trace_call, now=lambda: NOW)
        self.client = GraphClient(http, "https://graph.test", "v25.0", SECRET)
        requested = RequestedFields(parse_fields(fields))
        self.source = FacebookSource(self.client, requested, elapsed=self.clock, sleep=self.clock.sleep)
        fixed: Any = {"now": lambda: NOW, "uniform": lambda low, high: 1.0}
        self.use(HandlerDependencies(self.source, self.tokens, self.publisher, **fixed))

    def use(self, dependencies: HandlerDependencies) -> None:
        """Handle requests with `dependencies`."""
        self.handle_incremental = IncrementalHandler(dependencies, seconds=10)
        self.handle_full_sync = FullSyncHandler(dependencies, seconds=5)

    def build_request(self, page: str = PAGE, records: dict[str, list[str]] | None = None) -> SyncRequested:
        """A webhook's request for the page, or for other `records`."""
        return SyncRequested(
            sync_id=uuid4(),
            connection=f"facebook:{page}",
            epoch=1,
            cause="webhook",
            records=records or {"page": [page]},
            requested_at=0,
        )

    async def read(self, *, page: str = PAGE) -> None:
        """Run an incremental sync."""
        await self.handle_incremental(f"facebook:{page}", [self.build_request(page)])

    async def run_full_sync(self, *, page: str = PAGE, cursor: str | None = None) -> SyncProgressed:
        """Run one step of a full sync; return its progress."""
        connection = f"facebook:{page}"
        request = FullSyncStepRequested(
            sync_id=uuid4(), connection=connection, epoch=1, cause="poll", step=0, cursor=cursor, requested_at=0
        )
        await self.handle_full_sync(connection, [request])
        return self.publisher.last

    @property
    def waits(self) -> float:
        """Seconds until what was postponed last goes on."""
        assert self.publisher.last.not_before is not None
        return self.publisher.last.not_before / 1000 - NOW


@pytest.fixture
def bench() -> Bench:
    """Both handlers on a Graph API of its own."""
    return Bench()


@pytest.fixture
def benches() -> type[Bench]:
    """Benches with fields of their own, and builders."""
    return Bench


@pytest.fixture
def log_lines() -> Iterator[list[Any]]:
    """All that is logged."""
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines
