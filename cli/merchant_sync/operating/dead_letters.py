"""Read, replay and discard dead letters for the command `merchant-sync dlq`.

Dead letters are messages that could not be handled. They are stored only in Kafka, on `<topic>.dlq`. Kafka cannot
delete one of them: a discarded one is noted on the same topic, and the note is kept as long as the letter.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from contracts.headers import DEAD_LETTER, DISCARDED
from contracts.topics import CONNECTION_CHANGED, DEAD_LETTER_SUFFIX, get_dead_letter_topic
from merchant_sync.access import Access
from merchant_sync.operating import brokers
from merchant_sync.operating.dead_letter_bodies import decode_event
from merchant_sync.operating.terminal import WRONG
from merchant_sync.parts import StackError

REPLAYED = "dlq-replayed"
"""The header of a replayed message with topic, partition and offset of its dead letter."""
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter: its position, the topic it came from (`came_from`), the error, and the unchanged message.

    `at` is the time of its publication on the dead letter topic, in milliseconds.
    """

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
    def position(self) -> str:
        """The dead letter's topic, partition and offset, written as the arguments of `dlq show`."""
        return f"{self.topic} {self.partition} {self.offset}"

    @property
    def summary(self) -> dict[str, Any]:
        """The fields that `dlq list --json` prints."""
        names = ("topic", "partition", "offset", "at", "connection", "came_from", "kind", "group", "error")
        return {name: getattr(self, name) for name in names}

    def describe(self, *, with_body: bool) -> dict[str, Any]:
        """Return all fields for JSON. Data of records, and a body that is not JSON, are hidden unless `with_body`."""
        headers = {name: value.decode(errors="replace") for name, value in self.headers}
        return {**self.summary, "headers": headers, "event": decode_event(self.body, with_data=with_body)}


@dataclass(frozen=True)
class Discard:
    """The note that an operator has discarded a dead letter: when (ms), and why."""

    at: int
    reason: str


def parse_dead_letter(record: "ConsumerRecord[bytes, bytes]") -> DeadLetter:
    """Parse a message of a dead letter topic."""
    headers = [(name, bytes(value)) for name, value in record.headers]
    texts = {name: value.decode(errors="replace") for name, value in headers}
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp,
        connection=(record.key or b"").decode(errors="replace"),
        # Not from a header: whoever may write to this topic must not choose where an operator replays it.
        came_from=record.topic.removesuffix(DEAD_LETTER_SUFFIX),
        group=texts.get("dlq-group", ""),
        error=texts.get("dlq-error", ""),
        kind=texts.get("ce_type", ""),
        body=record.value,
        key=record.key,
        headers=headers,
    )


def build_replay_headers(letter: DeadLetter) -> Headers:
    """Return the headers of the replayed message: the original ones, and `dlq-replayed` (the letter's position)."""
    original = [(name, value) for name, value in letter.headers if name not in DEAD_LETTER and name != REPLAYED]
    return [*original, (REPLAYED, letter.position.replace(" ", "/").encode())]


def complete_topic_name(name: str) -> str:
    """Return the dead letter topic of a topic that is named with or without `.dlq`."""
    return name if name.endswith(DEAD_LETTER_SUFFIX) else get_dead_letter_topic(name)


async def read_dead_letters(access: Access, topic: str | None) -> AsyncIterator[DeadLetter]:
    """Yield the dead letters of one topic, or of all topics when `topic` is None, except those that were discarded.

    Raises UnavailableError when Kafka is unavailable, and StackError when the topic does not exist.
    """
    discards = await load_discards(access, topic)
    async for record in _read_records(access, topic):
        if not _is_note(record) and (letter := parse_dead_letter(record)).position not in discards:
            yield letter


async def load_discards(access: Access, topic: str | None) -> Mapping[str, Discard]:
    """Return the notes of discarded dead letters by the letter's position; of all topics when `topic` is None."""
    discards: dict[str, Discard] = {}
    async for record in _read_records(access, topic):
        if _is_note(record):
            position, reason = _parse_note(record.value)
            # A note counts for the letters of its own topic alone, because others may write to the other topics.
            if position.partition(" ")[0] == record.topic:
                discards[position] = Discard(record.timestamp, reason)
    return discards


def _parse_note(value: bytes | None) -> tuple[str, str]:
    """Return the position of the discarded letter and the reason; empty texts when the note is malformed."""
    try:
        note = orjson.loads(value or b"{}")
        return str(note["discarded"]).replace("/", " "), str(note["reason"])
    except (ValueError, TypeError, KeyError):
        return "", ""


def count_dead_letters(access: Access) -> dict[str, int]:
    """Return how many dead letters there are that were not discarded, by topic. Replayed ones count too.

    Raises UnavailableError when Kafka is unavailable.
    """

    async def count() -> dict[str, int]:
        counts = Counter([letter.topic async for letter in read_dead_letters(access, None)])
        return dict(sorted(counts.items()))

    return asyncio.run(count())


def _is_note(record: "ConsumerRecord[bytes, bytes]") -> bool:
    return any(name == DISCARDED for name, _ in record.headers)


