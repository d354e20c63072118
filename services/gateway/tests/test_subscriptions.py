"""Subscriptions compared, made and moved; the webhook test, from its delivery to its sight in Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.webhooks.probe import run_probe
from gateway.webhooks.status import build_webhook_status
from messaging.errors import UnavailableError
from platform_sdk.adapters import TopicOutcome, WebhookReport
from platform_sdk.errors import TransientError

NAME = "shopify:acme.myshopify.com"
HERE, THERE = "https://here.example/w", "https://there.example/w"


def test_one_refused_topic_fails_the_whole_by_name() -> None:
    good, bad = TopicOutcome(True, "registered"), TopicOutcome(False, "refused: no")
    whole = build_webhook_status(WebhookReport({"A": good, "B": bad}), HERE)
    assert whole["status"] == "failed"
    assert whole["message"].startswith("1 of 2 topics") and whole["message"].endswith("refused: B")


@asynccontextmanager
async def seeing(found: bool) -> AsyncIterator[Any]:
    async def seen(sync_id: UUID, seconds: float) -> bool:
        return found

    yield seen


async def outcome(shopify: Any, status: int | str, *, found: bool = False) -> dict[str, Any]:
    async def post(address: str, headers: dict[str, str], body: bytes) -> int:
        assert address == shopify.webhooks.address
        if isinstance(status, str):
            raise TransientError(status)
        return status

    return await run_probe(
        "shopify", shopify.webhooks, "acme.myshopify.com", post_probe=post, watch_topic=lambda topic: seeing(found)
    )


async def test_the_webhook_test_says_what_to_look_at(shopify: Any) -> None:
    assert (await outcome(shopify, 200, found=True))["status"] == "success"
    for status, hint in ((200, "nothing was seen"), (301, "redirect"), (401, "secret"), (404, "path"), (502, "log")):
        failed = await outcome(shopify, status)
        assert failed["status"] == "failed"
        assert hint in failed["message"]
        assert status == 200 or str(status) in failed["message"]
    assert "name not known" in (await outcome(shopify, "name not known"))["message"]


async def test_the_webhook_test_survives_kafkas_absence(shopify: Any) -> None:
    def away(topic: str) -> Any:
        raise UnavailableError("no broker")

    async def post(address: str, headers: dict[str, str], body: bytes) -> int:
        raise AssertionError("nothing may be sent unwatched")

    assert (await run_probe("shopify", shopify.webhooks, "acme.myshopify.com", post_probe=post, watch_topic=away))[
        "status"
    ] == "failed"


async def asserted(world: Any, sync_id: Any, *, first: bool = False) -> Any:
    return await world.ask(
        f"/internal/connections/{NAME}/assert", {"sync_id": str(sync_id), "first": first}, "scheduler"
    )


async def settled(world: Any, url: str) -> dict[str, Any]:
    """The sync's document once its webhook test has ended."""
    while True:
        document: dict[str, Any] = (await world.browser.get(url)).json()
        if document["webhook_test"]["status"] != "pending":
            return document


@pytest.mark.integration
async def test_a_first_sync_subscribes_and_tries_the_way(world: Any) -> None:
    connected = await world.connect()
    answer = await asserted(world, connected["sync_id"], first=True)
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    assert {s.address for s in world.shopify.subscribed} == {"http://gateway.test/shopify/webhook"}
    document = await settled(world, connected["sync_url"])
    assert document["webhook_status"]["topics"]["PRODUCTS_UPDATE"] == {"status": "success", "message": "registered"}
    assert document["webhook_test"]["status"] == "success"
    assert [request.cause for request in world.kafka.requests] == ["probe"]


@pytest.mark.integration
async def test_asserting_again_makes_nothing_twice_and_moves_what_lies_elsewhere(world: Any) -> None:
    await world.connect()
    await asserted(world, uuid4())
    made = len(world.shopify.subscribed)
    await world.shopify.move_subscription(
        "", next(iter(world.shopify.good_access)), world.shopify.subscribed[0].id, THERE
    )
    again = (await asserted(world, uuid4())).json()["topics"]
    assert len(world.shopify.subscribed) == made
    assert sorted({topic["message"] for topic in again.values()}) == ["already there", "moved"]


@pytest.mark.integration
async def test_one_refused_topic_costs_no_other(world: Any) -> None:
    await world.connect()
    world.shopify.refused_topics = {"DISCOUNTS_UPDATE"}
    answer = (await asserted(world, uuid4())).json()
    assert answer["status"] == "failed"
    failed = [topic for topic, one in answer["topics"].items() if one["status"] == "failed"]
    assert failed == ["DISCOUNTS_UPDATE"]
    assert len(world.shopify.subscribed) == len(answer["topics"]) - 1


@pytest.mark.integration
async def test_an_assertion_replaces_a_refused_token(world: Any) -> None:
    await world.connect()
    world.shopify.good_access.clear()
    assert (await asserted(world, uuid4())).status_code == 200
    assert world.shopify.refreshes == 1


@pytest.mark.integration
async def test_only_the_scheduler_may_assert_and_only_what_is_live(world: Any) -> None:
    assert (await asserted(world, uuid4())).status_code == 404
    await world.connect()
    body = {"sync_id": str(uuid4())}
    assert (await world.ask(f"/internal/connections/{NAME}/assert", body)).status_code == 403
    world.shopify.down = True
    await world.expire()
    assert (await asserted(world, uuid4())).status_code == 424
    world.shopify.down = False
    world.shopify.revoke_tokens()
    assert (await asserted(world, uuid4())).json() == {"state": "reauthorise"}
