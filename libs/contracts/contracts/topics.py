"""All Kafka topics, with their retention, events, producers and consumers.

The key of every message is the merchant's connection (`platform:account`). So messages of one connection keep their
order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from contracts.events import (
    ConnectionChanged,
    DataStored,
    DirectReadCompleted,
    Event,
    FullReadCompleted,
    FullSyncStepRequested,
    IdsListed,
    IncrementalReadCompleted,
    KeysChanged,
    LinkChanged,
    RangeCompleted,
    ReadRequested,
    RecordChanged,
    RecordsPage,
    RecordsRead,
    SyncChanged,
    SyncProgressed,
    SyncRequested,
    WriteCompleted,
    WriteRequested,
)

PARTITIONS = 12
"""The number of partitions of each topic. It never changes, because the partition of a key depends on it."""

RETENTION_MS = 7 * 24 * 3600 * 1000
"""The longest time in ms that a message is kept. The latest message of each key on a compacted topic is kept longer."""
COMPACTION_LAG_MS = 3 * 24 * 3600 * 1000
"""The shortest time in ms that a connection's state is kept after a newer one. When a merchant is redacted and then
connects again, a service that was down must still receive the redaction."""
FEED_RETENTION_MS = 24 * 3600 * 1000
"""The longest time in ms that a message for readers is kept. The records themselves are in the spaces-writer's
published views; of compacted topics the latest message is kept, and a reader that starts has few older ones to read."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The largest size of a message in bytes, before compression. The producer refuses larger messages."""

DATA_API = "data-api"
LINKER = "linker"
OPERATOR = "operator"
"""The user of the operator's command. It sees all topics and groups, reads dead letters, and writes them back."""

CONNECTION_CHANGED = "connection.changed"
DATA_STORED = "data.stored"
RECORD_CHANGED = "record.changed"
READ_REQUESTED = "read.requested"
RECORDS_READ = "records.read"
SYNC_CHANGED = "sync.changed"
KEY_CHANGED = "key.changed"
LINK_CHANGED = "link.changed"
DEAD_LETTER_SUFFIX = ".dlq"
_PLATFORM_TOPIC = re.compile(
    r"(?:sync\.(?:requested|progressed)|data\.fetched|write\.(?:requested|completed))\.([^.]+)(?:\.full|\.stock)?"
)


def get_sync_topic(platform: str) -> str:
    """Return the name of the topic with the requests for incremental syncs of `platform`."""
    return f"sync.requested.{platform}"


def get_full_sync_topic(platform: str) -> str:
    """Return the name of the topic with the requests for steps (bounded parts) of full syncs of `platform`."""
    return f"sync.requested.{platform}.full"


def get_progress_topic(platform: str) -> str:
    """Return the name of the topic on which the fetcher of `platform` reports the progress of syncs."""
    return f"sync.progressed.{platform}"


def get_fetched_topic(platform: str) -> str:
    """Return the name of the topic with the records of `platform` that incremental syncs have read."""
    return f"data.fetched.{platform}"


def get_full_fetched_topic(platform: str) -> str:
    """Return the name of the topic with the records of `platform` that full syncs have read."""
    return f"data.fetched.{platform}.full"


def get_write_topic(platform: str) -> str:
    """Return the name of the topic with the requests for writes to `platform`."""
    return f"write.requested.{platform}"


def get_stock_write_topic(platform: str) -> str:
    """Return the name of the topic with the requests for writes of stock to `platform`: it overtakes other writes."""
    return f"write.requested.{platform}.stock"


def get_written_topic(platform: str) -> str:
    """Return the name of the topic on which the writer of `platform` says what came of writes."""
    return f"write.completed.{platform}"


def parse_topic_platform(topic: str) -> str | None:
    """Return the platform to which a topic or its dead letter topic belongs; None for a topic of all platforms."""
    match = _PLATFORM_TOPIC.fullmatch(topic.removesuffix(DEAD_LETTER_SUFFIX))
    return match[1] if match else None


def get_dead_letter_topic(topic: str) -> str:
    """Return the name of the dead letter topic for messages of `topic` that could not be handled."""
    return topic + DEAD_LETTER_SUFFIX


@dataclass(frozen=True)
class Topic:
    """The definition of a topic, from which it is created and documented.

    A topic with `compact` keeps the latest message of each key for ever, and others for `compaction_lag_ms` at least
    and about `retention_ms` at most. Any other topic keeps no message longer than `retention_ms`. `producers` and
    `consumers` are names of services; `observers` are services that read messages without a consumer group. `events` is
    empty for a dead letter topic, because such a topic may hold any message of the topic that it belongs to.
    """

    name: str
    compact: bool = False
    compaction_lag_ms: int = 0
    retention_ms: int = RETENTION_MS
    description: str = ""
    producers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    events: tuple[type[Event], ...] = ()


def list_topics(platforms: tuple[str, ...], destinations: tuple[str, ...] = ()) -> tuple[Topic, ...]:
    """Return the definitions of all topics: of each of `platforms`, and all dead letter topics.

    `destinations` are the platforms among them that links write to.
    """
    topics = (*_build_topics(platforms), *(topic for one in destinations for topic in _build_write_topics(one)))
    return (*topics, *(_build_dead_letter_topic(topic) for topic in topics if topic.consumers))


