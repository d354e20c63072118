"""The topic list: every Kafka topic, its key, its retention, and who may say what on it.

The key of every message is the connection (`platform:account`), the unit of ordering and of tenancy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.events import (
    ConnectionChanged,
    DataStored,
    Event,
    RecordsPage,
    Settled,
    SyncProgressed,
    SyncRequested,
    WalkEnded,
    WalkStepRequested,
    WindowEnded,
)

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
    """A topic as it must be provisioned (`compact` keeps the last value of each key for ever), and what is said on it.

    `by` and `to` name services. `events` is empty on a topic of dead letters: what lies there is as it came.
    """

    name: str
    compact: bool = False
    says: str = ""
    by: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    events: tuple[type[Event], ...] = ()


def every_topic(platforms: tuple[str, ...]) -> tuple[Topic, ...]:
    """All topics for these platforms, dead letters included."""
    said = tuple(_said(platforms))
    return (*said, *(_lost(topic) for topic in said))


def _said(platforms: tuple[str, ...]) -> Iterator[Topic]:
    fetchers = tuple(f"{platform}-fetcher" for platform in platforms)
    writer, pages = ("spaces-writer",), (RecordsPage, WindowEnded)
    changed = "the full state of a connection"
    yield Topic(CONNECTION_CHANGED, True, changed, ("gateway",), ("scheduler", *writer), (ConnectionChanged,))
    for platform, fetcher in zip(platforms, fetchers, strict=True):
        quick, walk = "bring these records (quick lane)", "walk step N of a sync from this cursor (slow lane)"
        by, to = ("gateway", "scheduler"), (fetcher, "scheduler")
        yield Topic(sync_requested(platform), False, quick, by, to, (SyncRequested,))
        yield Topic(sync_requested_walk(platform), False, walk, ("scheduler",), (fetcher,), (WalkStepRequested,))
    went = "how a request or a step of a walk went on"
    yield Topic(SYNC_PROGRESSED, False, went, fetchers, ("scheduler",), (SyncProgressed,))
    asked = "pages of records that were asked for, and that all of them are said"
    yield Topic(DATA_FETCHED, False, asked, fetchers, writer, (RecordsPage, Settled))
    walked = "pages of a walk, the ends of its windows and its own"
    yield Topic(DATA_FETCHED_WALK, False, walked, fetchers, writer, (*pages, WalkEnded))
    stored = "what was stored: totals, verdicts, ids wanted, uploads, erasures"
    yield Topic(DATA_STORED, False, stored, writer, ("scheduler",), (DataStored,))


def _lost(topic: Topic) -> Topic:
    says = f"what could not be handled on {topic.name}, whole, with the error"
    return Topic(dead_letters(topic.name), False, says, topic.to, ("scheduler",))
