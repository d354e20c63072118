"""The topic list: every Kafka topic, its key, its retention, and who may say what on it.

The key of every message is the connection (`platform:account`), the unit of ordering and of tenancy.
"""

from dataclasses import dataclass

PARTITIONS = 12
"""Set at provisioning and then fixed: partitions are where keys live."""

RETENTION_MS = 7 * 24 * 3600 * 1000
"""The longest that any message lives; a compacted topic's last one of each key apart."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message on any topic, in bytes before compression; the producer refuses above it."""

CONNECTION_CHANGED = "connection.changed"
SYNC_PROGRESSED = "sync.progressed"
DATA_FETCHED = "data.fetched"
DATA_FETCHED_WALK = "data.fetched.walk"
DATA_STORED = "data.stored"
DEAD_LETTER_SUFFIX = ".dlq"


def sync_requested(platform: str) -> str:
    """Topic of the quick lane of `platform`: what a webhook or a person waits for."""
    return f"sync.requested.{platform}"


def sync_requested_walk(platform: str) -> str:
    """Topic of the slow lane of `platform`: walk steps, said by the scheduler alone."""
    return f"sync.requested.{platform}.walk"


def dead_letters(topic: str) -> str:
    """Topic that keeps what could not be handled on `topic`."""
    return topic + DEAD_LETTER_SUFFIX


@dataclass(frozen=True)
class Topic:
    """A topic as it must be provisioned: `compact` keeps the last value of each key for ever."""

    name: str
    compact: bool = False


def every_topic(platforms: tuple[str, ...]) -> tuple[Topic, ...]:
    """All topics for these platforms, dead letters included."""
    said = [SYNC_PROGRESSED, DATA_FETCHED, DATA_FETCHED_WALK, DATA_STORED]
    for platform in platforms:
        said += [sync_requested(platform), sync_requested_walk(platform)]
    plain = [Topic(name) for name in said]
    lost = [Topic(dead_letters(name)) for name in [*said, CONNECTION_CHANGED]]
    return (Topic(CONNECTION_CHANGED, compact=True), *plain, *lost)
