"""Dead letters: what lies on `<topic>.dlq`, and how it is said again. Nothing is kept here: Kafka has it all."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from contracts.headers import DEAD_LETTER
from contracts.topics import CONNECTION_CHANGED, DEAD_LETTER_SUFFIX
from merchant_sync.access import Access
from merchant_sync.operating import NotThere, brokers

REPLAYED = "dlq-replayed"
"""The header of a message that was said again: where it lay as a dead letter."""
LEFT_OUT = "[left out: --body shows it]"
_DATA = ("body", "items", "facts", "volatile")
"""Of a record in a message: what holds a shop's data."""
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Letter:
    """A dead letter: its own place, where it came from, why it is one, and the message as it was."""

    topic: str
    partition: int
    offset: int
    at: int
    connection: str
    came_from: str
    group: str
    error: str
    kind: str
    body: bytes | None = field(repr=False)
    key: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)

    @property
    def place(self) -> str:
        """Topic, partition and offset, as `dlq show` takes them."""
        return f"{self.topic} {self.partition} {self.offset}"

    @property
    def summary(self) -> dict[str, Any]:
        """What `dlq list` tells of it."""
        names = ("topic", "partition", "offset", "at", "connection", "came_from", "kind", "group", "error")
        return {name: getattr(self, name) for name in names}

    def shown(self, *, body: bool) -> dict[str, Any]:
        """All of it as JSON; the data of its records, and what is no JSON, only with `body`."""
        headers = {name: value.decode(errors="replace") for name, value in self.headers}
        return {**self.summary, "headers": headers, "event": event_of(self.body, whole=body)}


def letter_of(record: "ConsumerRecord[bytes, bytes]") -> Letter:
    """The dead letter that a message on a dead-letter topic is."""
    headers = [(name, bytes(value)) for name, value in record.headers]
    told = {name: value.decode(errors="replace") for name, value in headers}
    return Letter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp,
        connection=(record.key or b"").decode(errors="replace"),
        came_from=told.get("dlq-topic") or record.topic.removesuffix(DEAD_LETTER_SUFFIX),
        group=told.get("dlq-group", ""),
        error=told.get("dlq-error", ""),
        kind=told.get("ce_type", ""),
        body=record.value,
        key=record.key,
        headers=headers,
    )


def event_of(body: bytes | None, *, whole: bool) -> Any:
    """A message's body as JSON; the data of its records, and what is no JSON, only when it is wanted `whole`."""
    try:
        event = orjson.loads(body or b"null")
    except orjson.JSONDecodeError:
        text = (body or b"").decode(errors="replace")
        return text if whole else f"[no JSON, {len(body or b'')} bytes: --body shows them]"
    return event if whole else without_data(event)


def without_data(event: Any) -> Any:
    """An event whose records show what they are, and nothing that is in them."""
    if not isinstance(event, dict) or not isinstance(event.get("records"), list):
        return event
    records = [
        {name: LEFT_OUT if name in _DATA and value else value for name, value in record.items()}
        if isinstance(record, dict)
        else LEFT_OUT
        for record in event["records"]
    ]
    return {**event, "records": records}


def headers_of(letter: Letter) -> Headers:
    """The headers with which it is said again: those that it came with, and where it lay."""
    kept = [(name, value) for name, value in letter.headers if name not in DEAD_LETTER and name != REPLAYED]
    return [*kept, (REPLAYED, letter.place.replace(" ", "/").encode())]


def dead_letter_topic(name: str) -> str:
    """The topic of dead letters of a topic that is named with or without `.dlq`."""
    return name if name.endswith(DEAD_LETTER_SUFFIX) else name + DEAD_LETTER_SUFFIX


async def letters(access: Access, topic: str | None) -> AsyncIterator[Letter]:
    """All dead letters, or those of one topic. Raises `KafkaAway`, and `NotThere` where there is no such topic."""
    async with brokers.administering(access) as admin:
        there = sorted(name for name in await admin.list_topics() if name.endswith(DEAD_LETTER_SUFFIX))
        if topic is not None and dead_letter_topic(topic) not in there:
            raise NotThere(f"No topic {dead_letter_topic(topic)}; there are {', '.join(there) or 'none'}.")
        names = there if topic is None else [dead_letter_topic(topic)]
        places = await brokers.partitions_of(admin, names) if names else []
    async with brokers.reading(access) as consumer:
        async for record in brokers.up_to_now(consumer, places):
            yield letter_of(record)


def refused(letter: Letter) -> str | None:
    """Why a letter may not be said again; None when it may. On a compacted topic the last word counts for ever, and an
    old one said again would take the place of a newer."""
    if letter.came_from != CONNECTION_CHANGED:
        return None
    return f"{letter.came_from} holds the last word on each connection: have it said anew by `merchant-sync sync NAME`"


async def once_each(found: AsyncIterator[Letter]) -> AsyncIterator[Letter]:
    """Those that may be said again, and of one that was and became a dead letter anew only the first."""
    seen: set[tuple[str, str, bytes]] = set()
    async for letter in found:
        named = dict(letter.headers).get("ce_id", letter.place.encode())
        known = (letter.came_from, letter.connection, named)
        if refused(letter) is None and known not in seen:
            seen.add(known)
            yield letter


async def latest(access: Access, topic: str | None, connection: str | None, limit: int) -> list[Letter]:
    """The latest dead letters, the newest first, without what was in them."""
    kept: list[Letter] = []
    async for letter in letters(access, topic):
        if connection in (None, letter.connection):
            kept.append(replace(letter, body=None, headers=[]))
        if len(kept) > 2 * limit:
            kept = _newest(kept, limit)
    return _newest(kept, limit)


def _newest(found: list[Letter], limit: int) -> list[Letter]:
    return sorted(found, key=lambda one: one.at, reverse=True)[:limit]


async def one(access: Access, topic: str, partition: int, offset: int) -> Letter:
    """The dead letter at a place; `NotThere` when there is none (any more: they are kept for seven days)."""
    place = TopicPartition(dead_letter_topic(topic), partition)
    named = f"{place.topic} {partition} {offset}"
    gone = NotThere(f"No dead letter at {named}: `merchant-sync dlq list` shows those that are kept.")
    async with brokers.administering(access) as admin:
        if place not in (await brokers.partitions_of(admin, [place.topic])):
            raise gone
    async with brokers.reading(access) as consumer:
        starts, ends = await consumer.beginning_offsets([place]), await consumer.end_offsets([place])
        if not starts[place] <= offset < ends[place]:
            raise gone
        consumer.assign([place])
        consumer.seek(place, offset)
        record = await consumer.getone()
        if record.offset != offset:
            raise gone
        return letter_of(record)


async def say_again(access: Access, chosen: AsyncIterator[Letter], *, said: Callable[[Letter], None]) -> int:
    """Say each again on the topic that it came from, with Kafka's word; how many. Raises `KafkaAway`: those that
    `said` has heard of are said, and to say them again changes nothing."""
    count = 0
    async with brokers.publishing(access) as publisher:
        async for letter in chosen:
            await publisher.send_raw(letter.came_from, letter.key, letter.body, headers_of(letter))
            said(letter)
            count += 1
    return count
