"""Measure what the change feed costs the spaces-writer: a first read of many products, then a burst of changes.

The writer's own handlers store pages in a real Postgres. With the feed, its relay publishes every change to a real
Kafka meanwhile. Without, there is no relay, and no index of the sequence numbers.

`python -m benchmarks.feed_cost [--products 20000] [--changes 10000] [--rounds 3]`

The exit code is 1 when the feed lacks a change. Times do not affect it.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import uvloop
from sqlalchemy import text

from benchmarks.benchmark_stack import CACHED_JARS
from benchmarks.formatting import format_spread, format_table
from benchmarks.resource_usage import measure_cpu_seconds, measure_other_load
from contracts.events import ConnectionChanged, Record, RecordsPage
from contracts.topics import list_topics
from database.pool import Database
from merchant_sync import parts
from merchant_sync.stack import Stack
from messaging.brokers import Brokers
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher
from service.periodic_tasks import PeriodicTask
from spaces_writer.handlers import ConnectionChangedHandler, FetchedHandler
from spaces_writer.use_cases import feed_relay
from spaces_writer.use_cases.feed_relay import FeedRelay

CONNECTION = "shopify:benchmark.myshopify.com"
PAGE_RECORDS = 100
CHANGED_TOGETHER = 25
"""The records of one page in the burst: webhooks that arrived together are read together."""
START = datetime(2026, 11, 1, tzinfo=UTC)
PHASES = ("first read", "burst")


@dataclass(frozen=True)
class Cost:
    """What one phase took: seconds, CPU seconds of the writer, and CPU seconds of Postgres."""

    seconds: float
    writer: float
    postgres: float


def make_product(number: int, version: int) -> Record:
    """Return a product with three variants, about as large as one with a description."""
    gid = f"gid://shopify/Product/{number}"
    variants = [
        {"id": f"{gid}/{n}", "sku": f"SKU-{number}-{n}", "price": f"{number % 97}.{n}0", "options": ["Red", "M"] * 3}
        for n in range(3)
    ]
    body: dict[str, Any] = {
        "id": gid,
        "title": f"Product {number}, version {version}",
        "descriptionHtml": "<p>Hand made from oak, with a lid that closes well.</p>" * 40,
        "variants": variants,
        "images": [{"url": f"https://cdn.example/{number}/{n}.jpg", "altText": "from the side"} for n in range(5)],
        "tags": [f"tag-{n}" for n in range(12)],
    }
    lookup_fields: dict[str, str | None] = {"title": body["title"], "handle": f"product-{number}"}
    changed_at = START + timedelta(minutes=version)
    return Record(
        resource="products",
        id=gid,
        read_at=int(changed_at.timestamp() * 1000),
        updated_at=changed_at,
        body=body,
        sort_key=number,
        lookup_fields=lookup_fields,
    )


def make_pages(records: Sequence[Record], size: int, read_id: UUID) -> Iterator[RecordsPage]:
    """Divide records into pages of one read."""
    for number, start in enumerate(range(0, len(records), size)):
        yield RecordsPage(
            connection=CONNECTION,
            epoch=1,
            read_id=read_id,
            step=1,
            page=number,
            resource="products",
            records=tuple(records[start : start + size]),
        )


def get_pid(stack: Stack, part: str) -> int:
    """Return the process id of a running part."""
    pid = stack.get_pid(part)
    assert pid is not None, f"{part} does not run"
    return pid


class MeasuredWriter:
    """The writer's handlers on a schema of their own, with the feed's relay or without."""

    def __init__(self, stack: Stack, brokers: Brokers, *, has_feed: bool) -> None:
        self._stack, self._brokers, self._has_feed = stack, brokers, has_feed
        self._schema = f"benchmark_{uuid4().hex[:8]}"
        url = stack.build_admin_database_url()
        self._database = Database(url, schema=self._schema)
        self._feed_database = Database(url, schema=self._schema, pool_size=feed_relay.POOL_SIZE)
        self._task: PeriodicTask | None = None
        self.published = 0

    async def start(self, exits: AsyncExitStack) -> None:
        """Create the tables, connect the shop, and start the relay."""
        exits.push_async_callback(self._database.close)
        exits.push_async_callback(self._feed_database.close)
        await self._database.migrate("spaces_writer")
        connected = ConnectionChanged(connection=CONNECTION, revision=1, epoch=1, state="connected", merchant=uuid4())
        await ConnectionChangedHandler(self._database.transaction, on_changed=lambda: None)(CONNECTION, [connected])
        if not self._has_feed:
            async with self._database.transaction() as tx:
                await tx.execute(text("DROP INDEX records_by_sequence"))
            return
        publisher = await exits.enter_async_context(EventPublisher(self._brokers, source="benchmark"))

        def count_page(_connection: str, changes: int) -> None:
            self.published += changes

        relay = FeedRelay(self._feed_database, publisher, count_page=count_page, set_lag=lambda _seconds: None)
        self._task = PeriodicTask("feed", relay.publish_pages, interval=1.0)
        await exits.enter_async_context(self._task.run())

    async def measure(self, pages: Sequence[RecordsPage]) -> Cost:
        """Store the pages one after the other, and wait until all of their changes are published."""
        postgres, started = get_pid(self._stack, parts.POSTGRES), time.monotonic()
        before = measure_cpu_seconds(os.getpid()) - self._measure_children(), measure_cpu_seconds(postgres)
        wake = self._task.wake if self._task else lambda: None
        store = FetchedHandler(
            self._database.transaction, is_full_read=True, on_stored=wake, count_batch=lambda _batch: None
        )
        for page in pages:
            # Parsed from JSON, as the consumer does.
            await store(CONNECTION, [RecordsPage.model_validate_json(page.model_dump_json())])
        while self._task is not None and await self._count_unpublished():
            await asyncio.sleep(0.01)
        after = measure_cpu_seconds(os.getpid()) - self._measure_children(), measure_cpu_seconds(postgres)
        return Cost(time.monotonic() - started, after[0] - before[0], after[1] - before[1])

    def _measure_children(self) -> float:
        """Return the CPU seconds of the stack, whose parts are children of this process."""
        return sum(measure_cpu_seconds(get_pid(self._stack, name)) for name in (parts.POSTGRES, parts.KAFKA))

    async def _count_unpublished(self) -> int:
        async with self._database.transaction() as tx:
            return int((await tx.execute(text("SELECT sum(sequence - published) FROM feed_positions"))).scalar_one())

    async def drop(self) -> None:
        """Drop the tables."""
        database = Database(self._stack.build_admin_database_url(), schema=self._schema, pool_size=1)
        async with database.transaction() as tx:
            await tx.execute(text(f'DROP SCHEMA "{self._schema}", "{self._schema}_published" CASCADE'))
        await database.close()


async def measure_round(
    stack: Stack, brokers: Brokers, products: int, changes: int, *, has_feed: bool
) -> tuple[list[Cost], int]:
    """Measure both phases with the feed or without. Return their costs, and the number of published changes."""
    choose = random.Random(5)
    first = list(make_pages([make_product(number, 0) for number in range(products)], PAGE_RECORDS, uuid4()))
    edited = [make_product(choose.randrange(products), version + 1) for version in range(changes)]
    burst = list(make_pages(edited, CHANGED_TOGETHER, uuid4()))
    writer = MeasuredWriter(stack, brokers, has_feed=has_feed)
    async with AsyncExitStack() as exits:
        await writer.start(exits)
        costs = [await writer.measure(first), await writer.measure(burst)]
    await writer.drop()
    return costs, writer.published


async def measure(products: int, changes: int, rounds: int) -> int:
    """Measure in turns, print the figures, and return the exit code."""
    results: dict[bool, list[list[Cost]]] = {True: [], False: []}
    least, lacking = products, 0
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder), wanted={parts.POSTGRES, parts.KAFKA}, cache_dir=CACHED_JARS) as stack,
    ):
        brokers = Brokers(stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"])
        await create_missing_topics(brokers, list_topics(("shopify",)))
        for _ in range(rounds):
            for has_feed in (False, True):
                costs, published = await measure_round(stack, brokers, products, changes, has_feed=has_feed)
                results[has_feed].append(costs)
                lacking += has_feed and published < least
    for number, phase in enumerate(PHASES):
        print_phase(phase, [costs[number] for costs in results[True]], [costs[number] for costs in results[False]])
    return int(lacking > 0)


def print_phase(phase: str, with_feed: Sequence[Cost], without: Sequence[Cost]) -> None:
    """Print the medians of one phase, and the ratios of the rounds."""
    rows = [
        (
            name,
            *(f"{median(getattr(cost, field) for cost in costs):.2f} s" for field in ("seconds", "writer", "postgres")),
        )
        for name, costs in (("with the feed", with_feed), ("without", without))
    ]
    print(f"\n{phase}\n{format_table(['', 'elapsed', 'CPU writer', 'CPU Postgres'], rows)}")
    for field, label in (("seconds", "elapsed"), ("writer", "CPU of the writer"), ("postgres", "CPU of Postgres")):
        ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(with_feed, without, strict=True)]
        print(f"  {label}, with / without: {format_spread(ratios)}")


def main() -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with measure_other_load() as describe_other_load:
        code = uvloop.run(measure(options.products, options.changes, options.rounds))
    print(f"  {describe_other_load()}")
    return code


if __name__ == "__main__":
    sys.exit(main())
