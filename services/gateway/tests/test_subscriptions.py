"""Subscriptions are created and moved, and the webhook probe is sent, received and found in Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
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


def test_one_refused_topic_fails_the_status_and_is_named() -> None:
    good, bad = TopicOutcome(True, "registered"), TopicOutcome(False, "refused: no")
    status = build_webhook_status(WebhookReport({"A": good, "B": bad}), HERE)
    assert status["status"] == "failed"
    assert status["message"].startswith("1 of 2 topics") and status["message"].endswith("refused: B")


@asynccontextmanager
async def watch(is_found: bool) -> AsyncIterator[Any]:
    async def wait_for_message(sync_id: UUID, seconds: float) -> bool:
        return is_found

    yield wait_for_message


async def probe(shopify: Any, status: int | str, *, is_found: bool = False) -> dict[str, Any]:
    async def post(address: str, headers: dict[str, str], body: bytes) -> int:
        assert address == shopify.webhooks.address
        if isinstance(status, str):
            raise TransientError(status)
        return status

    return await run_probe(
        "shopify", shopify.webhooks, "acme.myshopify.com", post_probe=post, watch_topic=lambda topic: watch(is_found)
    )


async def test_a_failed_probe_names_its_likely_cause(shopify: Any) -> None:
    assert (await probe(shopify, 200, is_found=True))["status"] == "success"
    for status, hint in ((200, "nothing was seen"), (301, "redirect"), (401, "secret"), (404, "path"), (502, "log")):
        failed = await probe(shopify, status)
        assert failed["status"] == "failed"
        assert hint in failed["message"]
        assert status == 200 or str(status) in failed["message"]
    assert "name not known" in (await probe(shopify, "name not known"))["message"]


async def test_a_probe_without_kafka_fails_and_sends_nothing(shopify: Any) -> None:
    def fail_to_watch(topic: str) -> Any:
        raise UnavailableError("no broker")

    async def post(address: str, headers: dict[str, str], body: bytes) -> int:
        raise AssertionError("nothing may be sent unwatched")

    assert (
        await run_probe("shopify", shopify.webhooks, "acme.myshopify.com", post_probe=post, watch_topic=fail_to_watch)
    )["status"] == "failed"


async def ensure_subscriptions(world: Any, sync_id: Any, *, first: bool = False) -> Any:
    return await world.call_internal(
        f"/internal/connections/{NAME}/assert", {"sync_id": str(sync_id), "first": first}, "scheduler"
    )


async def wait_for_probe(world: Any, url: str) -> dict[str, Any]:
    """Waits until the probe of a sync has ended and returns the sync's document."""
    while True:
        document: dict[str, Any] = (await world.browser.get(url)).json()
        if document["webhook_test"]["status"] != "pending":
            return document


@pytest.mark.integration
async def test_a_first_sync_subscribes_and_sends_a_probe(world: Any) -> None:
    connected = await world.connect()
    response = await ensure_subscriptions(world, connected["sync_id"], first=True)
    assert (response.status_code, response.json()["status"]) == (200, "success")
    assert {s.address for s in world.shopify.subscriptions} == {"http://gateway.test/shopify/webhook"}
    document = await wait_for_probe(world, connected["sync_url"])
    assert document["webhook_status"]["topics"]["PRODUCTS_UPDATE"] == {"status": "success", "message": "registered"}
    assert document["webhook_test"]["status"] == "success"
    assert [request.cause for request in world.kafka.requests] == ["probe"]


@pytest.mark.integration
async def test_ensuring_subscriptions_again_creates_no_duplicates_and_moves_wrong_addresses(world: Any) -> None:
    await world.connect()
    await ensure_subscriptions(world, uuid4())
    count = len(world.shopify.subscriptions)
    world.shopify.subscriptions[0] = replace(world.shopify.subscriptions[0], address=THERE)
    again = (await ensure_subscriptions(world, uuid4())).json()["topics"]
    assert len(world.shopify.subscriptions) == count
    assert sorted({topic["message"] for topic in again.values()}) == ["already there", "moved"]


@pytest.mark.integration
async def test_one_refused_topic_does_not_affect_the_others(world: Any) -> None:
    await world.connect()
    world.shopify.refused_topics = {"DISCOUNTS_UPDATE"}
    response = (await ensure_subscriptions(world, uuid4())).json()
    assert response["status"] == "failed"
    failed = [topic for topic, outcome in response["topics"].items() if outcome["status"] == "failed"]
    assert failed == ["DISCOUNTS_UPDATE"]
    assert len(world.shopify.subscriptions) == len(response["topics"]) - 1


@pytest.mark.integration
async def test_ensuring_subscriptions_replaces_a_rejected_token(world: Any) -> None:
    await world.connect()
    world.shopify.valid_access_tokens.clear()
    assert (await ensure_subscriptions(world, uuid4())).status_code == 200
    assert world.shopify.refreshes == 1


@pytest.mark.integration
async def test_only_the_scheduler_ensures_subscriptions_and_only_of_connected_accounts(world: Any) -> None:
    assert (await ensure_subscriptions(world, uuid4())).status_code == 404
    await world.connect()
    body = {"sync_id": str(uuid4())}
    assert (await world.call_internal(f"/internal/connections/{NAME}/assert", body)).status_code == 403
    world.shopify.down = True
    await world.expire_token()
    assert (await ensure_subscriptions(world, uuid4())).status_code == 424
    world.shopify.down = False
    world.shopify.revoke_tokens()
    assert (await ensure_subscriptions(world, uuid4())).json() == {"state": "reauthorise"}


@pytest.mark.integration
async def test_a_closed_account_is_named_and_does_not_end_the_connection(world: Any) -> None:
    await world.connect()
    world.shopify.blocked = "frozen"
    await world.expire_token()
    for _ in range(2):  # the refresh of the token is refused first, then the call
        response = await ensure_subscriptions(world, uuid4())
        assert (response.status_code, response.json()) == (
            424,
            {"reason": "the account is frozen", "blocked": "frozen"},
        )
    assert (await world.call_internal("/internal/tokens", {"connection": NAME})).json()["blocked"] == "frozen"
    world.shopify.blocked = None
    assert (await ensure_subscriptions(world, uuid4())).status_code == 200