def _build_topics(platforms: tuple[str, ...]) -> Iterator[Topic]:
    writer = ("spaces-writer",)
    yield Topic(
        CONNECTION_CHANGED,
        compact=True,
        compaction_lag_ms=COMPACTION_LAG_MS,
        description="the full state of a connection",
        producers=("gateway",),
        consumers=("scheduler", *writer, LINKER),
        observers=(DATA_API,),
        events=(ConnectionChanged,),
    )
    for platform in platforms:
        yield from _build_platform_topics(platform, writer)
    yield Topic(
        DATA_STORED,
        description="what was stored: totals, sync results, records to verify, uploads, erasures",
        producers=writer,
        consumers=("scheduler",),
        observers=(DATA_API,),
        events=(DataStored,),
    )
    yield from _build_feed_topics(writer)


def _build_feed_topics(writer: tuple[str, ...]) -> Iterator[Topic]:
    """Yield the topics that tell readers what has changed, and what services must know to answer or to link them."""
    yield Topic(
        RECORD_CHANGED,
        retention_ms=FEED_RETENTION_MS,
        description="the change feed: records that were created, updated or deleted, in order",
        producers=writer,
        consumers=(LINKER,),
        observers=(DATA_API, OPERATOR),
        events=(RecordChanged,),
    )
    yield Topic(
        READ_REQUESTED,
        retention_ms=FEED_RETENTION_MS,
        description="publish the whole state of this connection",
        producers=(LINKER, OPERATOR),
        consumers=writer,
        events=(ReadRequested,),
    )
    yield Topic(
        RECORDS_READ,
        retention_ms=FEED_RETENTION_MS,
        description="the whole state of a connection, on request",
        producers=writer,
        consumers=(LINKER,),
        observers=(OPERATOR,),
        events=(RecordsRead,),
    )
    yield Topic(
        SYNC_CHANGED,
        compact=True,
        retention_ms=FEED_RETENTION_MS,
        description="the state of a connection's syncs",
        producers=("scheduler",),
        consumers=(LINKER,),
        observers=(DATA_API,),
        events=(SyncChanged,),
    )
    yield Topic(
        KEY_CHANGED,
        compact=True,
        retention_ms=FEED_RETENTION_MS,
        description="the keys of a connection for the data API, as hashes",
        producers=("gateway",),
        observers=(DATA_API,),
        events=(KeysChanged,),
    )
    yield Topic(
        LINK_CHANGED,
        compact=True,
        description="the full state of a shop's link with a database of Odoo",
        producers=(LINKER,),
        observers=(DATA_API,),
        events=(LinkChanged,),
    )


def _build_platform_topics(platform: str, writer: tuple[str, ...]) -> Iterator[Topic]:
    fetcher = f"{platform}-fetcher"
    yield Topic(
        get_sync_topic(platform),
        description="read these records now (incremental sync)",
        producers=("gateway", "scheduler"),
        consumers=(fetcher, "scheduler"),
        observers=("gateway",),  # it waits for its own webhook probe
        events=(SyncRequested,),
    )
    yield Topic(
        get_full_sync_topic(platform),
        description="run step N of a full sync from this cursor",
        producers=("scheduler",),
        consumers=(fetcher,),
        events=(FullSyncStepRequested,),
    )
    yield Topic(
        get_progress_topic(platform),
        description="how far a request or a step of a full sync got",
        producers=(fetcher,),
        consumers=("scheduler",),
        events=(SyncProgressed,),
    )
    yield Topic(
        get_fetched_topic(platform),
        description="pages of records of an incremental read, and its end",
        producers=(fetcher,),
        consumers=writer,
        events=(RecordsPage, IncrementalReadCompleted),
    )
    yield Topic(
        get_full_fetched_topic(platform),
        description="pages of records of a full read, the ids that were listed, the ends of its parts, and its end",
        producers=(fetcher,),
        consumers=writer,
        events=(RecordsPage, IdsListed, RangeCompleted, FullReadCompleted, DirectReadCompleted),
    )


def _build_write_topics(platform: str) -> Iterator[Topic]:
    writer = f"{platform}-writer"
    yield Topic(
        get_write_topic(platform),
        description="write these fields of this record",
        producers=(LINKER,),
        consumers=(writer,),
        events=(WriteRequested,),
    )
    yield Topic(
        get_stock_write_topic(platform),
        description="write the stock of this variant",
        producers=(LINKER,),
        consumers=(writer,),
        events=(WriteRequested,),
    )
    yield Topic(
        get_written_topic(platform),
        description="what came of a write",
        producers=(writer,),
        consumers=(LINKER,),
        events=(WriteCompleted,),
    )


def _build_dead_letter_topic(topic: Topic) -> Topic:
    return Topic(
        get_dead_letter_topic(topic.name),
        description=f"messages of {topic.name} that could not be handled, unchanged, with the error",
        producers=topic.consumers,
        consumers=("scheduler",),
    )
