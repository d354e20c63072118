"""Holds a copy of one connection's records in a SQLite file, and keeps it current from the change feed.

    python consumer.py shopify:acme.myshopify.com copy.sqlite3

It needs the package aiokafka and the settings KAFKA_BOOTSTRAP_SERVERS, KAFKA_USERNAME and KAFKA_PASSWORD (without a
user name it does not log in). It can be killed at any time: the next start goes on where the copy stands, and requests
the whole state where the feed has a gap.
"""

import asyncio
import json
import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

CHANGES, READS, REQUESTS = "record.changed", "records.read", "read.requested"
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (resource TEXT, id TEXT, sequence INTEGER, body TEXT, PRIMARY KEY (resource, id));
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one), feed TEXT, sequence INTEGER, offsets TEXT);
"""


class Copy:
    """The records of one connection. A deleted record keeps its sequence number, so that late pages change nothing.

    What a page changes and how far the copy then stands are committed together. During a read nothing is committed.
    """

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path)
        self.db.executescript(SCHEMA)
        row = self.db.execute("SELECT feed, sequence, offsets FROM position").fetchone()
        self.feed, self.sequence, offsets = row or (None, 0, "{}")
        self.offsets: dict[str, int] = json.loads(offsets)  # by the number of the partition of the topic of changes
        self.read_id: str | None = None if row else str(uuid.uuid4())
        self.read_keys = set[tuple[str, str]]()
        self.pages_during_read: list[tuple[int, int]] = []
        self.chunks: list[str] = []

    def begin_read(self) -> None:
        """Expect a read of the whole state: an id is drawn for it, which the request must name."""
        self.read_id, self.read_keys, self.pages_during_read = str(uuid.uuid4()), set(), []

    def apply_changes(self, page: dict[str, Any]) -> bool:
        """Apply a page of changes. Return False if the whole state must be read: pages are missing before this one."""
        if self.read_id and self.feed is None:
            self.feed = page["feed"]
        if page["feed"] != self.feed:
            return False
        if self.read_id:
            self.pages_during_read.append((page["after"], page["through"]))
        elif page["after"] > self.sequence:
            return False
        if page["erased"] and page["through"] > self.sequence:
            self.db.execute("DELETE FROM records")
        self.apply_entries(page["changes"], page.get("chunk"))
        if not self.read_id:
            self.sequence = max(self.sequence, page["through"])
        return True

    def apply_read(self, page: dict[str, Any]) -> bool:
        """Apply a page of the expected read. Return False if changes that follow the read are missing."""
        if page["read_id"] != self.read_id:
            return True
        if page["feed"] != self.feed:  # its numbers cannot be compared with those of another feed
            self.db.execute("DELETE FROM records")
            self.feed, self.pages_during_read = page["feed"], []
        self.apply_entries(page["records"], page.get("chunk"))
        self.read_keys.update((entry["resource"], entry["id"]) for entry in page["records"])
        follow = page.get("changes_follow")
        return follow is None or self.finish_read(follow)

    def finish_read(self, changes_follow: int) -> bool:
        """Delete what the read has not had, and count the pages that have arrived in the meantime."""
        known = self.db.execute("SELECT resource, id FROM records WHERE sequence <= ?", (changes_follow,)).fetchall()
        gone = [key for key in known if key not in self.read_keys]
        self.db.executemany("DELETE FROM records WHERE resource = ? AND id = ?", gone)
        self.read_id, self.sequence = None, changes_follow
        for after, through in self.pages_during_read:
            if after > self.sequence:
                return False
            self.sequence = max(self.sequence, through)
        return True

    def apply_entries(self, entries: Iterable[dict[str, Any]], chunk: dict[str, Any] | None) -> None:
        """Store each entry that is newer than what is known of its record."""
        for entry in entries:
            body = entry.get("body")
            if chunk:  # a part of a body that is too large for one message
                self.chunks = [*(self.chunks if chunk["number"] else []), chunk["text"]]
                if chunk["number"] + 1 < chunk["count"]:
                    continue
                body = json.loads("".join(self.chunks))
            self.db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET sequence = excluded.sequence, body = excluded.body WHERE excluded.sequence > sequence",
                (entry["resource"], entry["id"], entry["sequence"], None if body is None else json.dumps(body)),
            )

    def commit(self) -> None:
        """Store what was applied, and how far the copy stands."""
        if not self.read_id:
            values = (self.feed, self.sequence, json.dumps(self.offsets))
            self.db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?)", values)
            self.db.commit()


def build_options() -> dict[str, Any]:
    """Return how to reach Kafka."""
    options = {"bootstrap_servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
    if os.environ.get("KAFKA_USERNAME"):
        options |= {
            "security_protocol": os.environ.get("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            "sasl_mechanism": os.environ.get("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            "sasl_plain_username": os.environ["KAFKA_USERNAME"],
            "sasl_plain_password": os.environ["KAFKA_PASSWORD"],
        }
    return options


async def follow(connection: str, path: str) -> None:
    """Keep the copy in the file `path` current until the process is stopped."""
    copy, key = Copy(path), connection.encode()
    async with (
        AIOKafkaConsumer(**build_options(), group_id=None, auto_offset_reset="earliest") as consumer,
        AIOKafkaProducer(**build_options(), acks="all") as producer,
    ):
        changes = [TopicPartition(CHANGES, number) for number in await producer.partitions_for(CHANGES)]
        reads = [TopicPartition(READS, number) for number in await producer.partitions_for(READS)]
        consumer.assign([*changes, *reads])
        await consumer.seek_to_end(*changes, *reads)
        for partition in changes:
            offset = copy.offsets.setdefault(str(partition.partition), await consumer.position(partition))
            consumer.seek(partition, offset)

        async def request_read() -> None:
            request = {"read_id": copy.read_id, "connection": connection, "requested_at": int(time.time() * 1000)}
            await producer.send_and_wait(REQUESTS, json.dumps(request).encode(), key=key)

        if copy.read_id:
            await request_read()
        async for message in consumer:
            if message.topic == CHANGES:
                copy.offsets[str(message.partition)] = message.offset + 1
            if message.key != key:
                continue
            page = json.loads(message.value)
            is_complete = copy.apply_changes(page) if message.topic == CHANGES else copy.apply_read(page)
            if not is_complete and not copy.read_id:
                copy.begin_read()
                await request_read()
            copy.commit()


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
