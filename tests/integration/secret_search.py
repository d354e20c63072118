"""Search everything that a stack has stored, logged and published for texts that must not be there."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from aiokafka import AIOKafkaConsumer, TopicPartition

from merchant_sync.environment import OWNERS
from world import World

SCHEMAS = tuple(OWNERS.values())
THIRD_PARTY_PARTS = ("kafka", "postgres", "spaces", "sandbox")
"""The parts whose logs are not written by the product's services."""


def dump_tables(world: World) -> dict[str, str]:
    """Return all rows of all services' tables as text, by table. Columns of bytes are included as decoded text."""
    tables = world.select_rows(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables"
        " WHERE table_schema = ANY(:schemas) AND table_type = 'BASE TABLE'",
        schemas=list(SCHEMAS),
    )
    texts = {}
    for (table,) in tables:
        rows = "\n".join(str(row[0]) for row in world.select_rows(f"SELECT t::text FROM {table} AS t"))
        texts[table] = rows + "".join(map(_decode_bytea, re.findall(r"\\x([0-9a-f]+)", rows)))
    return texts


def _decode_bytea(digits: str) -> str:
    """Decode the hex digits that Postgres shows for bytes."""
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode(errors="replace")


def read_logs(world: World, *without: str) -> dict[str, str]:
    """Return the log of each part, by part, except the parts in `without`."""
    names = [name for name in world.stack.names if name not in without]
    return {name: world.stack.get_log_path(name).read_text(errors="replace") for name in names}


def search_texts(texts: Mapping[str, str], needles: Iterable[str]) -> dict[str, set[str]]:
    """Search each text for needles, plain or URL-encoded. Return the needles found, by the name of the text."""
    matches = {}
    for needle in needles:
        for form in {needle, quote(needle), quote(needle, safe=""), quote_plus(needle)}:
            for name, text in texts.items():
                if form in text:
                    matches.setdefault(name, set()).add(needle)
    return matches


def search_tables(world: World, *needles: str) -> dict[str, set[str]]:
    """Search the tables of all services. Return the needles found, by table."""
    return search_texts(dump_tables(world), needles)


def search_logs(world: World, *needles: str) -> dict[str, set[str]]:
    """Search the logs of the product's own parts. Return the needles found, by part."""
    return search_texts(read_logs(world, *THIRD_PARTY_PARTS), needles)


ROUNDS_AFTER_THE_END = 20
"""How often messages are still waited for once everything was read that was there at the beginning."""


async def dump_topics(servers: str) -> dict[str, str]:
    """Return keys, headers and values of all messages up to now as text, by topic; of dead letter topics, too."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        topics = sorted(topic for topic in await consumer.topics() if not topic.startswith("__"))
        consumer.subscribe(topics)
        texts = dict.fromkeys(topics, "")
        # Services go on publishing without an end. What is under way at this moment comes soon.
        unread: dict[TopicPartition, int] | None = None
        rounds_left = ROUNDS_AFTER_THE_END
        while unread or unread is None or rounds_left:
            records = await consumer.getmany(timeout_ms=2000)
            for partition, messages in records.items():
                texts[partition.topic] += "\n".join(f"{m.key!r} {m.headers!r} {m.value!r}" for m in messages)
            if unread is None and {one.topic for one in consumer.assignment()} == set(topics):
                unread = await consumer.end_offsets(list(consumer.assignment()))
            if unread is not None:
                unread = {one: end for one, end in unread.items() if await consumer.position(one) < end}
                if not unread:
                    rounds_left = rounds_left - 1 if records else 0
        assert any(texts.values()), "nothing was read"
        return texts
    finally:
        await consumer.stop()
