"""Hints are taken by their token alone, and those of a moment become one request."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from contracts.events import SyncRequested
from gateway.hints.receiver import MAX_RECORDS, WAIT_SECONDS, HintReceiver
from gateway.hints.tokens import HintTokens
from messaging.outbox import OutboxRelay

NAME = "odoo:acme.odoo.com/acme"
TOKENS = HintTokens("a secret of thirty-two characters")


class Requests:
    """A receiver whose waits end when `go` is set, and the requests that it has made."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int, Mapping[str, tuple[str, ...]]]] = []
        self.waits: list[float] = []
        self.go = asyncio.Event()
        self.is_failing = False
        self.receiver = HintReceiver(self.request, sleep=self.sleep)

    async def request(self, name: str, epoch: int, records: Mapping[str, tuple[str, ...]]) -> None:
        if self.is_failing:
            raise ConnectionError("away")
        self.made.append((name, epoch, records))

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.go.wait()

    async def finish(self) -> None:
        self.go.set()
        await self.receiver.wait_until_requested()
        self.go.clear()


def test_a_token_names_its_connection_and_epoch() -> None:
    assert TOKENS.parse(TOKENS.make(NAME, 3)) == (NAME, 3)


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "ä.ä", TOKENS.make(NAME, 3)[:-2], "x" + TOKENS.make(NAME, 3)])
def test_a_token_that_was_not_made_here_names_nothing(token: str) -> None:
    assert TOKENS.parse(token) is None
    assert HintTokens("another secret of this length....").parse(TOKENS.make(NAME, 3)) is None


async def test_hints_of_a_moment_become_one_request() -> None:
    requests = Requests()
    for record_id in ("7", "8", "7"):
        requests.receiver.take(NAME, 1, {"products": (record_id,)})
    requests.receiver.take(NAME, 1, {"stock": ("9-8",)})
    await requests.finish()
    assert requests.made == [(NAME, 1, {"products": ("7", "8"), "stock": ("9-8",)})]
    assert requests.waits == [WAIT_SECONDS]


async def test_later_hints_and_those_of_another_connection_are_requests_of_their_own() -> None:
    requests = Requests()
    requests.receiver.take(NAME, 1, {"products": ("7",)})
    requests.receiver.take(f"{NAME}2", 1, {"products": ("7",)})
    await requests.finish()
    requests.receiver.take(NAME, 1, {"products": ("7",)})
    await requests.finish()
    assert [name for name, *_ in requests.made] == [NAME, f"{NAME}2", NAME]


async def test_a_flood_of_hints_is_cut_because_a_poll_brings_the_rest() -> None:
    requests = Requests()
    for number in range(3 * MAX_RECORDS):
        requests.receiver.take(NAME, 1, {"products": (str(number),)})
    await requests.finish()
    ((_, _, records),) = requests.made
    assert len(records["products"]) == MAX_RECORDS


async def test_a_hint_that_names_nothing_requests_nothing() -> None:
    requests = Requests()
    requests.receiver.take(NAME, 1, {})
    await requests.finish()
    assert (requests.made, requests.waits) == ([], [])


async def test_a_request_that_fails_stops_no_later_one() -> None:
    requests = Requests()
    requests.is_failing = True
    requests.receiver.take(NAME, 1, {"products": ("7",)})
    await requests.finish()
    requests.is_failing = False
    requests.receiver.take(NAME, 1, {"products": ("8",)})
    await requests.finish()
    assert requests.made == [(NAME, 1, {"products": ("8",)})]


async def connect_and_get_path(world: Any) -> str:
    """Connect an account, and return the path for hints about it."""
    values = {"database": "stock", "password": "a password of the warehouse"}
    assert (await world.browser.post("/warehouse/connect", json=values)).status_code == 200
    await world.drain_outbox()
    answer = await world.get_internal("/internal/connections/warehouse:stock/hint", "operator")
    return str(answer.json()["path"])


async def publish_requests(world: Any) -> list[SyncRequested]:
    await world.parts.hint_receiver.wait_until_requested()
    await OutboxRelay(world.database.transaction, world.kafka, source="gateway").publish_batch()
    return list(world.kafka.requests)


@pytest.mark.integration
async def test_a_hint_at_its_address_lets_the_record_be_read(world: Any) -> None:
    path = await connect_and_get_path(world)
    answer = await world.create_browser().post(path, content=b"7")
    assert answer.status_code == 204
    (request,) = await publish_requests(world)
    assert (request.connection, request.cause, request.records) == ("warehouse:stock", "hint", {"rows": ("7",)})


@pytest.mark.integration
async def test_a_hint_at_another_address_is_refused(world: Any) -> None:
    path = await connect_and_get_path(world)
    for wrong in (
        path[:-1],
        f"/warehouse/hint/{TOKENS.make('warehouse:stock', 1)}",
        path.replace("warehouse", "library"),
    ):
        assert (await world.browser.post(wrong, content=b"7")).status_code in (404, 405)
    assert (await world.browser.post(path, content=b"7" * 70_000)).status_code == 413
    assert await publish_requests(world) == []


@pytest.mark.integration
async def test_only_an_operator_sees_the_address_and_only_where_hints_are_taken(world: Any) -> None:
    await connect_and_get_path(world)
    assert (await world.get_internal("/internal/connections/warehouse:stock/hint", "scheduler")).status_code == 403
    assert (await world.get_internal("/internal/connections/odoo:a/b/hint", "operator")).status_code == 400
    assert (await world.get_internal("/internal/connections/warehouse:keys/hint", "operator")).status_code == 404
