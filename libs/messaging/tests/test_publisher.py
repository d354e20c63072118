from aiokafka.partitioner import DefaultPartitioner

from messaging.publisher import partition_of


def test_a_key_lies_where_every_client_looks_for_it() -> None:
    partitions = list(range(12))
    keys = [f"shopify:shop-{n}.myshopify.com".encode() for n in range(200)]
    assert [partition_of(key, partitions, partitions) for key in keys] == [
        DefaultPartitioner()(key, partitions, partitions) for key in keys
    ]
