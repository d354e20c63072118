"""A worker that publishes messages as fast as Kafka acknowledges them. No webhook route can be faster than that.

Settings: `servers`, `topic`, `in_flight`, `is_tuned`. The worker reads messages that the gateway has published on the
topic, and publishes their keys, headers and values again. It uses an idempotent aiokafka producer with `acks=all`;
with `is_tuned`, the producer has all other options of the gateway's producer as well.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.formatting import compute_percentile
from benchmarks.workers import serve_worker

MESSAGES = 500
TUNED_OPTIONS = {"linger_ms": 0, "compression_type": "lz4", "max_batch_size": 128 * 1024}
"""The options of the gateway's producer that differ from aiokafka's defaults."""
Messages = list[ConsumerRecord[bytes, bytes]]


async def read_webhook_requests(servers: str, topic: str) -> Messages:
    """Read up to `MESSAGES` messages that webhooks caused on the topic. Wait at most 10 s for them."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        messages: Messages = []
        deadline = time.monotonic() + 10
        while len(messages) < MESSAGES and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                messages += [record for record in records if b'"cause":"webhook"' in record.value]
        return messages[:MESSAGES]


async def produce(settings: dict[str, Any], messages: Messages, seconds: float) -> dict[str, Any]:
    """Publish for `seconds`. Return the count, and duration, latencies and CPU time of this process (all in s)."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings["servers"],
        acks="all",
        enable_idempotence=True,
        **TUNED_OPTIONS if settings["is_tuned"] else {},
    )
    source, latencies = itertools.cycle(messages), list[float]()
    async with producer:
        # The first message opens the connections and fetches the metadata, before the clock starts.
        await producer.send_and_wait(settings["topic"], messages[0].value, messages[0].key)
        cpu_before, started = os.times(), time.perf_counter()
        deadline = started + seconds
        senders = [
            _send_one_by_one(producer, settings["topic"], source, latencies, deadline)
            for _ in range(settings["in_flight"])
        ]
        await asyncio.gather(*senders)
        duration, cpu_after = time.perf_counter() - started, os.times()
    return {
        "accepted": len(latencies),
        "seconds": duration,
        "p50": compute_percentile(latencies, 0.5),
        "p99": compute_percentile(latencies, 0.99),
        "cpu": cpu_after.user + cpu_after.system - cpu_before.user - cpu_before.system,
    }


async def _send_one_by_one(
    producer: AIOKafkaProducer,
    topic: str,
    source: Iterator[ConsumerRecord[bytes, bytes]],
    latencies: list[float],
    deadline: float,
) -> None:
    while (started := time.perf_counter()) < deadline:
        message = next(source)
        await producer.send_and_wait(topic, message.value, message.key, headers=list(message.headers))
        latencies.append(time.perf_counter() - started)


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Read the messages to publish; return the function that publishes them for a number of seconds.

    Exits when the topic has no messages yet.
    """
    messages = uvloop.run(read_webhook_requests(settings["servers"], settings["topic"]))
    if not messages:
        raise SystemExit("there are no messages on the topic yet")
    return lambda seconds: uvloop.run(produce(settings, messages, seconds))


if __name__ == "__main__":
    serve_worker(prepare)
