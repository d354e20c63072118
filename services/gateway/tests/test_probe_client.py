"""The short look into Kafka, on a real broker."""

from uuid import uuid4

import pytest

from contracts.events import SyncRequested
from contracts.topics import Topic
from gateway.webhooks.client import watch_topic
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import provision_topics
from messaging.publisher import EventPublisher, OutboundMessage

NAME = "shopify:acme.myshopify.com"


@pytest.mark.integration
async def test_what_comes_after_the_look_began_is_seen(kafka: str) -> None:
    brokers = Brokers(kafka)
    topic = f"sync.requested.{uuid4().hex[:8]}"
    await provision_topics(brokers, (Topic(topic),))
    before, after = (
        SyncRequested(sync_id=uuid4(), connection=NAME, epoch=1, cause="test", records={}, requested_at=1)
        for _ in range(2)
    )
    async with EventPublisher(brokers, source="gateway") as publisher:
        await publisher.send(OutboundMessage(topic, NAME, before, str(before.sync_id)))
        async with watch_topic(brokers, topic) as seen:
            await publisher.send(OutboundMessage(topic, NAME, after, str(after.sync_id)))
            assert await seen(after.sync_id, 10)
        async with watch_topic(brokers, topic) as seen:
            assert not await seen(before.sync_id, 0.5)
    assert await brokers.check_health() is None


async def test_a_broker_that_is_not_there_is_said_to_be_away() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1: "):
        async with watch_topic(Brokers("127.0.0.1:1"), "nothing"):
            pass
