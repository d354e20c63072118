"""Topics as they must be: made when missing, never altered."""

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from contracts.topics import MAX_MESSAGE_BYTES, PARTITIONS, RETENTION_MS, Topic
from messaging.errors import KafkaAway

log = structlog.get_logger()


def _new(topic: Topic, replication: int) -> NewTopic:
    configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES + 64 * 1024)}
    if topic.compact:
        configs |= {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    else:
        configs |= {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
    return NewTopic(topic.name, PARTITIONS, replication, topic_configs=configs)


async def provision(bootstrap_servers: str, topics: tuple[Topic, ...], *, replication: int = -1) -> None:
    """Make the missing ones of `topics` with 12 partitions; `replication` -1 is the broker's default."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        there = set(await admin.list_topics())
        missing = [_new(topic, replication) for topic in topics if topic.name not in there]
        if missing:
            await admin.create_topics(missing)
            log.info("topics made", topics=[topic.name for topic in missing])
    except TopicAlreadyExistsError:
        return
    except KafkaError as error:
        raise KafkaAway(repr(error)) from error
    finally:
        await admin.close()
