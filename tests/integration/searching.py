"""Searching what a stack has kept and said for texts that must not be there."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from aiokafka import AIOKafkaConsumer

from world import World

SCHEMAS = ("gateway", "scheduler", "spaces_writer")
NOT_OURS = ("kafka", "postgres", "spaces", "sandbox")


def tables(world: World) -> dict[str, str]:
    """The rows of the tables of all services as text, what they hold as bytes among it."""
    named = world.rows(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables"
        " WHERE table_schema = ANY(:schemas) AND table_type = 'BASE TABLE'",
        schemas=list(SCHEMAS),
    )
    found = {}
    for (table,) in named:
        rows = "\n".join(str(row[0]) for row in world.rows(f"SELECT t::text FROM {table} AS t"))
        found[table] = rows + "".join(map(_decoded, re.findall(r"\\x([0-9a-f]+)", rows)))
    return found


def _decoded(digits: str) -> str:
    """Bytes as Postgres shows them, as text."""
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode(errors="replace")


def logs(world: World, *without: str) -> dict[str, str]:
    """What each part has written, but for some."""
    return {
        name: world.stack.get_log_path(name).read_text(errors="replace")
        for name in world.stack.names
        if name not in without
    }


def holding(texts: Mapping[str, str], traces: Iterable[str]) -> dict[str, set[str]]:
    """The texts that hold one of these traces, as it is or as it stands in an address, with those traces."""
    found = {}
    for trace in traces:
        for form in {trace, quote(trace), quote(trace, safe=""), quote_plus(trace)}:
            for name, text in texts.items():
                if form in text:
                    found.setdefault(name, set()).add(trace)
    return found


def kept(world: World, *traces: str) -> dict[str, set[str]]:
    """The tables of all services in which one of these texts stands, with the texts."""
    return holding(tables(world), traces)


def logged(world: World, *traces: str) -> dict[str, set[str]]:
    """The parts of the product whose logs hold one of these texts."""
    return holding(logs(world, *NOT_OURS), traces)


async def said_in_kafka(servers: str) -> dict[str, str]:
    """Every message of every topic, dead letters among them: keys, headers and bodies as text."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        topics = sorted(topic for topic in await consumer.topics() if not topic.startswith("__"))
        consumer.subscribe(topics)
        found = dict.fromkeys(topics, "")
        while records := await consumer.getmany(timeout_ms=2000):
            for place, messages in records.items():
                found[place.topic] += "\n".join(f"{m.key!r} {m.headers!r} {m.value!r}" for m in messages)
        return found
    finally:
        await consumer.stop()
