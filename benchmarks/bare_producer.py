"""A worker that says messages to Kafka again as fast as Kafka acknowledges them: the floor under any webhook route.

Settings: `servers`, `topic`, `in_flight`, `tuned`. Its messages (keys, headers, bytes) are those that the gateway has
put on the topic before; its producer is aiokafka's with `acks=all`, idempotent, and when `tuned` configured in full
as the gateway's.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.figures import percentile
from benchmarks.workers import obey

MESSAGES = 500
TUNED = {"linger_ms": 0, "compression_type": "lz4", "max_batch_size": 128 * 1024}
"""What the gateway's producer has beyond aiokafka's defaults."""
Said = list[ConsumerRecord[bytes, bytes]]


async def said_before(servers: str, topic: str) -> Said:
    """Messages that webhooks have caused on the topic."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        found: Said = []
        deadline = time.monotonic() + 10
        while len(found) < MESSAGES and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [record for record in records if b'"cause":"webhook"' in record.value]
        return found[:MESSAGES]


async def produce(settings: dict[str, Any], records: Said, seconds: float) -> dict[str, Any]:
    """Produce for so many seconds; count, duration, latencies, and the CPU time of this process."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings["servers"],
        acks="all",
        enable_idempotence=True,
        **TUNED if settings["tuned"] else {},
    )
    turn, latencies = itertools.cycle(records), list[float]()
    async with producer:
        await producer.send_and_wait(settings["topic"], records[0].value, records[0].key)
        used, began = os.times(), time.perf_counter()
        lane, lanes = partial(_lane, producer, settings["topic"], turn, latencies), range(settings["in_flight"])
        await asyncio.gather(*(lane(began + seconds) for _ in lanes))
        took, after = time.perf_counter() - began, os.times()
    return {
        "accepted": len(latencies),
        "seconds": took,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
        "cpu": after.user + after.system - used.user - used.system,
    }


async def _lane(
    producer: AIOKafkaProducer,
    topic: str,
    turn: Iterator[ConsumerRecord[bytes, bytes]],
    latencies: list[float],
    deadline: float,
) -> None:
    while (began := time.perf_counter()) < deadline:
        record = next(turn)
        await producer.send_and_wait(topic, record.value, record.key, headers=list(record.headers))
        latencies.append(time.perf_counter() - began)


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Read what is to be said again."""
    records = uvloop.run(said_before(settings["servers"], settings["topic"]))
    if not records:
        raise SystemExit("there are no messages on the topic yet")
    return lambda seconds: uvloop.run(produce(settings, records, seconds))


if __name__ == "__main__":
    obey(prepare)
