"""How long a message on an idle topic waits until it is handled, with a publisher, a consumer and a Kafka of their own.

`python -m benchmarks.idle_topic [--messages 300] [--burst 20000]`. Messages are published one at a time with random
pauses of 50 to 350 ms, so each finds the consumer waiting. Afterwards: the CPU of an idle process, and a burst.
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

from benchmarks.figures import milliseconds, percentile, table
from benchmarks.stand import JARS
from contracts.events import Event
from contracts.topics import Topic, get_dead_letter_topic
from merchant_sync.stack import Stack
from messaging.brokers import Brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.provisioning import provision_topics
from messaging.publisher import EventPublisher, OutboundMessage

WARM_UP = 20
IDLE_SECONDS = 10.0


class Note(Event):
    """A message without a meaning."""

    text: str


class Counter:
    """The handler of the consumer: counts events and wakes the benchmark."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    async def __call__(self, _key: str, events: Sequence[Note]) -> None:
        """Count the events."""
        self.count += len(events)
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        """Wait until so many events were handled."""
        while self.count < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)


async def measure(servers: str, messages: int, burst: int) -> None:
    """Measure and print."""
    brokers, topic, handler = Brokers(servers), f"notes.{uuid4().hex[:8]}", Counter()
    await provision_topics(brokers, (Topic(topic), Topic(get_dead_letter_topic(topic))))
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
                table(
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
    """Build a message of one of 24 keys."""
    return OutboundMessage(topic, f"shopify:{number % 24}", Note(text=text), str(uuid4()))


def format_row(name: str, seconds: list[float]) -> tuple[str, ...]:
    """Format the percentiles of a measurement."""
    return (name, *(milliseconds(percentile(seconds, share)) for share in (0.5, 0.9, 0.99)))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--burst", type=int, default=20_000)
    options = parser.parse_args()
    jars = None if "JGO_CACHE_DIR" in os.environ else JARS
    with TemporaryDirectory() as folder, Stack(Path(folder), wanted={"kafka"}, cache_dir=jars) as stack:
        servers = stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
        uvloop.run(measure(servers, options.messages, options.burst))


if __name__ == "__main__":
    main()