async def _read_records(access: Access, topic: str | None) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    """Yield the messages of one dead letter topic, or of all when `topic` is None: letters and notes about them."""
    async with brokers.create_admin(access) as admin:
        existing = sorted(name for name in await admin.list_topics() if name.endswith(DEAD_LETTER_SUFFIX))
        if topic is not None and complete_topic_name(topic) not in existing:
            message = f"No topic {complete_topic_name(topic)}; there are {', '.join(existing) or 'none'}."
            raise StackError(message, exit_code=WRONG)
        names = existing if topic is None else [complete_topic_name(topic)]
        partitions = await brokers.list_partitions(admin, names) if names else []
    async with brokers.create_consumer(access) as consumer:
        async for record in brokers.read_to_present_end(consumer, partitions):
            yield record


def explain_refusal(letter: DeadLetter) -> str | None:
    """Return the reason why a dead letter must not be replayed; None when it may be replayed.

    Those of `connection.changed` must not: the topic is compacted, so a replayed old message would replace the newer
    message of the same connection.
    """
    if letter.came_from != CONNECTION_CHANGED:
        return None
    return (
        f"{letter.came_from} keeps the latest message of each connection, which an old one would replace: "
        "`merchant-sync sync NAME` publishes the present state"
    )


async def select_distinct_replayable(letters: AsyncIterator[DeadLetter]) -> AsyncIterator[DeadLetter]:
    """Yield the dead letters that may be replayed. Of several with the same event, only the first is yielded.

    Several have the same event when a replayed message has failed again.
    """
    seen: set[tuple[str, str, bytes]] = set()
    async for letter in letters:
        event_id = dict(letter.headers).get("ce_id", letter.position.encode())
        identity = (letter.came_from, letter.connection, event_id)
        if explain_refusal(letter) is None and identity not in seen:
            seen.add(identity)
            yield letter


async def load_latest_without_bodies(
    access: Access, topic: str | None, connection: str | None, limit: int
) -> list[DeadLetter]:
    """Return the `limit` latest dead letters without body and headers, the newest first.

    Only dead letters of `topic` and of `connection` are returned; None stands for all.
    """
    kept: list[DeadLetter] = []
    async for letter in read_dead_letters(access, topic):
        if connection in (None, letter.connection):
            kept.append(replace(letter, body=None, headers=[]))
        if len(kept) > 2 * limit:
            kept = _select_newest(kept, limit)
    return _select_newest(kept, limit)


def _select_newest(letters: list[DeadLetter], limit: int) -> list[DeadLetter]:
    return sorted(letters, key=lambda letter: letter.at, reverse=True)[:limit]


async def load_dead_letter(access: Access, topic: str, partition: int, offset: int) -> DeadLetter:
    """Return the dead letter at this offset of a topic's partition. Raises StackError when it does not exist.

    Kafka deletes dead letters after seven days.
    """
    position = TopicPartition(complete_topic_name(topic), partition)
    described = f"{position.topic} {partition} {offset}"
    missing = StackError(
        f"No dead letter at {described}: `merchant-sync dlq list` shows the existing ones.", exit_code=WRONG
    )
    async with brokers.create_admin(access) as admin:
        if position not in (await brokers.list_partitions(admin, [position.topic])):
            raise missing
    async with brokers.create_consumer(access) as consumer:
        starts, ends = await consumer.beginning_offsets([position]), await consumer.end_offsets([position])
        if not starts[position] <= offset < ends[position]:
            raise missing
        consumer.assign([position])
        consumer.seek(position, offset)
        record = await consumer.getone()
        if record.offset != offset or _is_note(record):
            raise missing
        return parse_dead_letter(record)


async def replay(
    access: Access, letters: AsyncIterator[DeadLetter], *, on_replayed: Callable[[DeadLetter], None]
) -> int:
    """Publish each dead letter again on the topic that it came from; return how many were published.

    `on_replayed` is called for each once Kafka has acknowledged it. Raises UnavailableError when Kafka is unavailable,
    even if some are published already. Replaying those a second time is harmless.
    """
    count = 0
    async with brokers.create_publisher(access) as publisher:
        async for letter in letters:
            await publisher.send_raw(letter.came_from, letter.key, letter.body, build_replay_headers(letter))
            on_replayed(letter)
            count += 1
    return count


async def discard(
    access: Access, letters: AsyncIterator[DeadLetter], reason: str, *, on_discarded: Callable[[DeadLetter], None]
) -> None:
    """Note on each letter's topic that it was discarded, and why; it is then neither listed nor replayed any more.

    `on_discarded` is called for each once Kafka has acknowledged the note. Raises UnavailableError when Kafka is
    unavailable, even if some are noted already. Noting those a second time is harmless.
    """
    async with brokers.create_publisher(access) as publisher:
        async for letter in letters:
            position = letter.position.replace(" ", "/")
            note = orjson.dumps({"discarded": position, "reason": reason})
            await publisher.send_raw(letter.topic, letter.key, note, [(DISCARDED, position.encode())])
            on_discarded(letter)
