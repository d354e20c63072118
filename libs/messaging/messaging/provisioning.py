"""Topics as they must be: made when missing, never altered."""

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from contracts.topics import MAX_MESSAGE_BYTES, PARTITIONS, RETENTION_MS, Topic
from messaging.brokers import Brokers

log = structlog.get_logger()
COPIES = 3
"""Replicas of each partition where there are as many brokers."""
SEGMENT_MS = 6 * 3600 * 1000
"""Logs go by whole segments, a segment by its youngest message: its oldest may be so much older."""
LOOKS_MS = 3600 * 1000
"""Brokers look every few minutes, and delete a little later; with room for messages that were still on their way."""
_AGE_MS = RETENTION_MS - SEGMENT_MS - LOOKS_MS
HEARD_MS = 3 * 24 * 3600 * 1000
"""So long a state stays readable after the next one: a redaction that a sign-in follows is no state to pass over, and
a service that was down hears of it."""


def build_config(topic: Topic) -> dict[str, str]:
    """How a topic is made. No message lives longer than `RETENTION_MS`, the last one of each key in a compacted topic
    apart; there, a segment is closed, and so comes up for cleaning, only when a later message follows it."""
    kept = (
        {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "min.compaction.lag.ms": str(HEARD_MS),
            "max.compaction.lag.ms": str(_AGE_MS),
        }
        if topic.compact
        else {"cleanup.policy": "delete", "retention.ms": str(_AGE_MS)}
    )
    return {"max.message.bytes": str(MAX_MESSAGE_BYTES + 64 * 1024), "segment.ms": str(SEGMENT_MS), **kept}


def _new(topic: Topic, copies: int) -> NewTopic:
    return NewTopic(topic.name, PARTITIONS, copies, topic_configs=build_config(topic))


async def provision(brokers: Brokers, topics: tuple[Topic, ...]) -> None:
    """Make the missing ones of `topics` with 12 partitions. Safe for many at once. Raises `KafkaAway`."""
    admin = AIOKafkaAdminClient(**brokers.client_options)
    try:
        await admin.start()
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            await _make(admin, missing)
    except KafkaError as error:
        raise await brokers.explain(error) from error
    finally:
        await admin.close()


async def _make(admin: AIOKafkaAdminClient, missing: list[Topic]) -> None:
    brokers = len((await admin.describe_cluster())["brokers"])
    answer = await admin.create_topics([_new(topic, min(COPIES, brokers)) for topic in missing])
    for name, code, *said in answer.topic_errors:
        kind = for_code(code)
        if code and kind is not TopicAlreadyExistsError:
            raise kind(f"{name}: {said}")
    log.info("topics made", topics=[topic.name for topic in missing])
