"""Creates the Kafka topics that do not exist yet. Existing topics are never altered.

Where brokers have ACLs, the topics are made by `deploy/kafka/setup.sh` instead, together with the users and the ACLs.
"""

from collections.abc import Iterable

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from contracts.topics import MAX_MESSAGE_BYTES, PARTITIONS, Topic
from messaging.brokers import Brokers
from messaging.errors import UnavailableError

log = structlog.get_logger()
REPLICATION_FACTOR = 3
"""The number of replicas of each partition. With fewer brokers there are as many replicas as brokers."""
SEGMENT_MS = 6 * 3600 * 1000
"""The longest time in ms for which messages are added to one log segment. Kafka deletes a segment as a whole when its
newest message is old enough, so its oldest message may be kept this much longer."""
MIN_SEGMENTS = 12
"""The number of segments to which a topic's messages are added at least, so that the time for which one is kept is
nearly the topic's retention."""
DELETION_DELAY_MS = 3600 * 1000
"""The time in ms that is reserved for the delay of a deletion. Brokers check for old segments only every few minutes
and delete a segment a little later. Moreover, a message's timestamp may be earlier than its arrival."""


def build_config(topic: Topic) -> dict[str, str]:
    """Return the Kafka settings with which `topic` is created. They keep no message longer than its retention.

    There are two exceptions on a compacted topic. The last message of each key is kept for ever. And older messages may
    be kept longer if no new message arrives, because Kafka compacts a segment only after a message that follows it.
    """
    segment_ms = min(SEGMENT_MS, topic.retention_ms // MIN_SEGMENTS)
    age_ms = topic.retention_ms - segment_ms - DELETION_DELAY_MS
    retention = (
        {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "min.compaction.lag.ms": str(topic.compaction_lag_ms),
            "max.compaction.lag.ms": str(age_ms),
        }
        if topic.compact
        else {"cleanup.policy": "delete", "retention.ms": str(age_ms)}
    )
    return {"max.message.bytes": str(MAX_MESSAGE_BYTES + 64 * 1024), "segment.ms": str(segment_ms), **retention}


async def ensure_topics(brokers: Brokers, topics: tuple[Topic, ...], *, service: str) -> None:
    """Create those of `topics` that do not exist yet, unless Kafka's ACLs forbid it.

    Where they do, raise `UnavailableError` if there is a topic missing that `service` writes or reads. Kafka does not
    show it the others.
    """
    try:
        await create_missing_topics(brokers, topics)
    except TopicsForbiddenError as error:
        own = {topic.name for topic in topics if service in (*topic.producers, *topic.consumers, *topic.observers)}
        if missing := sorted(own & error.missing):
            raise UnavailableError(
                f"Kafka: {', '.join(missing)} missing, and this user may create no topics: run deploy/kafka/setup.sh"
            ) from error


class TopicsForbiddenError(UnavailableError):
    """Raised when Kafka's ACLs forbid the user to create topics. `missing` are the topics that it does not see."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"Kafka: this user may not create {', '.join(sorted(self.missing))}")


async def create_missing_topics(brokers: Brokers, topics: tuple[Topic, ...]) -> None:
    """Create those of `topics` that do not exist yet. Several processes may call this at the same time.

    Raises `UnavailableError` when Kafka does not answer or refuses to create a topic; where its ACLs are why, that is a
    `TopicsForbiddenError`.
    """
    admin = AIOKafkaAdminClient(**brokers.client_options)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            await _create_topics(admin, missing)
    except KafkaError as error:
        raise await brokers.explain_error(error) from error
    finally:
        await admin.close()


async def _create_topics(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    replicas = min(REPLICATION_FACTOR, len((await admin.describe_cluster())["brokers"]))
    response = await admin.create_topics(
        [NewTopic(topic.name, PARTITIONS, replicas, topic_configs=build_config(topic)) for topic in topics]
    )
    for name, code, *details in response.topic_errors:
        error = for_code(code)
        if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
            raise TopicsForbiddenError(topic.name for topic in topics)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {details}")
    log.info("topics created", topics=[topic.name for topic in topics])
