"""The real client and both handlers against a Graph API of its own: what exists comes out, within all rate limits."""

import asyncio
import hmac
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from connector.handlers.dependencies import HandlerDependencies
from contracts.events import FullReadCompleted, IncrementalReadCompleted, Record, SyncRequested
from facebook_fetcher.source import FacebookSource
from messaging.tracing import trace_call
from platform_sdk.tokens import AccessToken
from platforms.facebook.fields import PAGE_FIELDS, RequestedFields, parse_fields
from platforms.facebook.session import open_client

APP, SECRET = "123456789012345", "sandbox-facebook-secret"
SCOPES = "pages_show_list,pages_manage_metadata,pages_read_engagement"
ROOM = {"app_calls": 20_000, "page_calls": 4_800}


@dataclass
class Sandbox:
    """A sandbox that serves at `url`."""

    url: str
    http: httpx.Client

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Returns the response of a control call."""
        response = self.http.request(method, f"/control/facebook{path}", json=body)
        assert response.status_code < 300, response.text
        return response.json()

    def graph(self, path: str, token: str = "", **params: str) -> Any:
        """Returns the response of Graph to this token."""
        proof = hmac.new(SECRET.encode(), token.encode(), "sha256").hexdigest()
        signed = {"access_token": token, "appsecret_proof": proof} if token else {}
        response = self.http.get(f"/graph/v25.0/{path}", params={**signed, **params})
        assert response.status_code == 200, response.text
        return response.json()

    def connect(self, pages: int) -> tuple[str, dict[str, str]]:
        """Somebody new with so many pages, who agrees to everything: the id, and the token of each page."""
        user = self.control("POST", "/users", {"pages": pages})["id"]
        back = "https://app.example/callback"
        params = {"client_id": APP, "redirect_uri": back, "scope": SCOPES, "user": user, "response_type": "code"}
        agreed = self.http.post("/facebook/v25.0/dialog/oauth", params=params, data={"decision": "accept"})
        code = httpx.URL(agreed.headers["location"]).params["code"]
        own = {"client_id": APP, "client_secret": SECRET}
        short = self.graph("oauth/access_token", **own, redirect_uri=back, code=code)["access_token"]
        exchange = {"grant_type": "fb_exchange_token", "fb_exchange_token": short}
        return user, self._list_page_tokens(self.graph("oauth/access_token", **own, **exchange)["access_token"])

    def _list_page_tokens(self, token: str) -> dict[str, str]:
        tokens: dict[str, str] = {}
        more: dict[str, str] | None = {}
        while more is not None:
            listed = self.graph("me/accounts", token, limit="100", **more)
            tokens |= {page["id"]: page["access_token"] for page in listed["data"]}
            paging = listed.get("paging", {})
            more = {"after": paging["cursors"]["after"]} if "next" in paging else None
        return tokens

    def document(self, page: str, query: str = "") -> bytes:
        """The object that the page must come to."""
        return self.http.get(f"/control/facebook/pages/{page}/document{query}").content


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for all tests; each makes pages of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "SANDBOX_PORT": str(port),
        "SANDBOX_STATE": str(tmp_path_factory.mktemp("sandbox")),
        "SHOPIFY_API_KEY": "key",
        "SHOPIFY_API_SECRET": "secret",
        "FACEBOOK_APP_ID": APP,
        "FACEBOOK_APP_SECRET": SECRET,
    }
    process = subprocess.Popen([sys.executable, "-m", "sandbox.app"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _wait_until_it_serves(http, process)
            yield Sandbox(f"http://127.0.0.1:{port}", http)
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_serves(http: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the sandbox has ended"
        try:
            http.get("/health")
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the sandbox does not serve")


@dataclass
class FakeTokens:
    """The tokens of the pages, until Graph refuses them."""

    page_tokens: dict[str, str]
    ended: Exception | None = None
    reported: list[str] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The page's token."""
        return AccessToken(connection, 1, self.page_tokens[connection.partition(":")[2]])

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """There is no other."""
        self.reported.append(token.connection)
        assert self.ended is not None
        raise self.ended


@dataclass
class Pages:
    """Somebody's pages with both handlers on them."""

    sandbox: Sandbox
    user: str
    ids: list[str]
    tokens: FakeTokens
    bench: Any

    async def run_full_sync(self, page: str) -> Any:
        """Run a full sync of one page; return its progress."""
        return await self.bench.run_full_sync(page=page)

    async def handle(self, requests: list[SyncRequested]) -> None:
        """Handle what webhooks request, page by page, all pages at once."""
        by_page: dict[str, list[SyncRequested]] = {}
        for request in requests:
            by_page.setdefault(request.connection, []).append(request)
        await asyncio.gather(*(self.bench.handle_incremental(page, wanted) for page, wanted in by_page.items()))

    def edit(self, page: str, **fields: Any) -> None:
        """Somebody edits the page."""
        self.sandbox.control("PATCH", f"/pages/{page}", fields)

    def build_objects(self) -> dict[str, bytes]:
        """The objects that the records come to."""
        latest: dict[str, Record] = {record.id: record for record in self.bench.publisher.records}
        return {page: _build_object(record) for page, record in latest.items()}

    def fetch_expected(self) -> dict[str, bytes]:
        """The objects as they must be."""
        return {page: self.sandbox.document(page) for page in self.ids}


