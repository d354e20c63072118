"""The change feed over HTTP: a copy that is held by it, long polls, resets, and what other merchants see of it."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from api_builders import ACME, OTHER, make_connection
from contracts.feed_cursors import FeedCursor
from stream_server import open_stream, wait_until
from v1_server import OTHER_KEY, OTHER_ROOT, ROOT, V1

KEYED = {"X-API-Key": "msk_0123456789abcdefghijklmnopqrstuv"}


class Copy:
    """A copy of a connection as a reader holds it: the newest of each record, deleted ones too, until a reset."""

    def __init__(self, v1: V1) -> None:
        self.v1 = v1
        self.cursor = ""
        self.records: dict[tuple[str, str], tuple[int, Any]] = {}
        self.older = 0

    async def begin(self, between: Any) -> None:
        """Take the head, then list all records. `between` is awaited after each request. A reset begins it anew."""
        is_reset = True
        while is_reset:
            self.records = {}
            self.cursor = (await self.v1.get("/changes/head")).json()["cursor"]
            await between()
            is_reset = not all([await self.list_records(resource, between) for resource in ("products", "orders")])

    async def list_records(self, resource: str, between: Any) -> bool:
        """Read all pages of a list, and return whether it came to its end, and not to a reset."""
        query = {"limit": "3"}
        while True:
            response = await self.v1.get(f"/records/{resource}", **query)
            if response.status_code == 410:
                return False
            for record in response.json()["records"]:
                self.apply(record, record["data"])
            await between()
            if response.json()["next_cursor"] is None:
                return True
            query["cursor"] = response.json()["next_cursor"]

    async def read_changes(self, limit: int = 3) -> bool:
        """Read one page of changes, and return whether more are there. Begin anew after a reset."""
        response = await self.v1.get("/changes", cursor=self.cursor, limit=limit)
        if response.status_code == 410:
            assert response.json()["status"] == "reset"
            await self.begin(_do_nothing)
            return True
        page = response.json()
        numbers = [change["sequence"] for change in page["changes"]]
        assert numbers == sorted(numbers)
        assert len({(change["resource"], change["id"]) for change in page["changes"]}) == len(numbers)
        for change in page["changes"]:
            self.apply(change, change["data"])
        self.cursor = page["next_cursor"]
        return bool(page["has_more"])

    def apply(self, record: dict[str, Any], data: Any) -> None:
        key = record["resource"], record["id"]
        if key in self.records and self.records[key][0] >= record["sequence"]:
            self.older += 1
        else:
            self.records[key] = record["sequence"], data

    @property
    def living(self) -> dict[tuple[str, str], Any]:
        return {key: data for key, (_, data) in self.records.items() if data is not None}


async def _do_nothing() -> None:
    return None


@pytest.mark.parametrize("seed", range(12))
async def test_a_copy_held_by_the_recipe_equals_the_truth(v1: V1, seed: int) -> None:
    choice = random.Random(seed)

    async def happen() -> None:
        """Let some edits and deletions happen, and rarely a restore from a backup or a deletion of everything."""
        for _ in range(choice.randint(0, 5)):
            resource, record_id = choice.choice(("products", "orders")), str(choice.randint(0, 15))
            body = None if choice.random() < 0.3 else {"n": choice.randint(0, 99)}
            await v1.feed.write(record_id, body, resource=resource)
        if choice.random() < 0.05:
            await choice.choice((v1.feed.renew, v1.feed.erase))()
        if choice.random() < 0.2:
            await v1.feed.skip_numbers(choice.randint(1, 3))

    copy = Copy(v1)
    await happen()
    await copy.begin(happen)
    for _ in range(20):
        await copy.read_changes(choice.randint(1, 6))
        await happen()
    while await copy.read_changes():
        pass
    assert copy.living == await v1.feed.load_truth()


async def test_a_copy_held_by_streams_that_break_equals_the_truth(v1: V1) -> None:
    choice = random.Random(7)
    copy = Copy(v1)
    await copy.begin(_do_nothing)
    done = asyncio.Event()

    async def edit() -> None:
        for number in range(300):
            body = None if choice.random() < 0.3 else {"n": number}
            await v1.feed.write(str(choice.randint(0, 15)), body)
            if number % 3 == 0:
                await v1.notice()
        await v1.notice()
        done.set()

    editing = asyncio.create_task(edit())
    while not done.is_set() or copy.cursor != (await v1.get("/changes/head")).json()["cursor"]:
        headers = {**KEYED, "Last-Event-ID": copy.cursor}
        async with open_stream(v1.port, f"{ROOT}/changes/stream", headers) as stream:
            for _ in range(choice.randint(1, 30)):
                if done.is_set() and copy.cursor == (await v1.get("/changes/head")).json()["cursor"]:
                    break
                event = await stream.read_event()
                assert event is not None and event.event == "change"
                copy.apply(event.data, event.data["data"])
                copy.cursor = event.id
    await editing
    assert copy.living == await v1.feed.load_truth()
    assert copy.older == 0


async def test_an_empty_page_has_the_cursor_to_go_on_from(v1: V1) -> None:
    head = (await v1.get("/changes/head")).json()["cursor"]
    await v1.feed.write("1", {}, resource="orders")
    page = (await v1.get("/changes", cursor=head, resources="products")).json()
    assert page["changes"] == [] and page["has_more"] is False
    assert page["next_cursor"] == (await v1.get("/changes/head")).json()["cursor"] != head


async def test_changes_without_data_say_what_has_changed(v1: V1) -> None:
    head = (await v1.get("/changes/head")).json()["cursor"]
    sequence = await v1.feed.write("1", {"n": 1})
    page = (await v1.get("/changes", cursor=head, data="false")).json()
    assert page["changes"] == [{"sequence": sequence, "resource": "products", "id": "1", "operation": "create"}]


async def test_a_long_poll_is_answered_by_the_change_that_it_waits_for(v1: V1) -> None:
    head = (await v1.get("/changes/head")).json()["cursor"]
    polling = asyncio.create_task(v1.get("/changes", cursor=head, wait=25, resources="products"))
    await wait_until(lambda: bool(v1.state._feed_changes._signals))
    await v1.feed.write("1", {}, resource="orders")
    await v1.notice()
    await v1.feed.write("2", {})
    await v1.notice()
    page = (await asyncio.wait_for(polling, 20)).json()
    assert [change["id"] for change in page["changes"]] == ["2"]


async def test_a_long_poll_ends_when_its_reader_loses_the_right(v1: V1) -> None:
    head = (await v1.get("/changes/head")).json()["cursor"]
    polling = asyncio.create_task(v1.get("/changes", cursor=head, wait=25))
    await wait_until(lambda: bool(v1.state._feed_changes._signals))
    v1.state.apply_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    assert (await asyncio.wait_for(polling, 20)).status_code == 404


async def test_a_long_poll_without_a_change_is_empty(v1: V1) -> None:
    head = (await v1.get("/changes/head")).json()["cursor"]
    page = (await v1.get("/changes", cursor=head, wait=0.1)).json()
    assert (page["changes"], page["next_cursor"]) == ([], head)


@pytest.mark.parametrize("kind", ["feed", "epoch", "ahead", "erased"])
async def test_a_cursor_from_which_nothing_can_go_on_is_reset(v1: V1, kind: str) -> None:
    await v1.feed.write("1", {})
    head = FeedCursor.decode((await v1.get("/changes/head")).json()["cursor"])
    if kind == "erased":
        await v1.feed.erase()
    cursor = {
        "feed": FeedCursor(UUID(int=1), head.epoch, head.sequence),
        "epoch": FeedCursor(head.feed, head.epoch - 1, head.sequence),
        "ahead": FeedCursor(head.feed, head.epoch, head.sequence + 1),
        "erased": head,
    }[kind].encode()
    response = await v1.get("/changes", cursor=cursor)
    assert response.status_code == 410 and response.headers["content-type"] == "application/problem+json"
    assert (response.json()["status"], response.json()["restart"]) == ("reset", f"/v1/connections/{ACME}/changes/head")
    async with open_stream(v1.port, f"{ROOT}/changes/stream", {**KEYED, "Last-Event-ID": cursor}) as stream:
        assert [event.event for event in await stream.read_to_end()] == ["reset"]


async def test_the_database_of_another_epoch_is_not_shown(v1: V1) -> None:
    await v1.feed.write("1", {})
    await v1.feed.raise_epoch()
    for path in ("/records/products", "/records/products/1", "/changes/head"):
        assert (await v1.get(path)).status_code == 503


async def test_a_stream_begins_now_and_has_what_comes(v1: V1) -> None:
    await v1.feed.write("1", {"n": 1})
    async with open_stream(v1.port, f"{ROOT}/changes/stream?data=false", KEYED) as stream:
        # Its end closes the connection: no other request may be sent on it.
        assert stream.headers["connection"] == "close"
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-store", "no")
        await wait_until(lambda: v1.streams.size >= 1)
        await v1.feed.write("2", {"n": 2})
        await v1.notice()
        event = await stream.read_event()
    assert event is not None and (event.data["id"], "data" in event.data) == ("2", False)


async def test_a_key_has_only_so_many_streams_and_closed_ones_do_not_count(v1: V1) -> None:
    for _ in range(30):
        async with open_stream(v1.port, f"{ROOT}/changes/stream", KEYED) as stream:
            assert stream.status == 200
        await wait_until(lambda: not v1.streams.size)
    streams = [open_stream(v1.port, f"{ROOT}/changes/stream", KEYED) for _ in range(20)]
    for stream in streams:
        await stream.__aenter__()
    assert (await v1.get("/changes/stream")).status_code == 429
    for stream in streams:
        await stream.__aexit__(None, None, None)


async def test_a_revoked_key_ends_its_streams_and_no_other(v1: V1) -> None:
    await v1.feed.connect(OTHER)
    other = {"X-API-Key": OTHER_KEY}
    async with (
        open_stream(v1.port, f"{ROOT}/changes/stream", KEYED) as mine,
        open_stream(v1.port, f"{OTHER_ROOT}/changes/stream", other) as others,
    ):
        await wait_until(lambda: v1.streams.size >= 2)
        v1.revoke(ACME)
        [end] = await mine.read_to_end()
        assert (end.event, end.data["reason"]) == ("end", "access")
        await v1.feed.write("1", {}, connection=OTHER)
        await v1.notice(OTHER)
        event = await others.read_event()
        assert event is not None and event.event == "change"


@pytest.mark.parametrize(
    ("state", "expected"), [({"state": "redacted", "redacted_epoch": 2}, "reset"), ({"state": "uninstalled"}, "end")]
)
async def test_the_end_of_a_connection_ends_its_streams(v1: V1, state: dict[str, Any], expected: str) -> None:
    async with open_stream(v1.port, f"{ROOT}/changes/stream", KEYED) as stream:
        await wait_until(lambda: v1.streams.size >= 1)
        v1.state.apply_connection(make_connection(revision=2, epoch=2, **state))
        assert [event.event for event in await stream.read_to_end()] == [expected]


async def test_nothing_of_another_merchant_is_seen(v1: V1) -> None:
    await v1.feed.connect(OTHER)
    await v1.feed.fill(3, connection=OTHER)
    theirs = (await v1.get(f"{OTHER_ROOT}/records/products", key=OTHER_KEY, limit=1)).json()["next_cursor"]
    head = (await v1.get(f"{OTHER_ROOT}/changes/head", key=OTHER_KEY)).json()["cursor"]
    absent = "/v1/connections/shop-platform:nobody.example"
    for path in (
        "/records/products",
        "/records/products/0000001",
        f"/records/products?cursor={theirs}&limit=1",
        "/changes/head",
        f"/changes?cursor={head}",
        "/changes/stream",
    ):
        foreign, unknown = await v1.get(OTHER_ROOT + path), await v1.get(absent + path)
        assert foreign.status_code == 404, path
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert (await v1.get("/records/products", cursor=theirs, limit=1)).status_code == 400
    assert (await v1.get("/records/products/0000001")).status_code == 404
    assert (await v1.get("/changes", cursor=head)).status_code == 410
    for number in range(5):
        await v1.feed.write(str(number), {"mine": number})
    mine = (await v1.get("/changes", cursor=head)).json()["changes"]
    assert [change["data"] for change in mine] == [{"mine": 3}, {"mine": 4}]


@pytest.mark.parametrize(("last_id", "status"), [("x", 400), ("1.2.3", 400), (f"{'0' * 32}.1.1", 200), ("", 200)])
async def test_what_the_document_says_of_last_event_id_is_true(
    v1: V1, document: dict[str, Any], last_id: str, status: int
) -> None:
    described = document["paths"]["/v1/connections/{connection}/changes/stream"]["get"]["parameters"]
    [parameter] = [one for one in described if one["name"] == "Last-Event-ID"]
    assert Draft202012Validator(parameter["schema"]).is_valid(last_id) is (status == 200)
    async with open_stream(v1.port, f"{ROOT}/changes/stream", {**KEYED, "Last-Event-ID": last_id}) as stream:
        assert stream.status == status
