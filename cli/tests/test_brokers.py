"""The operator's access to Kafka."""

import pytest

from merchant_sync.access import Access
from merchant_sync.operating.brokers import create_consumer


@pytest.mark.integration
async def test_a_consumer_is_closed_before_it_reads_as_where_there_are_no_topics(kafka: str) -> None:
    async with create_consumer(Access({"KAFKA_BOOTSTRAP_SERVERS": kafka})) as consumer:
        assert consumer.assignment() == set()
