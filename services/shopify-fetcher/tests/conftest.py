"""Builders: a sandbox as a process of its own, a voice that keeps what is said, and the document made of it."""

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

from connector.handlers import FullSyncHandler, IncrementalHandler
from connector.tokens import AccessToken
from contracts.events import Event, FullSyncStepRequested, Record, RecordsPage, SyncProgressed, SyncRequested
from messaging.publisher import OutboundMessage
from shopify_fetcher.client import open_client
from shopify_fetcher.platform import ShopifySource

KEY, SECRET = "sandbox-key", "sandbox-secret"
ALL_SCOPES = "read_products,read_inventory,read_locations,read_discounts"


@dataclass
class Sandbox:
    """A sandbox that serves at `url`."""

    url: str
    http: httpx.Client

    def make(self, shop: str, **recipe: Any) -> None:
        """Make a shop."""
        answer = self.http.post("/control/shops", json={"shop": shop, **recipe})
        assert answer.status_code in (200, 201), answer.text

    def install(self, shop: str, scope: str = ALL_SCOPES) -> str:
        """A token for `shop`, by the merchant's consent."""
        params = {"client_id": KEY, "scope": scope, "redirect_uri": "https://app.example/cb", "state": "s"}
        consent = self.http.post(f"/shops/{shop}/admin/oauth/authorize", params=params, data={"decision": "accept"})
        code = httpx.URL(consent.headers["location"]).params["code"]
        body = {"client_id": KEY, "client_secret": SECRET, "code": code}
        return str(self.http.post(f"/shops/{shop}/admin/oauth/access_token", data=body).json()["access_token"])

    def control(self, method: str, shop: str, path: str, body: Any = None) -> Any:
        """The answer of a control call for `shop`."""
        content = orjson.dumps(body) if body is not None else None
        answer = self.http.request(method, f"/control/shops/{shop}{path}", content=content)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


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
    def progressed(self) -> list[SyncProgressed]:
        """All that was said of progress."""
        return self.events(SyncProgressed)


@dataclass
class Tokens:
    """Gives one access for each connection; `renewed` takes the place of a refused one."""

    known: dict[str, AccessToken] = field(default_factory=dict)
    renewed: AccessToken | None = None
    granted: AccessToken | None = None
    reported: list[str] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The access that was set, or `granted`, where it is asked for anew."""
        if anew and self.granted is not None:
            self.known[connection] = self.granted
        return self.known[connection]

    async def replace_token(self, access: AccessToken) -> AccessToken:
        """The renewed access."""
        self.reported.append(access.fingerprint)
        assert self.renewed is not None
        return self.renewed


@dataclass
class Shop:
    """A shop of the sandbox with both lanes on it."""

    name: str
    sandbox: Sandbox
    tokens: Tokens
    voice: Voice
    walk_lane: FullSyncHandler
    quick_lane: IncrementalHandler
    platform: ShopifySource

    @property
    def connection(self) -> str:
        """Its name as a connection."""
        return f"shopify:{self.name}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of a control call for this shop."""
        return self.sandbox.control(method, self.name, path, body)

    def wish(self, **records: list[str]) -> SyncRequested:
        """A webhook's request for records."""
        return SyncRequested(
            sync_id=uuid4(), connection=self.connection, epoch=1, cause="webhook", records=records, requested_at=0
        )

    async def bring(self, requests: list[SyncRequested]) -> None:
        """Ask for records, and for what is postponed again at once, as the scheduler would in time."""
        while requests:
            began = len(self.voice.progressed)
            await self.quick_lane(self.connection, requests)
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
                for late in self.voice.progressed[began:]
            ]

    async def walk(
        self,
        *,
        cursor: str | None = None,
        sync_id: UUID | None = None,
        steps: int = 10_000,
        patient: bool = False,
    ) -> list[Any]:
        """Walk step by step as the scheduler would; gives all that was said of progress.

        `patient`: what is postponed is waited for, as the scheduler does.
        """
        source, began = sync_id or uuid4(), len(self.voice.progressed)
        for step in range(steps):
            request = FullSyncStepRequested(
                sync_id=source,
                connection=self.connection,
                epoch=1,
                cause="connect",
                step=step,
                cursor=cursor,
                requested_at=0,
            )
            await self.walk_lane(self.connection, [request])
            last = self.voice.progressed[-1]
            if last.outcome in ("completed", "failed"):
                break
            if patient and last.not_before:
                await asyncio.sleep(max(0.0, last.not_before / 1000 - time.time()))
            cursor = last.cursor
        return self.voice.progressed[began:]

    def document(self) -> bytes:
        """The snapshot that it must come to."""
        return self.sandbox.http.get(f"/control/shops/{self.name}/document").content