def _build_object(record: Record) -> bytes:
    pages = [] if record.body is None else [record.body | record.volatile_fields]
    return orjson.dumps({"data": pages}, option=orjson.OPT_SORT_KEYS)


@pytest.fixture
async def open_pages(sandbox: Sandbox, benches: Any) -> AsyncIterator[Any]:
    """Opens pages of somebody new: `open_pages(count, fields=…, **limits)`."""
    contexts = []

    async def open_them(count: int, *, fields: str = PAGE_FIELDS, version: str = "v25.0", **limits: Any) -> Pages:
        sandbox.control("PUT", "/faults", {})
        sandbox.control("PUT", "/limits", ROOM)
        user, page_tokens = sandbox.connect(count)
        sandbox.control("PUT", "/limits", {**ROOM, **limits})
        sandbox.control("DELETE", "/statistics")
        context = open_client(f"{sandbox.url}/graph", version, SECRET, trace=trace_call)
        source = FacebookSource(await context.__aenter__(), RequestedFields(parse_fields(fields)))
        contexts.append(context)
        tokens, bench = FakeTokens(page_tokens), benches()
        bench.use(HandlerDependencies(source, tokens, bench.publisher))
        return Pages(sandbox, user, list(page_tokens), tokens, bench)

    yield open_them
    for context in contexts:
        await context.__aexit__(None, None, None)


async def test_a_full_sync_brings_the_page_as_it_is(open_pages: Any) -> None:
    pages = await open_pages(3)
    for page in pages.ids:
        assert (await pages.run_full_sync(page)).outcome == "completed"
    assert pages.build_objects() == pages.fetch_expected()
    assert len(pages.bench.publisher.select(FullReadCompleted)) == 3


async def test_what_webhooks_request_is_read(open_pages: Any) -> None:
    pages = await open_pages(2)
    for page in pages.ids:
        await pages.run_full_sync(page)
    pages.edit(pages.ids[0], name="Rosa's new name", phone="+49 30 1234", about=None)
    pages.sandbox.control("POST", "/drift", {"user": pages.user})
    await pages.handle([pages.bench.build_request(page) for page in pages.ids])
    assert pages.build_objects() == pages.fetch_expected()
    assert b"Rosa's new name" in pages.build_objects()[pages.ids[0]]


async def test_200_pages_and_1000_entries_exceed_no_rate_limit_and_bring_every_page(open_pages: Any) -> None:
    pages = await open_pages(200, app_calls=1_000, page_calls=100)
    await asyncio.gather(*(pages.run_full_sync(page) for page in pages.ids))
    pages.sandbox.control("POST", "/burst", {"user": pages.user, "edits": 1_000})
    requests = [pages.bench.build_request(pages.ids[number % 200]) for number in range(1_000)]
    await pages.handle(requests)
    assert pages.build_objects() == pages.fetch_expected()
    completed = {
        sync_id for event in pages.bench.publisher.select(IncrementalReadCompleted) for sync_id in event.sync_ids
    }
    assert completed == {request.sync_id for request in requests}
    statistics = pages.sandbox.control("GET", "/statistics")
    assert (statistics["throttled"], statistics["peak_app_percent"] <= 50) == (0, True)


async def test_what_the_rate_limit_does_not_allow_is_postponed_and_not_refused(open_pages: Any) -> None:
    pages = await open_pages(200, app_calls=200)
    full = await asyncio.gather(*(pages.run_full_sync(page) for page in pages.ids))
    assert {end.outcome for end in full} == {"completed", "postponed"}
    assert all(end.throttled for end in full if end.outcome == "postponed")
    await pages.handle([pages.bench.build_request(page) for page in pages.ids])
    statistics = pages.sandbox.control("GET", "/statistics")
    assert (statistics["throttled"], 80 <= statistics["peak_app_percent"] <= 90) == (0, True)


async def test_a_field_that_graph_refuses_is_null_and_the_others_are_read(open_pages: Any, log_lines: Any) -> None:
    pages = await open_pages(2, fields="name,email,about,bio,picture.type(large){url}")
    pages.sandbox.control("PUT", "/faults", {"refuse_fields": ["bio"]})
    for page in pages.ids:
        assert (await pages.run_full_sync(page)).outcome == "completed"
    record = pages.bench.publisher.records[-1]
    assert record.body.keys() == {"id", "name", "email", "about", "bio"}
    assert (record.body["email"], record.body["bio"]) == (None, None)
    assert record.volatile_fields["picture"]["data"].keys() == {"url"}
    assert [line["field"] for line in log_lines if line["log_level"] == "error"] == ["email", "bio"]


