"""`/fetch-data?stream=true`: what is stored at once, what becomes of a refresh, and how streams end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest

from api_builders import KEY, make_connection, make_keys, make_sync, make_syncs
from bucket_fixture import open_counted_bucket
from data_api.key_limits import STREAMS
from merchant_sync.stack import Stack
from plain_server import FakeGateway, PlainServer, serve_plain
from stream_server import StreamReader, open_stream

pytestmark = pytest.mark.integration
FIRST, SECOND = b'{"data":{"shop":{"name":"First"}}}', b'{"data":{"shop":{"name":"Second"}}}'
REFRESH = "/fetch-data?stream=true&refresh=true"


@pytest.fixture
async def served(stored_objects: Stack, tmp_path: Path) -> AsyncIterator[tuple[PlainServer, FakeGateway]]:
    async with open_counted_bucket(stored_objects) as bucket, serve_plain(bucket, tmp_path) as served:
        await served[0].upload(FIRST)
        yield served


@pytest.fixture
def server(served: tuple[PlainServer, FakeGateway]) -> PlainServer:
    return served[0]


def read(server: PlainServer, path: str = REFRESH) -> AbstractAsyncContextManager[StreamReader]:
    return open_stream(server.port, path, {"X-API-Key": KEY})


class Progress:
    """The states of the sync that a stream follows, as the scheduler publishes them."""

    def __init__(self, server: PlainServer, sync_id: Any) -> None:
        self.server, self.sync_id, self.revision = server, sync_id, 1

    def publish(self, state: str, **fields: Any) -> None:
        self.revision += 1
        sync = make_sync(sync_id=self.sync_id, state=state, **fields)
        self.server.apply_syncs(make_syncs(sync, revision=self.revision))


async def begin(server: PlainServer, stream: StreamReader) -> Progress:
    cached = await stream.read_event()
    assert cached is not None and cached.event == "cached"
    assert cached.data["data"] == orjson.loads(FIRST) and cached.data["refresh"] == "started"
    return Progress(server, cached.data["sync_id"])


async def test_a_stream_without_a_refresh_is_what_is_stored(server: PlainServer) -> None:
    async with read(server, "/fetch-data?stream=true") as stream:
        events = await stream.read_to_end()
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store" and stream.headers["x-accel-buffering"] == "no"
    assert [event.event for event in events] == ["cached", "end"]
    assert events[0].data["data"] == orjson.loads(FIRST)


async def test_a_stream_has_the_fields_that_are_wanted(server: PlainServer) -> None:
    async with read(server, "/fetch-data?stream=true&fields=data.shop") as stream:
        (cached, _) = await stream.read_to_end()
        assert cached.data["data"] == {"data": {"shop": {"name": "First"}}}
    async with read(server, "/fetch-data?stream=true&fields=data.none") as stream:
        (cached, _) = await stream.read_to_end()
        assert cached.data["data"] == {"data": {}}


async def test_a_refresh_is_followed_until_its_data_is_shown(server: PlainServer) -> None:
    async with read(server) as stream:
        progress = await begin(server, stream)
        progress.publish("running", records=7)
        event = await stream.read_event()
        assert event is not None and (event.event, event.data["records"]) == ("progress", 7)
        # Nothing has changed in what is shown of it: no further event.
        progress.publish("running", records=7)
        progress.publish("success", sequence=2)
        # The scheduler's news came first: the upload is still to be heard of.
        await server.upload(SECOND, 2)
        events = await stream.read_to_end()
    assert [event.event for event in events] == ["updated", "end"]
    assert events[0].data["data"] == orjson.loads(SECOND)


async def test_a_refresh_that_changes_nothing_is_unchanged(server: PlainServer) -> None:
    async with read(server) as stream:
        (await begin(server, stream)).publish("success", sequence=1)
        assert [event.event for event in await stream.read_to_end()] == ["unchanged", "end"]


async def test_a_refresh_that_fails_says_why(server: PlainServer) -> None:
    async with read(server) as stream:
        (await begin(server, stream)).publish("failed", reason="the platform is away")
        events = await stream.read_to_end()
    assert [(event.event, event.data.get("reason")) for event in events] == [
        ("failed", "the platform is away"),
        ("end", None),
    ]


async def test_a_refresh_that_cannot_be_started_fails(served: tuple[PlainServer, FakeGateway]) -> None:
    server, gateway = served
    gateway.refusal = 409, {"state": "reauthorise"}
    async with read(server) as stream:
        events = await stream.read_to_end()
    assert [event.event for event in events] == ["cached", "failed", "end"]
    assert "connected again" in events[1].data["reason"]


async def test_a_stream_that_lasts_too_long_is_told_so(stored_objects: Stack, tmp_path: Path) -> None:
    async with (
        open_counted_bucket(stored_objects) as bucket,
        serve_plain(bucket, tmp_path, stream_seconds=0.2) as (server, _),
    ):
        await server.upload(FIRST)
        async with read(server) as stream:
            await begin(server, stream)
            assert [event.event for event in await stream.read_to_end()] == ["timeout"]


def revoke(server: PlainServer) -> None:
    server.state.apply_keys(make_keys(revision=2))


def detach(server: PlainServer) -> None:
    server.state.apply_connection(make_connection(revision=2, epoch=2))


def erase(server: PlainServer) -> None:
    erased = make_connection(revision=2, epoch=2, state="redacted", redacted_epoch=2, merchant=None, object_key=None)
    server.state.apply_connection(erased)
    server.cache.apply_connection(erased)


@pytest.mark.parametrize(("change", "event"), [(revoke, "end"), (detach, "end"), (erase, "reset")])
async def test_a_stream_ends_with_the_right_to_see_it(
    server: PlainServer, change: Callable[[PlainServer], None], event: str
) -> None:
    async with read(server) as stream:
        progress = await begin(server, stream)
        change(server)
        events = await stream.read_to_end()
        assert [event.event for event in events] == [event] and events[0].data["reason"]
        progress.publish("success", sequence=2)
    if event == "reset":
        assert [path for path in server.files._folder.rglob("*") if path.is_file()] == []


async def test_a_large_answer_breaks_off_when_the_key_is_revoked(server: PlainServer) -> None:
    document = b'{"data":{"rows":[' + b",".join(b'{"id":%d}' % number for number in range(2_000_000)) + b"]}}"
    await server.upload(document, 2)
    async with open_stream(server.port, REFRESH, {"X-API-Key": KEY}, buffer=16_384) as stream:
        # The reader takes nothing in: most of the document is still on the server's disk.
        revoke(server)
        assert await stream.read_to_end() == []


async def test_a_stream_that_its_client_leaves_is_not_counted_any_more(server: PlainServer) -> None:
    for _ in range(3):
        streams = [read(server) for _ in range(STREAMS)]
        for stream in streams:
            await begin_again(await stream.__aenter__())
        async with read(server) as refused:
            assert refused.status == 429
        for stream in streams:
            await stream.__aexit__(None, None, None)
        async with asyncio.timeout(20):
            while server.limits._streams[next(iter(server.limits._streams), "")]:
                await asyncio.sleep(0.01)


async def begin_again(stream: StreamReader) -> None:
    event = await stream.read_event()
    assert stream.status == 200 and event is not None and event.event == "cached"


async def test_a_head_request_for_a_stream_is_not_counted(server: PlainServer) -> None:
    for _ in range(STREAMS + 1):
        response = await server.request("HEAD", "/fetch-data", stream="true")
        assert (response.status_code, response.content) == (200, b"")