@pytest.fixture
async def open_shop(sandbox: Sandbox) -> Any:
    """Opens a shop of the sandbox: `open_shop(name, scopes=…, seconds=…, **recipe)`."""
    contexts = []

    async def open_it(name: str, *, scopes: str = ALL_SCOPES, seconds: float = 5.0, **recipe: Any) -> Shop:
        sandbox.make(name, **recipe)
        token = sandbox.install(name, scopes)
        context = open_client(sandbox.url + "/shops/{shop}", "2026-10")
        platform = ShopifySource(await context.__aenter__())
        contexts.append(context)
        connection = f"shopify:{name}"
        tokens = Tokens({connection: AccessToken(connection, 1, token, frozenset(scopes.split(",")))})
        voice = Voice()
        walk = FullSyncHandler(platform, tokens, voice, seconds=seconds)
        quick = IncrementalHandler(platform, tokens, voice, seconds=10.0)
        return Shop(name, sandbox, tokens, voice, walk, quick, platform)

    yield open_it
    for context in contexts:
        await context.__aexit__(None, None, None)


@pytest.fixture
def rebuilt() -> Callable[[Iterable[Record]], bytes]:
    """Makes the document of records as the writer is promised that it can."""
    return _document


@pytest.fixture
def references() -> Path:
    """Published schemas, where somebody has put them beside the checkout."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("no references here")
    return folder


def whole(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """The latest reading of each record by resource and id, pieces joined from the first to the last."""
    found: dict[str, dict[str, Record]] = {}
    chains: dict[tuple[str, str], dict[str | None, Record]] = {}
    for record in records:
        if record.chunk is None:
            found.setdefault(record.resource, {})[record.id] = record
            continue
        pieces = chains.setdefault((record.id, record.chunk.reading_id), {})
        pieces[record.chunk.cursor] = record
        if record.chunk.is_last:
            found.setdefault(record.resource, {})[record.id] = _joined(pieces)
    return found


def _joined(pieces: dict[str | None, Record]) -> Record:
    first = pieces[None]
    body = orjson.loads(orjson.dumps(first.body))
    piece = first
    while piece.chunk is not None and piece.chunk.next_cursor is not None:
        piece = pieces[piece.chunk.next_cursor]
        assert piece.chunk is not None
        target = body
        for key in piece.chunk.path:
            target = target[key]
        target.extend(piece.items)
    return first.model_copy(update={"body": body, "part": None})


def _document(records: Iterable[Record]) -> bytes:
    """One truth: names come from the records that they are names of."""
    found = {
        resource: sorted((_copied(r) for r in of.values() if r.body is not None), key=lambda r: r.sort_key)
        for resource, of in whole(records).items()
    }
    names = {r.id: r.lookup_fields for of in found.values() for r in of}
    items = {r.id: r.body for r in found.get("inventory", [])}
    titles = {
        edge["node"]["id"]: edge["node"]["title"]
        for p in found.get("products", [])
        for edge in p.body["variants"]["edges"]
    }
    by_title = sorted(found.get("discounts", []), key=lambda r: (r.lookup_fields["title"], r.sort_key))
    collections = sorted(found.get("collections", []), key=lambda r: (r.lookup_fields["title"], r.sort_key))
    data = {
        "shop": found["shop"][0].body,
        "products": _top(_product(p.body, items, names) for p in found.get("products", [])),
        "codeDiscountNodes": _top(_discount(d.body, names, titles) for d in by_title if "codeDiscount" in d.body),
        "automaticDiscountNodes": _top(
            _discount(d.body, names, titles) for d in by_title if "codeDiscount" not in d.body
        ),
        "collections": _top(_collection(c.body, names) for c in collections),
    }
    return orjson.dumps({"data": data}, option=orjson.OPT_SORT_KEYS)


def _copied(record: Record) -> Record:
    return type(record).model_validate_json(record.model_dump_json())


def _top(nodes: Iterable[Any]) -> Any:
    return {**_edges(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}}


def _edges(nodes: Iterable[Any]) -> Any:
    return {"edges": [{"node": node} for node in nodes]}


def _product(body: Any, items: Any, names: Any) -> Any:
    for edge in body["variants"]["edges"]:
        variant = edge["node"]
        item = items.get(variant["inventoryItem"]["id"], {"tracked": None, "levels": []})
        levels = [
            {**level, "location": {"id": level["location"], "name": names.get(level["location"], {}).get("name")}}
            for level in item["levels"]
        ]
        variant["inventoryItem"] |= {"tracked": item["tracked"], "inventoryLevels": _edges(levels)}
    return body


def _collection(body: Any, names: Any) -> Any:
    return {**body, "products": _edges({"id": gid, **names[gid]} for gid in body["products"] if gid in names)}


def _discount(body: Any, names: Any, titles: Any) -> Any:
    (family,) = (key for key in body if key != "id")
    for side in ("customerGets", "customerBuys"):
        items = (body[family].get(side) or {}).get("items", {})
        for listed in ("products", "collections"):
            if listed in items:
                items[listed] = _edges({"id": g, "title": names[g]["title"]} for g in items[listed] if g in names)
        if "productVariants" in items:
            named = [gid for gid, _ in items["productVariants"] if gid in titles]
            items["productVariants"] = _edges({"id": gid, "title": titles[gid]} for gid in named)
    return body