async def test_a_revoked_token_ends_its_connection_and_no_other(open_pages: Any) -> None:
    pages = await open_pages(2)
    pages.tokens.ended = pages.bench.ConnectionEndedError("reauthorise")
    pages.sandbox.control("POST", f"/pages/{pages.ids[0]}/revoke", {"subcode": 460})
    first, second = [await pages.run_full_sync(page) for page in pages.ids]
    assert (first.outcome, first.reason, first.retryable) == ("failed", str(pages.tokens.ended), False)
    assert second.outcome == "completed"
    assert pages.tokens.reported == [f"facebook:{pages.ids[0]}"]


async def test_a_permission_that_was_taken_away_is_named(open_pages: Any) -> None:
    pages = await open_pages(1)
    pages.sandbox.control("PUT", f"/users/{pages.user}/permissions", {"pages_read_engagement": "declined"})
    end = await pages.run_full_sync(pages.ids[0])
    assert (end.outcome, end.cursor) == ("blocked", None)
    assert end.reason.startswith("not readable: permission pages_read_engagement is needed")


async def test_a_page_that_is_gone_is_an_empty_object_and_comes_back(open_pages: Any) -> None:
    pages = await open_pages(1)
    (page,) = pages.ids
    pages.sandbox.control("DELETE", f"/pages/{page}")
    assert (await pages.run_full_sync(page)).outcome == "completed"
    assert pages.bench.publisher.records == []
    await pages.handle([pages.bench.build_request(page)])
    assert pages.build_objects()[page] == pages.sandbox.document(page) == b'{"data":[]}'
    pages.sandbox.control("POST", f"/pages/{page}/restore")
    await pages.run_full_sync(page)
    assert pages.build_objects() == pages.fetch_expected()


async def test_another_version_is_reported_and_its_records_are_kept(open_pages: Any, log_lines: Any) -> None:
    pages = await open_pages(1, version="v19.0")
    for _ in range(2):
        await pages.run_full_sync(pages.ids[0])
    versions = [(line["requested"], line["served"]) for line in log_lines if line["log_level"] == "error"]
    assert versions == [("v19.0", "v21.0")]
    assert pages.build_objects() == pages.fetch_expected()


class TestMisbehaving:
    """Every kind of misbehaviour."""

    @pytest.mark.parametrize(
        "fault",
        [
            {"fail_calls": 2},
            {"error_calls": 2, "error_code": 1},
            {"error_calls": 2, "error_code": 2},
            {"clock_skew_seconds": 3600},
        ],
        ids=str,
    )
    async def test_a_passing_fault_is_waited_out(self, open_pages: Any, fault: Any) -> None:
        pages = await open_pages(1)
        pages.sandbox.control("PUT", "/faults", fault)
        assert (await pages.run_full_sync(pages.ids[0])).outcome == "completed"
        assert pages.build_objects() == pages.fetch_expected()

    @pytest.mark.parametrize(
        "fault", [{"fail_calls": -1}, {"truncate_body": True}, {"html_body": True}, {"error_calls": -1}], ids=str
    )
    async def test_a_lasting_fault_is_postponed(self, open_pages: Any, fault: Any) -> None:
        pages = await open_pages(1)
        pages.sandbox.control("PUT", "/faults", fault)
        await pages.handle([pages.bench.build_request(pages.ids[0])])
        late = pages.bench.publisher.last
        assert (late.outcome, late.throttled) == ("postponed", False)
        assert pages.bench.publisher.records == []

    @pytest.mark.parametrize("code", [4, 17, 32, 341, 613, 80001])
    async def test_a_throttle_waits_for_as_long_as_the_platform_says(self, open_pages: Any, code: int) -> None:
        pages = await open_pages(1)
        pages.sandbox.control("PUT", "/faults", {"throttle_calls": 1, "throttle_code": code, "throttle_minutes": 3})
        before = time.time()
        late = await pages.run_full_sync(pages.ids[0])
        assert (late.outcome, late.throttled) == ("postponed", True)
        assert 180 <= late.not_before / 1000 - before <= 180 * 1.2 + 5

    async def test_one_page_that_hangs_holds_up_no_other(self, open_pages: Any) -> None:
        pages = await open_pages(5)
        hanging, *others = pages.ids
        pages.sandbox.control("PUT", "/faults", {"pages": [hanging], "hang_seconds": 2})
        waiting = asyncio.create_task(pages.run_full_sync(hanging))
        await asyncio.gather(*(pages.run_full_sync(page) for page in others))
        assert not waiting.done()
        await waiting
        assert pages.build_objects() == pages.fetch_expected()
