"""The command `merchant-sync changes`: print the change feed of a connection, and follow it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.events import FeedEntry, RecordChanged
from contracts.topics import RECORD_CHANGED
from merchant_sync.access import Access
from merchant_sync.operating import brokers
from merchant_sync.operating.terminal import (
    LOCAL,
    AsJson,
    DataDir,
    exit_on_errors,
    locate_installation_or_exit,
)
from messaging.publisher import select_partition


def show_changes(
    connection: Annotated[str, typer.Option(help="The connection, as `merchant-sync connections list` shows it.")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new changes until Ctrl-C.")] = False,
    with_data: Annotated[bool, typer.Option("--bodies", help="With the records' data.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Print what has changed in a connection's records, in order: the change feed of the last day, as Kafka has it.

    A line has the time, the operation, the record, and the sequence number of its last change. With --json each line is
    one page of the feed as it was published, without bodies unless --bodies asks for them.
    """
    access = locate_installation_or_exit(data)
    with exit_on_errors(), suppress(KeyboardInterrupt):
        asyncio.run(_print_pages(access, connection, follow=follow, as_json=as_json, with_data=with_data))


async def _print_pages(access: Access, connection: str, *, follow: bool, as_json: bool, with_data: bool) -> None:
    async for page in _read_pages(access, connection, follow=follow):
        shown = page if with_data else _drop_bodies(page)
        if as_json:
            print(shown.model_dump_json(exclude_none=True))
        else:
            for line in _format_page(shown):
                print(line)
        sys.stdout.flush()


def _drop_bodies(page: RecordChanged) -> RecordChanged:
    changes = tuple(entry.model_copy(update={"body": None}) for entry in page.changes)
    chunk = page.chunk and page.chunk.model_copy(update={"text": ""})
    return page.model_copy(update={"changes": changes, "chunk": chunk})


def _format_page(page: RecordChanged) -> list[str]:
    if page.erased:
        return [f"all data of {page.connection} was deleted  sequence {page.through}"]
    if page.chunk is not None and page.chunk.number + 1 < page.chunk.count:
        return []
    return [_format_entry(entry) for entry in page.changes]


def _format_entry(entry: FeedEntry) -> str:
    at = datetime.fromtimestamp(entry.changed_at / 1000, UTC)
    body = "" if entry.body is None else f"  {orjson.dumps(entry.body).decode()}"
    return (
        f"{at:%Y-%m-%d %H:%M:%S} UTC  {entry.operation:6}  {entry.resource} {entry.id}  sequence {entry.sequence}{body}"
    )


async def _read_pages(access: Access, connection: str, *, follow: bool) -> AsyncIterator[RecordChanged]:
    async with brokers.create_admin(access) as admin:
        partitions = await brokers.list_partitions(admin, [RECORD_CHANGED])
    numbers = tuple(sorted(partition.partition for partition in partitions))
    own = [TopicPartition(RECORD_CHANGED, select_partition(connection.encode(), numbers))] if numbers else []
    async with brokers.create_consumer(access) as consumer:
        records = _follow(consumer, own) if follow and own else brokers.read_to_present_end(consumer, own)
        async for record in records:
            if record.key == connection.encode() and record.value:
                yield RecordChanged.model_validate_json(record.value)


async def _follow(
    consumer: "AIOKafkaConsumer[bytes, bytes]", partitions: list[TopicPartition]
) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    """Yield all messages of these partitions from the oldest on, and wait for new ones for ever."""
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    async for record in consumer:
        yield record
