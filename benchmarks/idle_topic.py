"""Measure how long a message on an idle topic waits until it is handled.

The benchmark starts its own Kafka, one publisher and one consumer.

`python -m benchmarks.idle_topic [--messages 300] [--burst 20000]`. Messages are published one at a time with random
pauses of 50 to 350 ms, so the consumer waits for each. The benchmark also measures the CPU time of an idle process, and
a burst of messages.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import uvloop

from benchmarks.benchmark_stack import CACHED_JARS
from benchmarks.formatting import compute_percentile, format_milliseconds, format_table
from contracts.events import Event
from contracts.topics import Topic, get_dead_letter_topic
from merchant_sync.stack import Stack
from messaging.brokers import Brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage

WARM_UP = 20
IDLE_SECONDS = 10.0


class Note(Event):
    """An event without meaning, only for this benchmark."""

    text: str


class Counter:
    """Handles the consumer's events: counts them and wakes the benchmark."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    async def __call__(self, _key: str, events: Sequence[Note]) -> None:
        """Count the events of one key."""
        self.count += len(events)
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        """Wait until `count` events are handled. Raises TimeoutError when none arrives for 60 s."""
        while self.count < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)


async def measure_idle_topic(servers: str, messages: int, burst: int) -> None:
    """Measure latencies, idle CPU time and a burst of `burst` messages; print the results."""
    brokers, topic, handler = Brokers(servers), f"notes.{uuid4().hex[:8]}", Counter()
    await create_missing_topics(brokers, (Topic(topic), Topic(get_dead_letter_topic(topic))))
    async with EventPublisher(brokers, source="benchmark") as publisher:
        consumer = KeyedConsumer(
            brokers,
            topic,
            group="benchmark",
            parse=Note.model_validate_json,
            handle=handler,
            dead_letters=DeadLetterPublisher(publisher),
        )
        await consumer.start()
        try:
            published, handled = list[float](), list[float]()
            for number in range(1, WARM_UP + messages + 1):
                start = time.perf_counter()
                await publisher.send(build_message(topic, number, "x"))
                published.append(time.perf_counter() - start)
                await handler.wait_for(number)
                handled.append(time.perf_counter() - start)
                await asyncio.sleep(random.uniform(0.05, 0.35))
            print(
                format_table(
                    ("on an idle topic", "p50", "p90", "p99"),
                    [
                        format_row("publish", published[WARM_UP:]),
                        format_row("publish → handled", handled[WARM_UP:]),
                    ],
                )
            )
            cpu = time.process_time()
            await asyncio.sleep(IDLE_SECONDS)
            print(f"  an idle process takes {(time.process_time() - cpu) / IDLE_SECONDS:.2%} of a processor")
            start = time.perf_counter()
            await publisher.send_all(build_message(topic, number, "x" * 700) for number in range(burst))
            await handler.wait_for(WARM_UP + messages + burst)
            print(f"  {burst:,} messages of 700 bytes are published and handled in {time.perf_counter() - start:.2f} s")
        finally:
            await consumer.stop()


def build_message(topic: str, number: int, text: str) -> OutboundMessage:
    """Build a message. Its key is one of 24, chosen by `number`."""
    return OutboundMessage(topic, f"shopify:{number % 24}", Note(text=text), str(uuid4()))


def format_row(name: str, seconds: list[float]) -> tuple[str, ...]:
    """Format the percentiles of a measurement as a row of a table."""
    return (name, *(format_milliseconds(compute_percentile(seconds, share)) for share in (0.5, 0.9, 0.99)))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--burst", type=int, default=20_000)
    options = parser.parse_args()
    jars = None if "JGO_CACHE_DIR" in os.environ else CACHED_JARS
    with TemporaryDirectory() as folder, Stack(Path(folder), wanted={"kafka"}, cache_dir=jars) as stack:
        servers = stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
        uvloop.run(measure_idle_topic(servers, options.messages, options.burst))


if __name__ == "__main__":
    main()
