"""Creates missing topics with their settings. Existing topics are never altered."""

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from contracts.topics import MAX_MESSAGE_BYTES, PARTITIONS, RETENTION_MS, Topic
from messaging.brokers import Brokers

log = structlog.get_logger()
COPIES = 3
"""Replicas of each partition. With fewer brokers there are as many replicas as brokers."""
SEGMENT_MS = 6 * 3600 * 1000
"""Kafka deletes whole segments by the age of their youngest message, so the oldest may live this much longer."""
DELETION_DELAY_MS = 3600 * 1000
"""Brokers check for old segments every few minutes and delete them a little later. This leaves room for both, and for
messages whose timestamp is older than their arrival."""
_AGE_MS = RETENTION_MS - SEGMENT_MS - DELETION_DELAY_MS
MIN_COMPACTION_LAG_MS = 3 * 24 * 3600 * 1000
"""A state stays readable for this long after the next one of its key: a redaction followed by a new sign-in must still
reach a service that was down in between."""


def build_config(topic: Topic) -> dict[str, str]:
    """Return the settings with which `topic` is created. No message lives longer than `RETENTION_MS`.

    The exception is the last message of each key on a compacted topic. There a segment is closed, and may then be
    cleaned, only when a later message follows it.
    """
    retention = (
        {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "min.compaction.lag.ms": str(MIN_COMPACTION_LAG_MS),
            "max.compaction.lag.ms": str(_AGE_MS),
        }
        if topic.compact
        else {"cleanup.policy": "delete", "retention.ms": str(_AGE_MS)}
    )
    return {"max.message.bytes": str(MAX_MESSAGE_BYTES + 64 * 1024), "segment.ms": str(SEGMENT_MS), **retention}


async def provision(brokers: Brokers, topics: tuple[Topic, ...]) -> None:
    """Create the missing ones of `topics`. Safe when several processes do so at once.

    Raises `UnavailableError`.
    """
    admin = AIOKafkaAdminClient(**brokers.client_options)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            await _create_topics(admin, missing)
    except KafkaError as error:
        raise await brokers.explain(error) from error
    finally:
        await admin.close()


async def _create_topics(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    copies = min(COPIES, len((await admin.describe_cluster())["brokers"]))
    response = await admin.create_topics(
        [NewTopic(topic.name, PARTITIONS, copies, topic_configs=build_config(topic)) for topic in topics]
    )
    for name, code, *details in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {details}")
    log.info("topics created", topics=[topic.name for topic in topics])
