"""Builders: a Graph API that answers from a script, a clock, tokens, and a voice that keeps what is said."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from connector.handlers import FullSyncHandler, IncrementalHandler
from connector.tokens import AccessToken
from contracts.events import Event, FullSyncStepRequested, Record, RecordsPage, SyncProgressed, SyncRequested
from facebook_fetcher.client import GraphClient
from facebook_fetcher.fields import PAGE_FIELDS, Asking, parsed
from facebook_fetcher.platform import FacebookSource
from messaging.publisher import OutboundMessage
from platform_sdk.errors import ConnectionEndedError

PAGE = "1029384756"
TOKEN, SECRET = "page-token-of-the-merchant", "the-secret-of-the-app"
NOW = 1_700_000_000.0


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.at += seconds


def error(code: int, message: str = "", *, status: int = 400, headers: Any = None, **more: Any) -> httpx.Response:
    """Graph's error envelope."""
    body = {"message": message or f"(#{code}) said so", "type": "OAuthException", "code": code, **more}
    return httpx.Response(status, json={"error": {**body, "fbtrace_id": "A1"}}, headers=headers)


def used(app: float | None = None, page: float | None = None, minutes: float = 0) -> dict[str, str]:
    """Usage headers, in percent."""
    headers = {}
    if app is not None:
        headers["X-App-Usage"] = json.dumps({"call_count": app, "total_time": 1, "total_cputime": 1})
    if page is not None:
        use = {"type": "pages", "call_count": page, "estimated_time_to_regain_access": minutes}
        headers["X-Business-Use-Case-Usage"] = json.dumps({PAGE: [use]})
    return headers


class Graph:
    """Answers from `script`, then with the page that was asked for; functions are asked, exceptions raised."""

    def __init__(self) -> None:
        self.page: dict[str, Any] = {"name": "Rosa's"}
        self.headers: dict[str, str] = {}
        self.script: list[Any] = []
        self.calls: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], Awaitable[httpx.Response]] = self.scripted

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return await self.answer(request)

    async def scripted(self, request: httpx.Request) -> httpx.Response:
        """The next of the script, or the page."""
        answer = self.script.pop(0) if self.script else self.whole(request)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    def whole(self, request: httpx.Request) -> httpx.Response:
        """The page, as far as its fields are filled in."""
        page = {"id": request.url.path.rpartition("/")[2], **self.page}
        return httpx.Response(200, json=page, headers={"facebook-api-version": "v25.0", **self.headers})

    def fields(self, call: int = -1) -> str:
        """The fields that a call asked for."""
        return self.calls[call].url.params["fields"]


class Voice:
    """Keeps what is said, in order."""

    def __init__(self) -> None:
        self.said: list[OutboundMessage] = []

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages."""
        self.said += messages

    def events(self, kind: type[Event]) -> list[Any]:
        """All events of `kind`."""
        return [message.event for message in self.said if isinstance(message.event, kind)]

    @property
    def records(self) -> list[Record]:
        """All records of all pages."""
        return [record for page in self.events(RecordsPage) for record in page.records]

    @property
    def last(self) -> SyncProgressed:
        """What was last said of progress."""
        progressed: SyncProgressed = self.events(SyncProgressed)[-1]
        return progressed


@dataclass
class Tokens:
    """Gives one token for all connections; `renewed` takes the place of a refused one, exceptions are raised."""

    token: str = TOKEN
    renewed: Any = None
    granted: str | None = None
    epoch: int = 1
    reported: list[str] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The access that was set, or `granted`, where it is asked for anew."""
        if anew and self.granted is not None:
            self.token = self.granted
        return AccessToken(connection, 1, self.token)

    async def replace_token(self, access: AccessToken) -> AccessToken:
        """The renewed access."""
        self.reported.append(access.fingerprint)
        if isinstance(self.renewed, Exception):
            raise self.renewed
        return AccessToken(access.connection, self.epoch, self.renewed)


class Bench:
    """Both lanes on a scripted Graph API."""

    PAGE, TOKEN, SECRET, NOW = PAGE, TOKEN, SECRET, NOW
    error, used = staticmethod(error), staticmethod(used)
    ConnectionEnded = ConnectionEndedError

    def __init__(self, fields: str = PAGE_FIELDS) -> None:
        self.graph, self.clock, self.tokens, self.voice = Graph(), Clock(), Tokens(), Voice()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self.graph))
        self.client = GraphClient(self.http, "https://graph.test", "v25.0", SECRET, now=lambda: NOW)
        self.platform = FacebookSource(self.client, Asking(parsed(fields)), elapsed=self.clock, sleep=self.clock.sleep)
        chance: Any = {"now": lambda: NOW, "uniform": lambda low, high: 1.0}
        self.quick_lane = IncrementalHandler(self.platform, self.tokens, self.voice, seconds=10, **chance)
        self.walk_lane = FullSyncHandler(self.platform, self.tokens, self.voice, seconds=5, **chance)

    def wish(self, page: str = PAGE, records: dict[str, list[str]] | None = None) -> SyncRequested:
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
        """Read on the quick lane."""
        await self.quick_lane(f"facebook:{page}", [self.wish(page)])

    async def walk(self, *, page: str = PAGE, cursor: str | None = None) -> SyncProgressed:
        """Walk one step; gives how it went on."""
        connection = f"facebook:{page}"
        request = FullSyncStepRequested(
            sync_id=uuid4(), connection=connection, epoch=1, cause="poll", step=0, cursor=cursor, requested_at=0
        )
        await self.walk_lane(connection, [request])
        return self.voice.last

    @property
    def waits(self) -> float:
        """Seconds until what was postponed last goes on."""
        assert self.voice.last.not_before is not None
        return self.voice.last.not_before / 1000 - NOW


@pytest.fixture
def bench() -> Bench:
    """Both lanes on a Graph API of its own."""
    return Bench()


@pytest.fixture
def benches() -> type[Bench]:
    """Benches with fields of their own, and builders."""
    return Bench


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """All that is logged."""
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines
