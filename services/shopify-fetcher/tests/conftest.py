"""Builders: a sandbox as a process of its own, a publisher that keeps its messages, and the document made of them."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from contracts.events import Event, FullSyncStepRequested, Record, RecordsPage, SyncProgressed, SyncRequested
from messaging.publisher import OutboundMessage
from messaging.tracing import trace_call
from platform_sdk.tokens import AccessToken
from platforms.shopify.session import open_client
from shopify_fetcher.source import ShopifySource

KEY, SECRET = "sandbox-key", "sandbox-secret"
ALL_SCOPES = "read_products,read_inventory,read_locations,read_discounts"


@dataclass
class Sandbox:
    """A sandbox that serves at `url`."""

    url: str
    http: httpx.Client

    def make(self, shop: str, **recipe: Any) -> None:
        """Make a shop."""
        response = self.http.post("/control/shops", json={"shop": shop, **recipe})
        assert response.status_code in (200, 201), response.text

    def install(self, shop: str, scope: str = ALL_SCOPES) -> str:
        """A token for `shop`, by the merchant's consent."""
        params = {"client_id": KEY, "scope": scope, "redirect_uri": "https://app.example/cb", "state": "s"}
        consent = self.http.post(f"/shops/{shop}/admin/oauth/authorize", params=params, data={"decision": "accept"})
        code = httpx.URL(consent.headers["location"]).params["code"]
        body = {"client_id": KEY, "client_secret": SECRET, "code": code}
        return str(self.http.post(f"/shops/{shop}/admin/oauth/access_token", data=body).json()["access_token"])

    def control(self, method: str, shop: str, path: str, body: Any = None) -> Any:
        """Returns the response of a control call for `shop`."""
        content = orjson.dumps(body) if body is not None else None
        response = self.http.request(method, f"/control/shops/{shop}{path}", content=content)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for all tests; each makes shops of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "SANDBOX_PORT": str(port),
        "SANDBOX_STATE": str(tmp_path_factory.mktemp("sandbox")),
        "SHOPIFY_API_KEY": KEY,
        "SHOPIFY_API_SECRET": SECRET,
    }
    process = subprocess.Popen([sys.executable, "-m", "sandbox.app"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            _wait_until_it_serves(http, process)
            yield Sandbox(f"http://127.0.0.1:{port}", http)
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_serves(http: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the sandbox has ended"
        try:
            http.get("/control/shops")
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the sandbox does not serve")


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
    def progress(self) -> list[SyncProgressed]:
        """All events about progress."""
        return self.select(SyncProgressed)


@dataclass
class FakeTokens:
    """Gives one token for each connection; `replacement` takes the place of a rejected one."""

    tokens: dict[str, AccessToken] = field(default_factory=dict)
    replacement: AccessToken | None = None
    granted: AccessToken | None = None
    reported: list[str] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The token that was set, or `granted` where a fresh one is requested."""
        if fresh and self.granted is not None:
            self.tokens[connection] = self.granted
        return self.tokens[connection]

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """The replacement."""
        self.reported.append(token.fingerprint)
        assert self.replacement is not None
        return self.replacement


@dataclass
class Shop:
    """A shop of the sandbox with both handlers on it."""

    name: str
    sandbox: Sandbox
    tokens: FakeTokens
    publisher: FakePublisher
    handle_full_sync: FullSyncHandler
    handle_incremental: IncrementalHandler
    dependencies: HandlerDependencies

    @property
    def connection(self) -> str:
        """Its name as a connection."""
        return f"shopify:{self.name}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Returns the response of a control call for this shop."""
        return self.sandbox.control(method, self.name, path, body)

    def build_request(self, **records: list[str]) -> SyncRequested:
        """A webhook's request for records."""
        return SyncRequested(
            sync_id=uuid4(), connection=self.connection, epoch=1, cause="webhook", records=records, requested_at=0
        )

    async def read_to_end(self, requests: list[SyncRequested]) -> None:
        """Read records, and what is postponed again at once, as the scheduler would in time."""
        while requests:
            began = len(self.publisher.progress)
            await self.handle_incremental(self.connection, requests)
            requests = [
                SyncRequested(
                    sync_id=late.sync_ids[0],
                    connection=self.connection,
                    epoch=1,
                    cause="retry",
                    records=late.records,
                    requested_at=0,
                    coalesced_sync_ids=late.sync_ids[1:],
                    cursor=late.cursor,
                    attempt=late.attempt + 1,
                )
                for late in self.publisher.progress[began:]
            ]

    async def run_full_sync(
        self,
        *,
        cursor: str | None = None,
        sync_id: UUID | None = None,
        steps: int = 10_000,
        patient: bool = False,
    ) -> list[Any]:
        """Run step by step as the scheduler would; return all events about progress.

        `patient`: what is postponed is waited for, as the scheduler does.
        """
        read_id, began = sync_id or uuid4(), len(self.publisher.progress)
        for step in range(steps):
            request = FullSyncStepRequested(
                sync_id=read_id,
                connection=self.connection,
                epoch=1,
                cause="connect",
                step=step,
                cursor=cursor,
                requested_at=0,
            )
            await self.handle_full_sync(self.connection, [request])
            last = self.publisher.progress[-1]
            if last.outcome in ("completed", "failed", "blocked"):
                break
            if patient and last.not_before:
                await asyncio.sleep(max(0.0, last.not_before / 1000 - time.time()))
            cursor = last.cursor
        return self.publisher.progress[began:]

    def document(self) -> bytes:
        """The snapshot that must result."""
        return self.sandbox.http.get(f"/control/shops/{self.name}/document").content


@pytest.fixture
async def open_shop(sandbox: Sandbox) -> Any:
    """Opens a shop of the sandbox: `open_shop(name, scopes=…, seconds=…, **recipe)`."""
    contexts = []

    async def open_one(name: str, *, scopes: str = ALL_SCOPES, seconds: float = 5.0, **recipe: Any) -> Shop:
        sandbox.make(name, **recipe)
        token = sandbox.install(name, scopes)
        context = open_client(sandbox.url + "/shops/{shop}", "2026-10", trace=trace_call)
        source = ShopifySource(await context.__aenter__())
        contexts.append(context)
        connection = f"shopify:{name}"
        tokens = FakeTokens({connection: AccessToken(connection, 1, token, frozenset(scopes.split(",")))})
        publisher = FakePublisher()
        dependencies = HandlerDependencies(source, tokens, publisher)
        full_sync = FullSyncHandler(dependencies, seconds=seconds)
        incremental = IncrementalHandler(dependencies, seconds=10.0)
        return Shop(name, sandbox, tokens, publisher, full_sync, incremental, dependencies)

    yield open_one
    for context in contexts:
        await context.__aexit__(None, None, None)


@pytest.fixture
def build_document() -> Callable[[Iterable[Record]], bytes]:
    """Builds the document of records as the writer is promised that it can."""
    return _build_document


@pytest.fixture
def references() -> Path:
    """Published schemas, where somebody has put them beside the checkout."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("no references here")
    return folder


def join_chunks(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """The latest reading of each record by resource and id, chunks joined from the first to the last."""
    latest: dict[str, dict[str, Record]] = {}
    chunks_by_reading: dict[tuple[str, str], dict[str | None, Record]] = {}
    for record in records:
        if record.chunk is None:
            latest.setdefault(record.resource, {})[record.id] = record
            continue
        chunks = chunks_by_reading.setdefault((record.id, record.chunk.reading_id), {})
        chunks[record.chunk.cursor] = record
        if record.chunk.is_last:
            latest.setdefault(record.resource, {})[record.id] = _join(chunks)
    return latest


def _join(chunks: dict[str | None, Record]) -> Record:
    first = chunks[None]
    body = orjson.loads(orjson.dumps(first.body))
    chunk = first
    while chunk.chunk is not None and chunk.chunk.next_cursor is not None:
        chunk = chunks[chunk.chunk.next_cursor]
        assert chunk.chunk is not None
        target = body
        for key in chunk.chunk.path:
            target = target[key]
        target.extend(chunk.items)
    return first.model_copy(update={"body": body, "chunk": None})


def _build_document(records: Iterable[Record]) -> bytes:
    """Names come from the records that they are names of."""
    latest = {
        resource: sorted((_copy(r) for r in of.values() if r.body is not None), key=lambda r: r.sort_key)
        for resource, of in join_chunks(records).items()
    }
    names = {r.id: r.lookup_fields for of in latest.values() for r in of}
    items = {r.id: r.body for r in latest.get("inventory", [])}
    titles = {
        edge["node"]["id"]: edge["node"]["title"]
        for p in latest.get("products", [])
        for edge in p.body["variants"]["edges"]
    }
    by_title = sorted(latest.get("discounts", []), key=lambda r: (r.lookup_fields["title"], r.sort_key))
    collections = sorted(latest.get("collections", []), key=lambda r: (r.lookup_fields["title"], r.sort_key))
    data = {
        "shop": latest["shop"][0].body,
        "products": _build_connection(_build_product(p.body, items, names) for p in latest.get("products", [])),
        "codeDiscountNodes": _build_connection(
            _build_discount(d.body, names, titles) for d in by_title if "codeDiscount" in d.body
        ),
        "automaticDiscountNodes": _build_connection(
            _build_discount(d.body, names, titles) for d in by_title if "codeDiscount" not in d.body
        ),
        "collections": _build_connection(_build_collection(c.body, names) for c in collections),
    }
    return orjson.dumps({"data": data}, option=orjson.OPT_SORT_KEYS)


def _copy(record: Record) -> Record:
    return type(record).model_validate_json(record.model_dump_json())


def _build_connection(nodes: Iterable[Any]) -> Any:
    return {**_build_edges(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}}


def _build_edges(nodes: Iterable[Any]) -> Any:
    return {"edges": [{"node": node} for node in nodes]}


def _build_product(body: Any, items: Any, names: Any) -> Any:
    for edge in body["variants"]["edges"]:
        variant = edge["node"]
        item = items.get(variant["inventoryItem"]["id"], {"tracked": None, "levels": []})
        levels = [
            {**level, "location": {"id": level["location"], "name": names.get(level["location"], {}).get("name")}}
            for level in item["levels"]
        ]
        variant["inventoryItem"] |= {"tracked": item["tracked"], "inventoryLevels": _build_edges(levels)}
    return body


def _build_collection(body: Any, names: Any) -> Any:
    return {**body, "products": _build_edges({"id": gid, **names[gid]} for gid in body["products"] if gid in names)}


def _build_discount(body: Any, names: Any, titles: Any) -> Any:
    (family,) = (key for key in body if key != "id")
    for side in ("customerGets", "customerBuys"):
        items = (body[family].get(side) or {}).get("items", {})
        for listed in ("products", "collections"):
            if listed in items:
                items[listed] = _build_edges({"id": g, "title": names[g]["title"]} for g in items[listed] if g in names)
        if "productVariants" in items:
            named = [gid for gid, _ in items["productVariants"] if gid in titles]
            items["productVariants"] = _build_edges({"id": gid, "title": titles[gid]} for gid in named)
    return body
