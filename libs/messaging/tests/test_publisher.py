from aiokafka.partitioner import DefaultPartitioner

from messaging.publisher import select_producer_partition


def test_a_key_goes_to_the_partition_that_every_kafka_client_selects() -> None:
    partitions = list(range(12))
    keys = [f"shopify:shop-{n}.myshopify.com".encode() for n in range(200)]
    assert [select_producer_partition(key, partitions, partitions) for key in keys] == [
        DefaultPartitioner()(key, partitions, partitions) for key in keys
    ]
