"""Streams of changes on real connections: many readers of one feed, slow ones, and those that lose their right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import pytest

from contracts.events import ConnectionChanged, SyncChanged, SyncState
from contracts.feed_cursors import FeedCursor
from data_api.store.databases import ReadDatabases, create_pool
from data_api.store.heads import load_head
from data_api.stream_events import StreamOptions
from data_api.stream_protocol import get_transport
from data_api.stream_subscribers import Subscriber
from data_api.tables.state import KnownState
from data_api.use_cases import change_channels
from data_api.use_cases.change_streams import ChangeStreams
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError
from published_feed import MERCHANT, SHOP, PublishedFeed
from stream_server import Event, StreamReader, open_stream, serve_application, wait_until


class WatchedDatabases(ReadDatabases):
    """Counts reads, and refuses them while `is_away`."""

    reads = 0
    refused = 0
    is_away = False

    async def fetch(self, statement: str, *parameters: object, reached: FeedCursor | None = None) -> Any:
        self.reads += 1
        if self.is_away:
            self.refused += 1
            raise UnavailableError("Postgres: away")
        return await super().fetch(statement, *parameters, reached=reached)


class Streams:
    """Streams of one shop to whoever opens them, until `is_visible` or `is_erased` says otherwise."""

    def __init__(self, feed: PublishedFeed, databases: WatchedDatabases) -> None:
        self.feed = feed
        self.databases = databases
        self.state = KnownState()
        self.state.apply_connection(
            ConnectionChanged(connection=SHOP, revision=1, epoch=1, state="connected", merchant=MERCHANT)
        )
        self.streams = ChangeStreams(databases, self.state)
        self.is_visible = True
        self.is_erased = False
        self.port = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        resources = frozenset(query["resources"].split(",")) if "resources" in query else None

        async def write(content: bytes) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": True})

        async def wait_for_close() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        await send({"type": "http.response.start", "status": 200, "headers": []})
        subscriber = Subscriber(
            connection=SHOP,
            transport=get_transport(scope),
            position=FeedCursor.decode(query["cursor"]),
            options=StreamOptions(resources, with_data="thin" not in query),
            restart="/head",
            is_visible=lambda: self.is_visible,
            is_erased=lambda: self.is_erased,
        )
        await self.streams.serve(subscriber, write, wait_for_close)

    async def notice(self) -> FeedCursor:
        """Tell the process that there is something new, as Kafka does."""
        head = await load_head(self.databases, SHOP)
        assert head is not None
        self.state.apply_feed_head(SHOP, head.cursor)
        return head.cursor

    async def load_cursor(self) -> str:
        head = await load_head(self.databases, SHOP)
        assert head is not None
        return head.cursor.encode()

    @asynccontextmanager
    async def open(self, cursor: str, query: str = "", **options: Any) -> AsyncIterator[StreamReader]:
        async with open_stream(self.port, f"/?cursor={cursor}&{query}", **options) as stream:
            yield stream


@pytest.fixture
async def server(postgres: Stack, feed: PublishedFeed) -> AsyncIterator[Streams]:
    pool = await create_pool(postgres.build_admin_database_url(), "data_api", feed.published_schema)
    streams = Streams(feed, WatchedDatabases(pool))
    async with serve_application(streams) as port:
        streams.port = port
        yield streams
        await streams.streams.close()
    await streams.databases.close()


def is_change(record_id: str, n: int) -> Any:
    return lambda event: event.event == "change" and (event.data["id"], event.data["data"]["n"]) == (record_id, n)


async def test_a_stream_begins_with_what_was_missed_and_goes_on_with_what_comes(server: Streams) -> None:
    cursor = await server.load_cursor()
    await server.feed.write("1", {"n": 1})
    async with server.open(cursor) as stream:
        missed = await stream.read_event()
        sequence = await server.feed.write("1", {"n": 2})
        await server.feed.write("2", None)
        await server.notice()
        changed, deleted = await stream.read_event(), await stream.read_event()
    assert missed is not None and changed is not None and deleted is not None
    assert missed.data["operation"] == "create"
    assert changed == Event(
        "change",
        {"sequence": sequence, "resource": "products", "id": "1", "operation": "update", "data": {"n": 2}},
        FeedCursor.decode(cursor).encode().rpartition(".")[0] + f".{sequence}",
    )
    assert (deleted.data["operation"], deleted.data["data"]) == ("delete", None)


async def test_a_stream_resumes_at_the_last_id_without_a_gap(server: Streams) -> None:
    cursor = await server.load_cursor()
    for n in range(600):
        await server.feed.write(str(n), {"n": n})
    seen: list[str] = []
    while len(seen) < 600:
        async with server.open(cursor) as stream:
            for _ in range(150):
                event = await stream.read_event()
                assert event is not None
                seen.append(event.data["id"])
            cursor = stream.last_id
    assert seen == [str(n) for n in range(600)]


async def test_readers_at_one_cursor_share_one_read(server: Streams) -> None:
    cursor = await server.load_cursor()
    async with AsyncExitStack() as exit_stack:
        opened = [server.open(cursor, "thin=1" if n % 2 else "") for n in range(20)]
        streams = [await exit_stack.enter_async_context(stream) for stream in opened]
        await server.feed.write("1", {"n": 1})
        await server.notice()
        for stream in streams:
            await stream.read_event()
        before = server.databases.reads
        await server.feed.write("1", {"n": 2})
        await server.notice()
        events = [await stream.read_event() for stream in streams]
    assert server.databases.reads - before == 1
    assert ["data" in event.data for event in events if event] == [True, False] * 10


async def test_a_stream_of_some_resources_has_no_others_and_still_moves_on(
    server: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_channels, "KEEP_ALIVE_SECONDS", 0.05)
    cursor = await server.load_cursor()
    async with server.open(cursor, "resources=orders") as stream:
        await server.feed.write("1", {"n": 1})
        passed = (await server.notice()).encode()
        await server.feed.write("2", {"n": 2}, resource="orders")
        await server.notice()
        event = await stream.read_event()
        assert event is not None and event.data["id"] == "2"
        await server.feed.write("3", {"n": 3})
        passed = await server.load_cursor()
        reading = asyncio.create_task(stream.read_event())
        await wait_until(lambda: stream.last_id == passed)
        reading.cancel()


async def test_a_change_comes_without_a_notice_when_kafka_is_late(
    server: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_channels, "KEEP_ALIVE_SECONDS", 0.05)
    async with server.open(await server.load_cursor()) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        await server.feed.write("1", {"n": 1})
        assert (await stream.read_until(is_change("1", 1)))[-1].data["operation"] == "create"


async def test_a_slow_reader_is_ended_with_the_cursor_to_come_back_with(server: Streams) -> None:
    cursor = await server.load_cursor()
    async with server.open(cursor, buffer=4096) as slow, server.open(cursor) as quick:
        await wait_until(lambda: server.streams.size >= 2)
        written = 0
        while server.streams.size == 2 and written < 600:
            written += 1
            await server.feed.write(str(written), {"n": written, "text": "x" * 50_000})
            await server.notice()
            await quick.read_until(is_change(str(written), written))
        events = await slow.read_to_end()
    *changes, end = events
    assert (end.event, end.data) == ("end", {"reason": "slow", "cursor": changes[-1].id})
    assert len(changes) < written
    async with server.open(end.data["cursor"]) as again:
        rest = await again.read_until(is_change(str(written), written))
    assert [event.data["id"] for event in (*changes, *rest)] == [str(n) for n in range(1, written + 1)]


async def test_a_reader_far_behind_is_not_ended_however_slowly_it_reads(server: Streams) -> None:
    cursor = await server.load_cursor()
    for n in range(60):
        await server.feed.write(str(n), {"n": n, "text": "x" * 100_000})
    async with server.open(cursor, buffer=4096) as slow:
        events = await slow.read_until(is_change("59", 59))
    assert [event.data["id"] for event in events] == [str(n) for n in range(60)]


@pytest.mark.parametrize("happening", ["renewed", "epoch", "erased"])
async def test_a_feed_that_begins_anew_resets_its_streams(server: Streams, happening: str) -> None:
    await server.feed.write("1", {"n": 1})
    async with server.open(await server.load_cursor()) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        await {"renewed": server.feed.renew, "epoch": server.feed.raise_epoch, "erased": server.feed.erase}[happening]()
        await server.feed.write("2", {"n": 2})
        await server.notice()
        events = await stream.read_to_end()
    assert [(event.event, event.data) for event in events] == [("reset", {"status": "reset", "restart": "/head"})]


@pytest.mark.parametrize("is_erased", [True, False])
async def test_a_stream_ends_when_its_reader_loses_the_right(server: Streams, is_erased: bool) -> None:
    cursor = await server.load_cursor()
    async with server.open(cursor) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        server.is_visible, server.is_erased = False, is_erased
        server.state.apply_connection(
            ConnectionChanged(connection=SHOP, revision=2, epoch=1, state="connected", merchant=uuid4())
        )
        events = await stream.read_to_end()
    assert [event.event for event in events] == ["reset" if is_erased else "end"]
    await wait_until(lambda: not server.streams.size)


async def test_a_process_that_stops_ends_its_streams(server: Streams) -> None:
    cursor = await server.load_cursor()
    async with server.open(cursor) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        await server.streams.close()
        ended = await stream.read_to_end()
    async with server.open(cursor) as late:
        ended += await late.read_to_end()
    expected = Event("end", {"reason": "restart", "cursor": cursor}, cursor)
    assert ended == [expected, expected]


async def test_syncs_are_events_without_ids(server: Streams) -> None:
    cursor = await server.load_cursor()
    sync_id = UUID(int=1)

    def tell(revision: int, state: Any) -> None:
        sync = SyncState(sync_id=sync_id, mode="full", cause="manual", state=state, requested_at=1)
        event = SyncChanged(connection=SHOP, epoch=1, revision=revision, syncs=(sync,))
        server.state.apply_syncs(event, event.model_dump_json().encode())

    async with server.open(cursor) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        tell(1, "running")
        running = await stream.read_event()
        await server.feed.write("1", {"n": 1})
        await server.notice()
        changed = await stream.read_event()
        tell(2, "success")
        ended = await stream.read_event()
    assert running is not None and changed is not None and ended is not None
    assert (running.event, running.data["state"], running.id) == ("sync", "running", "")
    assert (ended.event, ended.data["sync_id"], ended.id) == ("sync", str(sync_id), changed.id)


async def test_a_stream_waits_while_postgres_is_away(server: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_channels, "RETRY_SECONDS", 0.05)
    async with server.open(await server.load_cursor()) as stream:
        await wait_until(lambda: server.streams.size >= 1)
        await server.feed.write("1", {"n": 1})
        server.databases.is_away = True
        cursor = await server.notice()
        await wait_until(lambda: server.databases.refused >= 2)
        server.databases.is_away = False
        event = await stream.read_event()
    assert event is not None and event.id == cursor.encode()
