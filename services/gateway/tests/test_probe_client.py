"""Watching a topic for a probe, on a real broker."""

from uuid import uuid4

import pytest

from contracts.events import SyncRequested
from contracts.topics import Topic
from gateway.webhooks.client import watch_topic
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage

NAME = "shopify:acme.myshopify.com"


@pytest.mark.integration
async def test_only_messages_after_the_start_of_the_watch_are_found(kafka: str) -> None:
    brokers = Brokers(kafka)
    topic = f"sync.requested.{uuid4().hex[:8]}"
    await create_missing_topics(brokers, (Topic(topic),))
    before, after = (
        SyncRequested(sync_id=uuid4(), connection=NAME, epoch=1, cause="test", records={}, requested_at=1)
        for _ in range(2)
    )
    async with EventPublisher(brokers, source="gateway") as publisher:
        await publisher.send(OutboundMessage(topic, NAME, before, str(before.sync_id)))
        async with watch_topic(brokers, topic) as wait_for_message:
            await publisher.send(OutboundMessage(topic, NAME, after, str(after.sync_id)))
            assert await wait_for_message(after.sync_id, 10)
        async with watch_topic(brokers, topic) as wait_for_message:
            assert not await wait_for_message(before.sync_id, 0.5)
    assert await brokers.check_health() is None


async def test_an_unreachable_broker_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1: "):
        async with watch_topic(Brokers("127.0.0.1:1"), "nothing"):
            pass
