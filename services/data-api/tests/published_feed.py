"""The spaces-writer's tables as it would write them, with the views that it publishes: a feed whose truth is known."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from contracts.lookup_keys import build_lookup_key

SHOP = "shop-platform:acme.example"
MERCHANT = UUID("00000000-0000-0000-0000-00000000000a")
READ_AT = 1_794_830_400_000
"""When all records were read, in ms."""

UPLOADED_AT = datetime(2026, 11, 29, 7, 19, 3, tzinfo=UTC)

_WRITE_RECORD = """
INSERT INTO records (connection, resource, id, updated_at, read_at, content_hash, body_bytes, sort_key, lookup_keys,
                     sequence, created_sequence)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $9)
ON CONFLICT (connection, resource, id) DO UPDATE SET updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at,
    content_hash = EXCLUDED.content_hash, body_bytes = EXCLUDED.body_bytes, lookup_keys = EXCLUDED.lookup_keys,
    sequence = EXCLUDED.sequence, created_sequence = CASE
        WHEN records.content_hash IS NULL AND EXCLUDED.content_hash IS NOT NULL THEN EXCLUDED.sequence
        ELSE records.created_sequence END
"""
_WRITE_BODY = """
INSERT INTO bodies (connection, resource, id, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (connection, resource, id) DO UPDATE SET body = EXCLUDED.body
"""
_RAISE = "UPDATE connections SET sequence = sequence + $2 WHERE connection = $1 RETURNING sequence"


def encode(body: Any) -> bytes:
    """The canonical JSON of a body."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


class PublishedFeed:
    """Writes records and their sequence numbers, each change in a transaction, as the spaces-writer does."""

    def __init__(self, db: "asyncpg.Connection[asyncpg.Record]", schema: str) -> None:
        self.db = db
        self.schema = schema
        self.published_schema = f"{schema}_published"

    async def connect(self, connection: str = SHOP, *, epoch: int = 1, is_fully_read: bool = True) -> None:
        """Add a connected account, of which a full sync has succeeded or not."""
        await self.db.execute(
            "INSERT INTO connections (connection, epoch, revision, state, merchant, full_read_epoch) "
            "VALUES ($1, $2, 1, 'connected', $3, $4)",
            connection, epoch, MERCHANT, epoch if is_fully_read else None,
        )  # fmt: skip

    async def write(
        self,
        record_id: str,
        body: Mapping[str, Any] | None,
        *,
        connection: str = SHOP,
        resource: str = "products",
        updated_at: datetime = datetime(2026, 11, 1, 12, tzinfo=UTC),
        lookups: Sequence[tuple[str, str]] = (),
    ) -> int:
        """Create, update or (without a body) delete a record, and return the change's sequence number.

        The record is found by `lookups`, pairs of a field and a value.
        """
        encoded = encode(body) if body is not None else None
        digest = sha256(encoded).digest() if encoded is not None else None
        async with self.db.transaction():
            sequence = int(await self.db.fetchval(_RAISE, connection, 1))
            await self.db.execute(
                _WRITE_RECORD, connection, resource, record_id, updated_at, READ_AT, digest, len(encoded or b""),
                sorted(build_lookup_key(resource, *lookup) for lookup in lookups), sequence,
            )  # fmt: skip
            if encoded is None:
                await self.db.execute(
                    "DELETE FROM bodies WHERE connection = $1 AND resource = $2 AND id = $3",
                    connection, resource, record_id,
                )  # fmt: skip
            else:
                await self.db.execute(_WRITE_BODY, connection, resource, record_id, encoded)
        return sequence

    async def skip_numbers(self, count: int, connection: str = SHOP) -> int:
        """Use up sequence numbers that no record has, and return the last one."""
        return int(await self.db.fetchval(_RAISE, connection, count))

    async def fill(
        self, count: int, *, connection: str = SHOP, resource: str = "products", body: bytes = b"{}"
    ) -> None:
        """Write many records with ids `0000000`, `0000001`, … at once."""
        async with self.db.transaction():
            last = int(await self.db.fetchval(_RAISE, connection, count))
            await self.db.execute(
                "INSERT INTO records (connection, resource, id, read_at, content_hash, body_bytes, sort_key, sequence, "
                "created_sequence) SELECT $1, $2, lpad(n::text, 7, '0'), $3, sha256($4), length($4), 0, $5 + n + 1, "
                "$5 + n + 1 FROM generate_series(0, $6 - 1) AS n",
                connection, resource, READ_AT, body, last - count, count,
            )  # fmt: skip
            await self.db.execute(
                "INSERT INTO bodies SELECT $1, $2, lpad(n::text, 7, '0'), $3 FROM generate_series(0, $4 - 1) AS n",
                connection, resource, body, count,
            )  # fmt: skip

    async def renew(self) -> None:
        """Give the feed a new id, as after a restore from a backup."""
        await self.db.execute("UPDATE feed SET id = $1", uuid4())

    async def raise_epoch(self, connection: str = SHOP) -> None:
        """Begin a new epoch, of which everything is read already."""
        await self.db.execute(
            "UPDATE connections SET epoch = epoch + 1, full_read_epoch = full_read_epoch + 1 WHERE connection = $1",
            connection,
        )

    async def erase(self, connection: str = SHOP) -> None:
        """Delete all data of a connection, as after a request for deletion; the account may be connected later."""
        async with self.db.transaction():
            sequence = await self.db.fetchval(_RAISE, connection, 1)
            for table in ("records", "bodies"):
                await self.db.execute(f"DELETE FROM {table} WHERE connection = $1", connection)
            await self.db.execute(
                "UPDATE connections SET erased_sequence = $2 WHERE connection = $1", connection, sequence
            )

    async def upload(self, document: bytes, sequence: int, connection: str = SHOP) -> None:
        """Note that a document with all changes up to `sequence` was uploaded to the bucket."""
        await self.db.execute(
            "INSERT INTO snapshots (connection, uploaded_sequence, sha256, bytes, records, uploaded_at) "
            "VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (connection) DO UPDATE SET "
            "uploaded_sequence = $2, sha256 = $3, bytes = $4, uploaded_at = $5",
            connection, sequence, sha256(document).hexdigest(), len(document), UPLOADED_AT,
        )  # fmt: skip

    async def load_truth(self, connection: str = SHOP) -> dict[tuple[str, str], Any]:
        """All records that exist, by resource and id, each with its body."""
        rows = await self.db.fetch("SELECT resource, id, body FROM bodies WHERE connection = $1", connection)
        return {(row["resource"], row["id"]): orjson.loads(row["body"]) for row in rows}
